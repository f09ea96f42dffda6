/// A metric as it is told to Prometheus: its name, what it means, and what its labels are.
///
/// Names follow prometheus.io/docs/practices/naming: a prefix, base units, `_total` behind what only
/// counts up.
package struct MetricDefinition: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Only ever grows, and begins anew with the process.
        case counter
        case gauge
        /// Upper bounds, ascending; one without a bound is added.
        case histogram(Buckets)
    }

    /// The bounds that histograms of ours have: a fixed few, so that they can be compared.
    package enum Buckets: Hashable, Sendable {
        /// Seconds, from 0.5 ms, about one sync of a good disk, to 10 s, where a client gives up.
        case durations
        /// Things done at once, from 1 on.
        case counts

        package var bounds: [Double] {
            switch self {
            case .durations:
                [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
            case .counts: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]
            }
        }
    }

    package let name: String
    /// A sentence for people.
    package let help: String
    package let kind: Kind
    /// Names of its labels. Their values must be few: each combination is a line of every scrape.
    package let labels: [String]

    package init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
        precondition(MetricDefinition.isName(name), "\(name) is no name of a metric")
        precondition(
            (kind == .counter) == name.hasSuffix("_total"), "\(name): a counter ends in _total")
        for label in labels {
            precondition(MetricDefinition.isName(label), "\(label) is no name of a label")
        }
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.first.map { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") } ?? false
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || $0 == UInt8(ascii: "_")
            }
    }
}

/// What somebody who keeps a count anyway says when asked: read at the scrape, so that nothing is
/// counted twice.
package struct MetricSample: Hashable, Sendable {
    package let definition: MetricDefinition
    /// In the order of the definition's labels.
    package let labelValues: [String]
    package let value: Double

    package init(
        _ definition: MetricDefinition, labeled labelValues: [String] = [], _ value: Double
    ) {
        precondition(
            labelValues.count == definition.labels.count,
            "\(definition.name) has \(definition.labels.count) labels, not \(labelValues.count)")
        self.definition = definition
        self.labelValues = labelValues
        self.value = value
    }

    package init(
        _ definition: MetricDefinition, labeled labelValues: [String] = [],
        _ value: some BinaryInteger
    ) {
        self.init(definition, labeled: labelValues, Double(value))
    }
}

/// Whoever can be asked for samples.
package protocol MetricSource: Sendable {
    /// All that it may give samples of.
    static var definitions: [MetricDefinition] { get }
    /// What is unknown now is left out.
    func samples() async -> [MetricSample]
}
