import Glibc
import LedgerCore
import Synchronization

/// Decides which traces are recorded: as the caller has decided, else some at random.
///
/// The decision for a request without a caller's takes one atomic addition.
package final class Sampler: Sendable {
    private struct Budget {
        var second: Int = 0
        var begun = 0
    }

    /// A random number below this begins a trace; nil for all.
    private let threshold: UInt64?
    private let perSecondMax: Int
    private let state: Atomic<UInt64>
    private let budget = Mutex(Budget())

    /// - Parameters:
    ///   - rate: of requests that begin a trace, from 0 to 1.
    ///   - perSecondMax: how many may begin one in a second.
    ///   - seed: for tests.
    package init(
        rate: Double, perSecondMax: Int, seed: UInt64 = .random(in: 0 ... .max)
    ) {
        precondition((0...1).contains(rate), "a rate is from 0 to 1, not \(rate)")
        threshold = rate >= 1 ? nil : UInt64(rate * 0x1p64)
        self.perSecondMax = perSecondMax
        state = Atomic(seed)
    }

    /// Whether what this caller asks for is recorded.
    package func records(_ parent: TraceContext?) -> Bool {
        parent?.isSampled ?? recordsNewTrace()
    }

    /// Whether to record what nobody has asked to be traced.
    package func recordsNewTrace() -> Bool {
        if let threshold {
            guard threshold > 0, draw() < threshold else { return false }
        }
        return takeFromBudget()
    }

    /// Whether to record what went wrong although nobody has asked for it. Within the same budget,
    /// because errors come in floods.
    package func recordsFailure() -> Bool {
        takeFromBudget()
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixer, so that threads need no lock.
    private func draw() -> UInt64 {
        var z = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    private func takeFromBudget() -> Bool {
        let second = Int(SpanInstant.monotonicNow() / 1_000_000_000)
        return budget.withLock { budget in
            if budget.second != second { budget = Budget(second: second) }
            guard budget.begun < perSecondMax else { return false }
            budget.begun += 1
            return true
        }
    }
}
