import Foundation
import Simulator

/// A report for people, and for `merge`.
struct ReportOutput {
    private let report: Report

    init(_ report: Report) {
        self.report = report
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(report).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// - Parameter realTime: in seconds; nil where parts of other days were added up.
    func printSummary(realTime: Double?) {
        printCounts("faults", report.faults)
        printCounts("marks", report.marks)
        let days = Double(report.virtualTime) / 86_400e6
        let seconds = max(report.computedTime, 0.001)
        let pace = Double(report.virtualTime) / 1e6 / seconds
        let perSeed = 1000 * seconds / Double(max(report.runs, 1))
        print(
            """

            \(report.runs) runs, \(report.steps) steps, \(report.events) events merged, \
            \(report.faults.values.reduce(0, +)) faults
            \(number(days)) days of virtual time, \(number(pace / 3600)) hours a second of one core
            \(number(perSeed)) ms a seed on one core\(realTime.map { ", \(number($0)) s in all" } ?? "")
            digest \(String(report.digest, radix: 16))\(report.commit.isEmpty ? "" : ", commit \(report.commit)")
            """)
        if !report.missing.isEmpty {
            print("NEVER HAPPENED: \(report.missing.joined(separator: ", "))")
        }
        print(
            report.failures.isEmpty
                ? "0 violations"
                : "\(report.failures.count) VIOLATIONS: seeds "
                    + report.failures.prefix(20).map { "\($0.seed)" }.joined(separator: " "))
    }

    private func printCounts(_ title: String, _ counts: [String: UInt64]) {
        print("\n\(title):")
        let cells = counts.sorted { $0.key < $1.key }.map { name, count in
            let gap = max(1, 36 - name.count - String(count).count)
            return "  \(name)\(String(repeating: " ", count: gap))\(count)"
        }
        for start in stride(from: 0, to: cells.count, by: 3) {
            print(cells[start..<min(start + 3, cells.count)].joined())
        }
    }

    private func number(_ value: Double) -> String {
        String(format: value < 100 ? "%.1f" : "%.0f", value)
    }
}
