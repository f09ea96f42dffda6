import LedgerCore
import SyncProtocol

/// A stream of this folder on its way to the hub.
package struct OutboxStream: Sendable {
    package let tag: StreamTag
    package let genesis: Genesis
    package internal(set) var session: OutboxSession
    /// Why it ended; nil for the one that is written.
    package internal(set) var end: StreamEnd?
    /// Where what is kept begins: behind this place.
    package internal(set) var keptBehind: ChainPoint
    /// What the events that no hub has acknowledged take, in bytes, about.
    package internal(set) var backlogBytes: UInt64
    /// How far the last hub that acknowledged had come, and where the last of it stands in its log.
    var acknowledged: ChainPoint
    var acknowledgedAt: LogPlace?
    /// The hub that has all of it and was told that no more will come.
    var finishedFor: StreamTag?
    /// When that hub first said so, where it was in this run: what it says of accounts later has all
    /// of it.
    var settledAt: Moment?
    /// A former stream that has yet to be offered to the hub.
    var isDue: Bool
    /// How far a session has said where former hubs had placed its segments.
    var returned: (session: UInt64, through: UInt64)?
    /// Of the greeting that a proof follows.
    var greeting: Hash256?
    /// What events up to a place had to wait for, for their receipts.
    var waited: (through: UInt64, reason: String)?

    /// By the hub's clocks.
    struct Moment: Hashable, Sendable {
        let clock: HybridTimestamp
        let wall: Timestamp
    }

    init(_ record: StreamRecord, isWriting: Bool, hub: StreamTag?, limits: AgentLimits) {
        tag = record.tag
        genesis = record.genesis
        end = record.end
        keptBehind = record.keptBehind
        backlogBytes = record.bytesBehind
        acknowledged = record.confirmed ?? ChainPoint(sequence: 0, hash: record.genesisHash)
        acknowledgedAt = record.confirmedAt
        finishedFor = record.finishedFor
        isDue = !isWriting
        session = OutboxSession(
            stream: record.tag, head: record.head, released: record.acknowledged,
            lastSession: record.lastSession, isWriting: isWriting, limits: limits)
    }

    /// Events that no hub has acknowledged.
    package var backlog: UInt64 { session.head.sequence - session.released }

    var isWriting: Bool { session.isWriting }

    /// Whether a hub is to be asked what it has of this former stream: it may be an older copy of
    /// itself for as long as anything can still be sent, and pruning waits for its word.
    func concerns(_ hub: StreamTag) -> Bool {
        let wasNeverGreeted = session.lastSession == 0 && session.head.sequence == 0
        return !wasNeverGreeted
            && (finishedFor != hub || keptBehind.sequence < session.head.sequence)
    }

    /// Whether a hub has all of it, as far as is known, and was told that no more will come.
    package func isOffered(to hub: StreamTag?) -> Bool {
        !isWriting && hub != nil && finishedFor == hub
    }

    /// Whether its session takes part in what flows now.
    var isActive: Bool {
        switch session.phase {
        case .greeting, .streaming: true
        case .offline, .held, .ended: false
        }
    }

    /// Whether the hub of the session under way has all of it.
    var isDrained: Bool {
        session.confirmed?.acknowledged.sequence == session.head.sequence
    }
}
