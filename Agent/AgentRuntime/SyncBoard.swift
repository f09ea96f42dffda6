import AgentCore
import LedgerCore
import SyncProtocol
import Synchronization

/// How far sync has come, for whoever asks: written by the shipper, read by any thread.
final class SyncBoard: Sendable {
    struct State: Sendable {
        var head: ChainPoint
        var acknowledged: UInt64
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
