import LedgerCore
import SyncProtocol

/// What the outbox wants of the thread that writes. Whatever of it gets lost with a write that
/// failed is asked for again, or kept for the next one.
package enum Errand: Hashable, Sendable {
    /// Make a session's number durable, search the log, and come back with `opened`.
    case open(SessionOpening)
    case keep(Acknowledged)
    /// Promise that nothing earlier than a time will be recorded any more, unless something is
    /// recorded behind that event of the stream that is written; come back with `promised`.
    case promiseTime(acknowledged: EventPlace)
    /// What the hub says of accounts, in a session of the stream that is written.
    case take(AccountSnapshot, session: UInt64)
    /// Follow this hub: what is recorded from now on knew of it.
    case follow(HubRecord)
    /// Hub events in the order in which they were told, without a gap; come back with `seen`.
    case keepEvents([SignedHubEvent])
    /// The hub's clock stood there: whatever is recorded from now on is later.
    case observe(HybridTimestamp)
    /// The stream may not go on: write what waits to it, begin another, and come back with `drawn`.
    case end(StreamTag, StreamEnd)
    /// A hub has all of a former stream, and was told that no more will come.
    case finish(StreamTag, hub: StreamTag)
}

/// What the thread that writes tells the outbox.
package enum CommitReport: Hashable, Sendable {
    /// A commit made events durable.
    case appended(StreamTag, ChainPoint, byteCount: Int)
    case opened(SessionOpening, ChainSearch)
    /// Nil where something is recorded behind the event.
    case promised(HybridTimestamp?, acknowledged: EventPlace)
    /// A snapshot could not be used now.
    case unusable(snapshot: UInt64, session: UInt64, of: StreamTag)
    /// So many of the hub's events are durable here.
    case seen(HubRecord)
    /// A stream is no longer kept up to there.
    case pruned(StreamTag, through: ChainPoint)
    /// This stream is written from now on, and why the one before ended.
    case drawn(StreamRecord, behind: StreamEnd?)
}

/// A session whose number is to be durable before it is proved.
package struct SessionOpening: Hashable, Sendable {
    package let stream: StreamTag
    package let session: UInt64
    /// What the aggregator has of the stream, and the highest head that it heard of.
    package let leaves: [ChainPoint]
    package let announced: ChainPoint

    package init(
        stream: StreamTag, session: UInt64, leaves: [ChainPoint], announced: ChainPoint
    ) {
        self.stream = stream
        self.session = session
        self.leaves = leaves
        self.announced = announced
    }
}

/// What the log says to a `SessionOpening`.
package struct ChainSearch: Hashable, Sendable {
    /// The highest of the leaves that is in the chain.
    package let found: ChainPoint?
    /// Whether the announced head is.
    package let hasAnnounced: Bool
    /// Where what is kept begins: behind this place.
    package let keptBehind: ChainPoint
    /// Of the segments behind what was found.
    package let bytesBehind: UInt64

    package init(
        found: ChainPoint?, hasAnnounced: Bool, keptBehind: ChainPoint, bytesBehind: UInt64
    ) {
        self.found = found
        self.hasAnnounced = hasAnnounced
        self.keptBehind = keptBehind
        self.bytesBehind = bytesBehind
    }
}

/// What an acknowledgement leaves behind.
package struct Acknowledged: Hashable, Sendable {
    package let stream: StreamTag
    /// Of what was acknowledged for the first time.
    package var receipts: [Receipt]
    /// Where a later hub placed what another had acknowledged before.
    package var placements: [Placement]
    /// How far the hub has the stream now, and where the last of it stands in its log.
    package let through: ChainPoint
    package let at: LogPlace
    /// The hub's clock.
    package let clock: HybridTimestamp

    package init(
        stream: StreamTag, receipts: [Receipt], placements: [Placement], through: ChainPoint,
        at: LogPlace, clock: HybridTimestamp
    ) {
        self.stream = stream
        self.receipts = receipts
        self.placements = placements
        self.through = through
        self.at = at
        self.clock = clock
    }
}

/// Where a hub has placed a run of a stream's segments in its log.
package struct Placement: Hashable, Sendable {
    package let sequences: ClosedRange<UInt64>
    /// Of the first segment.
    package let at: LogPlace

    package init(sequences: ClosedRange<UInt64>, at: LogPlace) {
        self.sequences = sequences
        self.at = at
    }
}
