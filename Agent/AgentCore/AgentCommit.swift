import LedgerCore
import SyncProtocol

/// What one transaction of the agent's store writes: all of it, or nothing.
package struct AgentCommit: Sendable {
    /// Of the stream that is written.
    package var segments: [SealedSegment] = []
    package var acknowledged: [Acknowledged] = []
    /// Numbers that are about to be proved, by their streams.
    package var sessions: [StreamTag: UInt64] = [:]
    /// Former streams that a hub has all of, by their tags.
    package var finished: [StreamTag: StreamTag] = [:]
    /// A hub that is followed from now on.
    package var hub: HubRecord?
    /// Of the hub that is followed, in their order.
    package var hubEvents: [SignedHubEvent] = []
    /// No event will have a time up to this one any more.
    package var clock: HybridTimestamp?
    package var checkpoint: Checkpoint?
    package var merged: [MergedBalances.Place: MergedBalances.Others] = [:]

    package init() {}

    package var isEmpty: Bool {
        segments.isEmpty && acknowledged.isEmpty && sessions.isEmpty && finished.isEmpty
            && hub == nil && hubEvents.isEmpty && clock == nil && checkpoint == nil
            && merged.isEmpty
    }

    /// The folds as they stand behind the commit's segments.
    package struct Checkpoint: Sendable {
        package var balances: Balances
        package var changedPages: [Int]
        package var keys: [IdempotencyKey: KeyRecord]
        /// Applied so far.
        package var transactions: Int64

        package init(
            balances: Balances, changedPages: [Int], keys: [IdempotencyKey: KeyRecord],
            transactions: Int64
        ) {
            self.balances = balances
            self.changedPages = changedPages
            self.keys = keys
            self.transactions = transactions
        }
    }
}
