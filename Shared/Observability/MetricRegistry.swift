import Metrics
import Synchronization

/// The backend of swift-metrics: keeps what is counted, for Prometheus to fetch.
///
/// **Function.** Make one with every definition there is, hand it to `MetricsSystem.bootstrap`, and
/// ask for ``text(with:)``. A metric made under a name that is not defined is one of a library's own:
/// it goes nowhere, so that what is told is what was decided on.
///
/// **Implementation.** Making a metric takes a lock; counting with it does not go through here.
package final class MetricRegistry: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labelValues: [String]
    }

    private let definitions: [String: MetricDefinition]
    private let names: [String]
    private let series = Mutex<[Key: any Series]>([:])

    package init(_ definitions: [MetricDefinition]) {
        self.definitions = Dictionary(definitions.map { ($0.name, $0) }) { first, second in
            preconditionFailure("the metric \(second.name) is defined twice")
        }
        names = definitions.map(\.name)
    }

    /// The same name and labels lead to the same series, however often they are made.
    private func find<Found: Series>(
        _ label: String, _ dimensions: [(String, String)], isKind: (MetricDefinition.Kind) -> Bool,
        make: (MetricDefinition) -> Found
    ) -> Found? {
        guard let definition = definitions[label] else { return nil }
        precondition(isKind(definition.kind), "\(label) is another kind of metric")
        precondition(
            dimensions.map(\.0) == definition.labels,
            "\(label) has the labels \(definition.labels), not \(dimensions.map(\.0))")
        let key = Key(name: label, labelValues: dimensions.map(\.1))
        return series.withLock { series in
            if let known = series[key] as? Found { return known }
            let new = make(definition)
            series[key] = new
            return new
        }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        find(label, dimensions, isKind: { $0 == .counter }, make: { _ in CountSeries() })
            ?? NOOPMetricsHandler.instance
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        find(label, dimensions, isKind: { $0 == .gauge }, make: { _ in GaugeSeries() })
            ?? NOOPMetricsHandler.instance
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool)
        -> any RecorderHandler
    {
        guard aggregate else {
            return find(label, dimensions, isKind: { $0 == .gauge }, make: { _ in GaugeSeries() })
                ?? NOOPMetricsHandler.instance
        }
        return findHistogram(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        findHistogram(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    private func findHistogram(_ label: String, _ dimensions: [(String, String)])
        -> HistogramSeries?
    {
        find(
            label, dimensions,
            isKind: { if case .histogram = $0 { true } else { false } },
            make: { definition in
                guard case .histogram(let buckets) = definition.kind else {
                    preconditionFailure("\(label) was found to be a histogram")
                }
                return HistogramSeries(bounds: buckets.bounds)
            })
    }

    /// A series stays, as Prometheus wants it: a counter that vanishes would look like one that
    /// began anew.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    // MARK: Telling

    /// Everything as Prometheus reads it, in the order of the definitions.
    ///
    /// - Parameter samples: what others count, of definitions that this registry was made with.
    package func text(with samples: [MetricSample]) -> PrometheusText {
        let kept = Dictionary(grouping: series.withLock { Array($0) }, by: \.key.name)
        let given = Dictionary(grouping: samples, by: \.definition.name)
        for name in given.keys {
            precondition(definitions[name] != nil, "\(name) is not among the definitions")
        }
        var text = PrometheusText()
        for name in names {
            guard let definition = definitions[name] else { continue }
            let own = (kept[name] ?? []).sorted { left, right in
                left.key.labelValues.lexicographicallyPrecedes(right.key.labelValues)
            }
            let others = given[name] ?? []
            guard !own.isEmpty || !others.isEmpty else { continue }
            text.begin(definition)
            for (key, series) in own { series.write(definition, key.labelValues, to: &text) }
            for sample in others {
                text.line(definition.name, definition.labels, sample.labelValues, sample.value)
            }
        }
        return text
    }
}
