import Foundation
import Simulator
import Synchronization

/// Runs a range of seeds in several processes, each a part at a time.
final class WorkerPool: Sendable {
    private struct State {
        var next: UInt64
        let end: UInt64
        var report = Report()
        var begun: UInt64 = 0
        var isStopped = false
    }

    private let jobs: Int
    private let stopsAtFirst: Bool
    private let state = Mutex(State(next: 0, end: 0))

    init(jobs: Int, stopsAtFirst: Bool) {
        self.jobs = jobs
        self.stopsAtFirst = stopsAtFirst
    }

    func run(from: UInt64, count: UInt64) -> Report {
        state.withLock { $0 = State(next: from, end: from + count) }
        let part = max(1, min(200, count / UInt64(8 * jobs)))
        let group = DispatchGroup()
        for _ in 0..<jobs {
            group.enter()
            let thread = Thread { [self] in
                while let range = takePart(part) { runPart(range, from: from, count: count) }
                group.leave()
            }
            thread.start()
        }
        group.wait()
        Progress.end()
        return state.withLock { state in
            state.report.failures.sort { $0.seed < $1.seed }
            return state.report
        }
    }

    private func takePart(_ size: UInt64) -> Range<UInt64>? {
        state.withLock { state in
            guard !state.isStopped, state.next < state.end else { return nil }
            let start = state.next
            state.next = min(state.end, start + size)
            return start..<state.next
        }
    }

    /// A seed that ends its worker is noted, and the rest of the part goes to another.
    private func runPart(_ range: Range<UInt64>, from: UInt64, count: UInt64) {
        var start = range.lowerBound
        while start < range.upperBound {
            var seed = start
            var report: Report?
            var arguments = [
                "worker", "--from", "\(start)", "--count", "\(range.upperBound - start)",
            ]
            if stopsAtFirst { arguments.append("--stop-at-first") }
            let (isKilled, status) = OwnProcess.run(arguments) { line in
                if line.hasPrefix("begin "), let begun = UInt64(line.dropFirst(6)) {
                    seed = begun
                    noteProgress(count)
                } else if line.hasPrefix("report ") {
                    report = try? Report(line: line)
                }
            }
            if let report {
                add(report)
                return
            }
            guard isKilled else { fatalError("a worker ended with \(status) and said nothing") }
            var crash = Report()
            crash.runs = seed - start + 1
            crash.failures = [Report.Failure(seed: seed, violation: nil)]
            add(crash)
            if stopsAtFirst { return }
            start = seed + 1
        }
    }

    private func add(_ report: Report) {
        state.withLock { state in
            state.report.add(report)
            if stopsAtFirst, !report.failures.isEmpty { state.isStopped = true }
        }
    }

    private func noteProgress(_ count: UInt64) {
        let (begun, failures) = state.withLock { state in
            state.begun += 1
            return (state.begun, state.report.failures.count)
        }
        Progress.show("\(begun) of \(count) seeds\(failures > 0 ? ", \(failures) failed" : "")")
    }
}
