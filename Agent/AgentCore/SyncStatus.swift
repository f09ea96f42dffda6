import LedgerCore
import SyncProtocol

/// How the agent stands with its aggregator.
package struct SyncStatus: Sendable {
    package struct Backlog: Sendable {
        package var count: UInt64
        package var bytes: UInt64
        package var oldest: Timestamp?

        package init(count: UInt64, bytes: UInt64, oldest: Timestamp?) {
            self.count = count
            self.bytes = bytes
            self.oldest = oldest
        }
    }

    package struct Storage: Sendable {
        /// Of the database, without its write-ahead log.
        package var bytes: UInt64
        /// The part of it that the next transactions will fill.
        package var freeBytes: UInt64
        /// How large it may grow; nil for as the disk.
        package var quotaBytes: UInt64?

        package init(bytes: UInt64, freeBytes: UInt64, quotaBytes: UInt64?) {
            self.bytes = bytes
            self.freeBytes = freeBytes
            self.quotaBytes = quotaBytes
        }
    }

    /// One of the folder's streams.
    package struct Stream: Sendable {
        package enum State: String, Sendable, CaseIterable {
            /// New transactions go there.
            case writing
            /// A former one, of which the aggregator may lack something.
            case draining
            /// A former one that the aggregator has.
            case drained
        }

        package var tag: StreamTag
        package var state: State
        package var head: ChainPoint
        package var acknowledged: UInt64
        /// The first event that is kept; one beyond the head where none is.
        package var oldestRetained: UInt64
        /// Why it ended; nil for the one that is written.
        package var end: StreamEnd?

        package init(
            tag: StreamTag, state: State, head: ChainPoint, acknowledged: UInt64,
            oldestRetained: UInt64, end: StreamEnd?
        ) {
            self.tag = tag
            self.state = state
            self.head = head
            self.acknowledged = acknowledged
            self.oldestRetained = oldestRetained
            self.end = end
        }
    }

    package var agent: AgentID
    /// In the order in which they were written.
    package var streams: [Stream]
    /// The one that is written.
    package var stream: StreamTag
    package var head: UInt64
    package var acknowledged: UInt64
    package var isConnected: Bool
    package var phase: OutboxSession.Phase
    /// Why nothing flows, for people; nil where it does.
    package var reason: String?
    /// Since when that has been so.
    package var since: Timestamp?
    package var lastError: String?
    package var broker: String
    package var attempts: UInt64
    package var nextAttemptAt: Timestamp?
    package var breaker: String
    package var backlog: Backlog
    package var lastAckAt: Timestamp?
    /// The first event that is kept here; what is before it was merged, and is pruned.
    package var oldestRetained: UInt64
    package var storage: Storage
    package var now: Timestamp

    package init(
        agent: AgentID, streams: [Stream], stream: StreamTag, head: UInt64, acknowledged: UInt64,
        isConnected: Bool,
        phase: OutboxSession.Phase, reason: String?, since: Timestamp?, lastError: String?,
        broker: String,
        attempts: UInt64, nextAttemptAt: Timestamp?, breaker: String, backlog: Backlog,
        lastAckAt: Timestamp?,
        oldestRetained: UInt64, storage: Storage, now: Timestamp
    ) {
        self.agent = agent
        self.streams = streams
        self.stream = stream
        self.head = head
        self.acknowledged = acknowledged
        self.isConnected = isConnected
        self.phase = phase
        self.reason = reason
        self.since = since
        self.lastError = lastError
        self.broker = broker
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.breaker = breaker
        self.backlog = backlog
        self.lastAckAt = lastAckAt
        self.oldestRetained = oldestRetained
        self.storage = storage
        self.now = now
    }
}
