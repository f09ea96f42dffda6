/// What came of many runs. Reports of parts add up to the report of the whole.
package struct Report: Sendable, Codable {
    /// A run that broke something.
    package struct Failure: Sendable, Codable, Hashable {
        package let seed: UInt64
        /// Nil where the process itself was ended, by a precondition of the cores.
        package let violation: Violation?

        package init(seed: UInt64, violation: Violation?) {
            self.seed = seed
            self.violation = violation
        }

        package var sentence: String {
            guard let violation else { return "seed \(seed) ended the process" }
            return
                "seed \(seed) broke “\(violation.invariant.rawValue)” at step \(violation.step): "
                + violation.detail
        }
    }

    /// Which code ran; empty where nobody said.
    package var commit = ""
    package var runs: UInt64 = 0
    package var steps: UInt64 = 0
    /// In microseconds.
    package var virtualTime: UInt64 = 0
    package var events: UInt64 = 0
    /// Of all cores together, in seconds.
    package var computedTime: Double = 0
    /// Of every step of every run; the order of the runs does not matter.
    package var digest: UInt64 = 0
    package var faults: [String: UInt64] = [:]
    package var marks: [String: UInt64] = [:]
    package var failures: [Failure] = []

    /// From so many runs on, everything must have happened.
    package static let runsForAllMarks: UInt64 = 1000

    package init() {}

    package mutating func add(_ result: RunResult) {
        runs += 1
        steps += UInt64(result.steps)
        virtualTime += UInt64(result.virtualTime)
        events += result.events
        digest &+= result.digest.value &* 0x9E37_79B9_7F4A_7C15
        for kind in FaultKind.allCases where result.faultCounts[kind.number] > 0 {
            faults[kind.name, default: 0] += UInt64(result.faultCounts[kind.number])
        }
        for mark in Mark.allCases where result.marks[Int(mark.rawValue)] > 0 {
            marks[mark.name, default: 0] += UInt64(result.marks[Int(mark.rawValue)])
        }
        guard let violation = result.violation else { return }
        failures.append(Failure(seed: result.input.seed, violation: violation))
    }

    package mutating func add(_ other: Report) {
        if commit.isEmpty { commit = other.commit }
        runs += other.runs
        steps += other.steps
        virtualTime += other.virtualTime
        events += other.events
        computedTime += other.computedTime
        digest &+= other.digest
        faults.merge(other.faults, uniquingKeysWith: +)
        marks.merge(other.marks, uniquingKeysWith: +)
        failures += other.failures
    }

    /// What never happened although it should have, by name. Too few runs say nothing about that.
    package var missing: [String] {
        guard runs >= Report.runsForAllMarks else { return [] }
        let kinds = FaultKind.allCases.filter { NotYet.faults[$0] == nil }.map(\.name)
        let expected = Mark.allCases.filter { NotYet.marks[$0] == nil }.map(\.name)
        return kinds.filter { faults[$0, default: 0] == 0 }
            + expected.filter { marks[$0, default: 0] == 0 }
    }

    package var isGood: Bool { failures.isEmpty && missing.isEmpty }
}
