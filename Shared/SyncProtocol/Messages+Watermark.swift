import LedgerCore

/// "Everything accepted here up to this hybrid time is acknowledged": said by an agent, of one
/// stream, within a session.
///
/// It is a promise about the future too: whatever the stream records from now on has a later time.
/// So the least watermark of a fleet is the time up to which the merged ledger is complete.
package struct Watermark: Hashable, Sendable {
    /// What is promised of a stream that its writer has left, once all of it is acknowledged: nothing
    /// more will come.
    package static let endOfStream = HybridTimestamp(rawValue: .max)

    package var stream: StreamTag
    /// The last event that this session has acknowledged. An aggregator that has not committed it
    /// is not the one that the promise was made to.
    package var acknowledged: ChainPoint
    package var through: HybridTimestamp
    /// The hub events that the agent has, which it acknowledges with this.
    package var seen: Seen
    /// By the agent's clock.
    package var sentAt: Timestamp

    package init(
        stream: StreamTag, acknowledged: ChainPoint, through: HybridTimestamp,
        seen: Seen = .nothing, sentAt: Timestamp
    ) {
        self.stream = stream
        self.acknowledged = acknowledged
        self.through = through
        self.seen = seen
        self.sentAt = sentAt
    }
}

extension Segment {
    /// The last hybrid time that lies before all of its events, and so behind all before them.
    package var timeBefore: HybridTimestamp? {
        header.base.rawValue > 0 ? HybridTimestamp(rawValue: header.base.rawValue - 1) : nil
    }
}

extension Watermark: FrameBody {
    package static let kind = Frame.Kind.watermark

    func encode(into writer: inout ByteWriter) {
        writer.fixed(stream.rawValue)
        acknowledged.encode(into: &writer)
        writer.fixed(through.rawValue)
        seen.encode(into: &writer)
        writer.fixed(sentAt.microseconds)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        acknowledged = try ChainPoint(from: &reader)
        through = HybridTimestamp(rawValue: try reader.fixed())
        seen = try Seen(from: &reader)
        sentAt = Timestamp(microseconds: try reader.fixed())
    }
}
