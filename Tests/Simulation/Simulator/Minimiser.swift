/// Makes a failing run small: the fewest faults, clients and steps with which it still fails in the
/// same way.
///
/// Delta debugging (Zeller, Hildebrandt 2002): halves of the faults are left out, then quarters, down
/// to single ones, until none can be spared.
package struct Minimiser {
    /// What came of a trial.
    package struct Trial: Sendable {
        /// Nil where nothing broke.
        package let failure: Report.Failure?
        package let faults: [FaultID]
        package let clientCount: Int

        package init(failure: Report.Failure?, faults: [FaultID], clientCount: Int) {
            self.failure = failure
            self.faults = faults
            self.clientCount = clientCount
        }
    }

    private let attempt: (RunInput) -> Trial
    /// Told after each step how many faults are left.
    private let progress: (Int) -> Void
    private var best: RunInput
    private var invariant: Invariant?
    private var step: Int?

    /// - Parameter attempt: runs it, in this process or in another.
    package init(
        _ seed: UInt64, attempt: @escaping (RunInput) -> Trial,
        progress: @escaping (Int) -> Void = { _ in }
    ) {
        self.attempt = attempt
        self.progress = progress
        best = RunInput(seed: seed)
    }

    /// - Returns: the smallest run that was found; nil where the seed does not fail.
    package mutating func minimised() -> RunInput? {
        let first = attempt(best)
        guard let failure = first.failure else { return nil }
        invariant = failure.violation?.invariant
        step = failure.violation?.step
        var faults = Set(first.faults).sorted()
        best.only = Set(faults)
        reduce(&faults)
        for count in 0..<first.clientCount where stillFails(faults, clients: count) {
            best.clientsMax = count
            break
        }
        reduce(&faults)
        best.stepsMax = step
        return best
    }

    private mutating func reduce(_ faults: inout [FaultID]) {
        if !faults.isEmpty, stillFails([], clients: best.clientsMax) { faults = [] }
        var size = (faults.count + 1) / 2
        while size >= 1, !faults.isEmpty {
            var start = 0
            var isSmaller = false
            while start < faults.count {
                let rest = Array(faults[..<start] + faults[min(start + size, faults.count)...])
                if stillFails(rest, clients: best.clientsMax) {
                    faults = rest
                    isSmaller = true
                    progress(faults.count)
                } else {
                    start += size
                }
            }
            if size == 1, !isSmaller { break }
            size = size == 1 ? 1 : (size + 1) / 2
        }
    }

    private mutating func stillFails(_ faults: [FaultID], clients: Int?) -> Bool {
        var input = best
        input.only = Set(faults)
        input.clientsMax = clients
        let trial = attempt(input)
        guard let failure = trial.failure, failure.violation?.invariant == invariant else {
            return false
        }
        // What was allowed and did not happen need not be named.
        input.only = Set(faults).intersection(trial.faults)
        best = input
        step = failure.violation?.step
        return true
    }
}

extension RunInput {
    /// The arguments with which `simulate` runs exactly this.
    package var arguments: [String] {
        var arguments = ["--seed", "\(seed)"]
        if let only {
            let names = only.sorted().map(\.description).joined(separator: ",")
            arguments += ["--only", names.isEmpty ? "none" : names]
        }
        if let clientsMax { arguments += ["--clients", "\(clientsMax)"] }
        if let stepsMax { arguments += ["--steps", "\(stepsMax)"] }
        return arguments
    }

    /// - Returns: nil where the text names something that is no fault.
    package static func faults(_ text: String) -> Set<FaultID>? {
        guard text != "none" else { return [] }
        var faults: Set<FaultID> = []
        for part in text.split(separator: ",") {
            guard let id = FaultID(part) else { return nil }
            faults.insert(id)
        }
        return faults
    }
}
