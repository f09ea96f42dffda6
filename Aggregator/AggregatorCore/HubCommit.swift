import LedgerCore
import SyncProtocol

/// What one transaction of the store writes: all of it, or nothing. In the log, the hub's segments
/// come before those of agents, which they may be about.
package struct HubCommit: Sendable {
    package struct NewStream: Sendable {
        package let genesis: Genesis
        package let hash: Hash256

        package init(genesis: Genesis, hash: Hash256) {
            self.genesis = genesis
            self.hash = hash
        }
    }

    /// The segments that one message brought, and how they came.
    package struct Arrival: Sendable {
        package var stream: StreamTag
        package var run: SegmentRun
        /// By the agent's clock.
        package var publishedAt: Timestamp
        package var attempt: UInt32
        package var receivedAt: Timestamp

        package init(
            stream: StreamTag, run: SegmentRun, publishedAt: Timestamp, attempt: UInt32,
            receivedAt: Timestamp
        ) {
            self.stream = stream
            self.run = run
            self.publishedAt = publishedAt
            self.attempt = attempt
            self.receivedAt = receivedAt
        }
    }

    /// Names of a stream that no segment of the log defines.
    package struct Names: Sendable {
        package let stream: StreamTag
        package let names: BranchNames

        package init(stream: StreamTag, names: BranchNames) {
            self.stream = stream
            self.names = names
        }
    }

    /// The fold as it stands behind the commit's segments.
    package struct Checkpoint: Sendable {
        package var balances: Balances
        package var changedPages: [Int]
        package var counts: GlobalLedger.Counts

        package init(balances: Balances, changedPages: [Int], counts: GlobalLedger.Counts) {
            self.balances = balances
            self.changedPages = changedPages
            self.counts = counts
        }
    }

    /// The stream of its own that the hub writes from now on; its segments are of it.
    package var hub: NewStream?
    package var streams: [NewStream] = []
    package var names: [Names] = []
    /// Of the hub's stream.
    package var hubSegments: [SealedSegment] = []
    package var arrivals: [Arrival] = []
    /// Where the branches of a stream end behind the arrivals, where it has several or had.
    package var branchEnds: [StreamTag: [ChainPoint]] = [:]
    package var records: [StreamTag: StreamSession.Record] = [:]
    /// Where the hub's clock stands, behind all that is written.
    package var clock = HybridTimestamp(rawValue: 0)
    package var checkpoint: Checkpoint?

    package init() {}

    package var isEmpty: Bool {
        hub == nil && streams.isEmpty && names.isEmpty && hubSegments.isEmpty && arrivals.isEmpty
            && records.isEmpty && checkpoint == nil
    }
}

/// What a start reads from the store.
package struct HubOrigin: Sendable {
    package struct Stream: Sendable {
        package var genesis: Genesis
        package var record: StreamSession.Record
        /// Of its branches; none where nothing of it is stored.
        package var ends: [BranchEnd]
        /// When its last segment was committed; nil for none.
        package var committedAt: Timestamp?

        package init(
            genesis: Genesis, record: StreamSession.Record, ends: [BranchEnd],
            committedAt: Timestamp?
        ) {
            self.genesis = genesis
            self.record = record
            self.ends = ends
            self.committedAt = committedAt
        }
    }

    /// What the hub's stream that is written begins with.
    package var genesis: Genesis
    /// The end of that stream.
    package var end: ChainPoint
    package var fold: HubFold
    /// Of agents, in the order in which they were first heard of.
    package var streams: [Stream]
    /// The last position of the log, and the hash of the segment there; 0 and the genesis where the
    /// log is empty.
    package var position: Int64
    package var hash: Hash256
    /// Where its clock stood at the last commit.
    package var clock: HybridTimestamp
    /// The database is a copy that was put back: another stream is to be drawn.
    package var isRestored: Bool

    package init(
        genesis: Genesis, end: ChainPoint, fold: HubFold, streams: [Stream], position: Int64,
        hash: Hash256, clock: HybridTimestamp, isRestored: Bool
    ) {
        self.genesis = genesis
        self.end = end
        self.fold = fold
        self.streams = streams
        self.position = position
        self.hash = hash
        self.clock = clock
        self.isRestored = isRestored
    }
}
