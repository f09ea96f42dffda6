import AgentCore
import LedgerCore
import SyncProtocol
import Synchronization

/// How far sync has come, for whoever asks: written by the shipper, read by any thread.
final class SyncBoard: Sendable {
    struct State: Sendable {
        var head: ChainPoint
        var acknowledged: UInt64
        /// The first event that the log still has.
        var oldestRetained: UInt64
        /// The last event that the aggregator of the current session, or of the last one of this
        /// run, said that it holds: a restored one may hold less than was acknowledged before. 0
        /// until one has said anything.
        var held: UInt64 = 0
        var backlogBytes: UInt64
        var lastAckAt: Timestamp?
        var phase: OutboxSession.Phase = .offline
        /// Since when there has been no connection to the broker; nil while there is one.
        var offlineSince: Timestamp?
        /// Since when nothing has flowed although there was something to send.
        var stalledSince: Timestamp?
    }

    private let state: Mutex<State>

    init(_ state: State) {
        self.state = Mutex(state)
    }

    var current: State { state.withLock { $0 } }

    func update(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
    }
}
