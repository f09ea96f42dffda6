import LedgerCore

/// The last event of the hub's stream that a writer had seen of those that it was told: which
/// policies, scopes and grants its events knew.
package struct Seen: Hashable, Sendable {
    /// Nil before the first welcome.
    package let hub: StreamTag?
    package let position: UInt64

    package static let nothing = Seen(hub: nil, position: 0)

    package init(hub: StreamTag?, position: UInt64) {
        self.hub = hub
        self.position = position
    }
}

/// The fixed part in front of a segment. See the catalog's `WireFormat` article for the bytes.
package struct SegmentHeader: Hashable, Sendable {
    package static let byteCount = 116
    package static let magic: [UInt8] = Array("TSEG".utf8)
    package static let version: UInt8 = 1
    /// A segment with its header and trailer, in bytes: 60 KiB, so that it fits a payload of 64 KiB
    /// with its frame.
    package static let segmentBytesMax = 60 * 1024
    package static let trailerByteCount = 4
    /// Transactions of a group: what one segment takes, and what a client can still mend when one of
    /// them is refused.
    package static let groupEventsMax = 1_000
    /// A group's events with the names that they define, in bytes: 48 KiB, so that it fits one
    /// segment with room for what later versions add to its events.
    package static let groupBytesMax = 48 * 1024

    package var stream: StreamTag
    package var firstSequence: UInt64
    package var count: UInt32
    package var definitionCount: UInt32
    package var previous: Hash256
    package var seen: Seen
    /// The time that the events' times are counted from.
    package var base: HybridTimestamp
    /// The dictionary with this segment's definitions.
    package var dictionary: DictionaryState
    package var definitionsByteCount: UInt32
    package var eventsByteCount: UInt32

    package var lastSequence: UInt64 { firstSequence + UInt64(count) - 1 }
    package var sequences: ClosedRange<UInt64> { firstSequence...lastSequence }
    package var definitionCountBefore: UInt32 { dictionary.count - definitionCount }

    package var byteCount: Int {
        SegmentHeader.byteCount + Int(definitionsByteCount) + Int(eventsByteCount)
            + SegmentHeader.trailerByteCount
    }

    var definitionsRange: Range<Int> {
        SegmentHeader.byteCount..<SegmentHeader.byteCount + Int(definitionsByteCount)
    }

    var eventsRange: Range<Int> {
        definitionsRange.upperBound..<definitionsRange.upperBound + Int(eventsByteCount)
    }

    func encode(into writer: inout ByteWriter) {
        writer.raw(SegmentHeader.magic)
        writer.u8(SegmentHeader.version)
        writer.u8(seen.hub == nil ? 0 : 1)
        writer.fixed(UInt16(SegmentHeader.byteCount))
        writer.fixed(stream.rawValue)
        writer.fixed(firstSequence)
        writer.fixed(count)
        writer.fixed(definitionCount)
        writer.hash(previous)
        writer.fixed(seen.hub?.rawValue ?? 0)
        writer.fixed(seen.position)
        writer.fixed(base.rawValue)
        writer.fixed(dictionary.count)
        writer.fixed(definitionsByteCount)
        writer.fixed(eventsByteCount)
        writer.raw(dictionary.rolling)
    }

    /// Reads the header and checks that its lengths are possible; the body is not looked at.
    init(from reader: inout ByteReader) throws(WireError) {
        guard try reader.raw(4) == SegmentHeader.magic else { throw reader.failure(.badMagic) }
        let version = try reader.u8()
        guard version == SegmentHeader.version else {
            throw reader.failure(.unknownVersion(version))
        }
        let flags = try reader.u8()
        guard flags <= 1 else { throw reader.failure(.invalid(what: "the header's flags")) }
        guard try reader.fixed(UInt16.self) == SegmentHeader.byteCount else {
            throw reader.failure(.invalid(what: "the header's length"))
        }
        stream = try reader.streamTag()
        firstSequence = try reader.fixed()
        count = try reader.fixed()
        definitionCount = try reader.fixed()
        previous = try reader.hash()
        seen = Seen(hub: try reader.seenHub(flags & 1 == 1), position: try reader.fixed())
        base = HybridTimestamp(rawValue: try reader.fixed())
        let dictionaryCount: UInt32 = try reader.fixed()
        definitionsByteCount = try reader.fixed()
        eventsByteCount = try reader.fixed()
        let rolling = try reader.raw(DictionaryState.rollingByteCount)
        dictionary = DictionaryState(count: dictionaryCount, rolling: rolling)
        try checkSizes(reader)
    }

    private func checkSizes(_ reader: ByteReader) throws(WireError) {
        let limit = UInt32(SegmentHeader.segmentBytesMax)
        for (what, size) in [("definitions", definitionsByteCount), ("events", eventsByteCount)]
        where size > limit {
            throw reader.failure(
                .tooLong(
                    what: "the length of the \(what)", length: UInt64(size), limit: UInt64(limit)))
        }
        guard byteCount <= SegmentHeader.segmentBytesMax else {
            throw reader.failure(
                .tooLong(what: "the segment", length: UInt64(byteCount), limit: UInt64(limit)))
        }
        // The smallest event, one of an unknown kind, is its length and its tag.
        guard count >= 1, count <= eventsByteCount / 2 else {
            throw reader.failure(.invalid(what: "the number of events"))
        }
        guard firstSequence >= 1, firstSequence <= UInt64.max - UInt64(count) else {
            throw reader.failure(.invalid(what: "the first sequence number"))
        }
        guard definitionCount <= definitionsByteCount / 2, definitionCount <= dictionary.count
        else {
            throw reader.failure(.invalid(what: "the number of definitions"))
        }
    }
}

extension SegmentHeader {
    package init(
        stream: StreamTag, firstSequence: UInt64, count: UInt32, definitionCount: UInt32,
        previous: Hash256,
        seen: Seen, base: HybridTimestamp, dictionary: DictionaryState,
        definitionsByteCount: UInt32,
        eventsByteCount: UInt32
    ) {
        self.stream = stream
        self.firstSequence = firstSequence
        self.count = count
        self.definitionCount = definitionCount
        self.previous = previous
        self.seen = seen
        self.base = base
        self.dictionary = dictionary
        self.definitionsByteCount = definitionsByteCount
        self.eventsByteCount = eventsByteCount
    }
}
