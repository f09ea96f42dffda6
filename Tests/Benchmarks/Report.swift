import Foundation
import Histogram

/// One measured number.
struct Figure: Encodable, Sendable {
    let benchmark: String
    let name: String
    let value: Double
    let unit: String
    /// What the project aims at, as in `≥ 40000`; nil where there is no aim.
    let goal: String?
    /// What has to be known to read it.
    let note: String?

    init(
        _ benchmark: Benchmark, _ name: String, _ value: Double, _ unit: String,
        goal: String? = nil,
        note: String? = nil
    ) {
        self.benchmark = benchmark.rawValue
        self.name = name
        self.value = value
        self.unit = unit
        self.goal = goal
        self.note = note
    }
}

extension Histogram<UInt64> {
    /// Nanoseconds, up to a minute, three digits exact.
    static func ofLatencies() -> Histogram<UInt64> {
        Histogram(highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
    }

    /// The percentiles that people ask for, in milliseconds.
    func figures(
        _ benchmark: Benchmark, _ prefix: String, goals: [Double: String] = [:], note: String
    ) -> [Figure] {
        [(50, "p50"), (99, "p99"), (99.9, "p999")].map { percentile, name in
            Figure(
                benchmark, "\(prefix) \(name)", Double(valueAtPercentile(percentile)) / 1e6, "ms",
                goal: goals[percentile], note: note)
        }
    }
}

/// All figures of one run, with the machine that they are of.
struct Report {
    private struct Document: Encodable {
        let startedAt: String
        let processor: String
        let cores: Int
        let figures: [Figure]

        enum CodingKeys: String, CodingKey {
            case startedAt = "started_at"
            case processor, cores, figures
        }
    }

    private var figures: [Figure] = []
    private let startedAt = Date()

    mutating func add(_ figure: Figure) {
        figures.append(figure)
    }

    /// For people: a line a figure, the benchmark named once.
    var table: String {
        let header = ["benchmark", "figure", "value", "unit", "goal", "note"]
        var rows = [header]
        var last = ""
        for figure in figures {
            rows.append([
                figure.benchmark == last ? "" : figure.benchmark, figure.name,
                Report.text(figure.value),
                figure.unit, figure.goal ?? "", figure.note ?? "",
            ])
            last = figure.benchmark
        }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 2 ? padding + row[column] : row[column] + padding
            }
            .joined(separator: "  ").trimmingCharacters(in: .init(charactersIn: " "))
        }
        return "\(Report.processor), \(ProcessInfo.processInfo.activeProcessorCount) cores\n"
            + lines.joined(separator: "\n")
    }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document = Document(
            startedAt: startedAt.formatted(.iso8601), processor: Report.processor,
            cores: ProcessInfo.processInfo.activeProcessorCount, figures: figures)
        return try encoder.encode(document)
    }

    /// Three or more digits that mean something, thousands apart.
    private static func text(_ value: Double) -> String {
        guard value >= 100 else { return String(format: "%.2f", value) }
        var digits = String(Int(value.rounded()))
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return ([digits] + groups).joined(separator: ",")
    }

    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
            ?? "unknown processor"
    }
}
