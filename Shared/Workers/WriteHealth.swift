import LedgerCore
import Synchronization

/// Whether the last writes failed, as a daemon's readiness tells it.
///
/// A failure makes the daemon unready for some seconds only: if nobody sent anything to a daemon that
/// is unready, it would never find out that it can write again.
package final class WriteHealth: Sendable {
    /// In microseconds.
    private static let memory: Int64 = 5_000_000

    private let failure = Mutex<(sentence: String, at: Timestamp)?>(nil)

    package init() {}

    package func succeeded() {
        failure.withLock { $0 = nil }
    }

    package func failed(_ sentence: String) {
        failure.withLock { $0 = (sentence, WallClock.now()) }
    }

    /// The failure that is still remembered, in a sentence.
    package var recentFailure: String? {
        guard let (sentence, at) = failure.withLock({ $0 }) else { return nil }
        return WallClock.now().microseconds(since: at) < WriteHealth.memory ? sentence : nil
    }
}
