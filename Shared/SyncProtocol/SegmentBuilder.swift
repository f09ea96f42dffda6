import LedgerCore

/// Encodes events into the segment that the next group commit writes.
///
/// The builder owns the stream's dictionary while it builds. Ask `hasRoom` before each `append`,
/// and `seal` when it says no.
package struct SegmentBuilder: Sendable {
    /// Where the segment stands: behind which one, and what its writer knew.
    package struct Place: Sendable {
        package var stream: StreamTag
        package var firstSequence: UInt64
        package var previous: Hash256
        package var seen: Seen
        package var dictionary: DictionaryState

        package init(
            stream: StreamTag, firstSequence: UInt64, previous: Hash256, seen: Seen,
            dictionary: DictionaryState
        ) {
            self.stream = stream
            self.firstSequence = firstSequence
            self.previous = previous
            self.seen = seen
            self.dictionary = dictionary
        }
    }

    package private(set) var dictionary: StreamDictionary
    private var place: Place
    /// What the writer knows of the hub by now; `place.seen` is what the events of this segment
    /// knew.
    private var seen: Seen
    private var base = HybridTimestamp(rawValue: 0)
    private var count: UInt32 = 0
    private var definitions = ByteWriter()
    private var definitionsEncoded: Int
    private var events = ByteWriter()
    private var scratch = ByteWriter()

    package init(place: Place, dictionary: StreamDictionary) {
        precondition(
            dictionary.count == Int(place.dictionary.count),
            "the dictionary is not the one of this place")
        self.place = place
        seen = place.seen
        self.dictionary = dictionary
        definitionsEncoded = dictionary.count
    }

    package var isEmpty: Bool { count == 0 }

    /// The number the next event will have.
    package var nextSequence: UInt64 { place.firstSequence + UInt64(count) }

    /// Whether the event still fits, counting its names as if all were new: a little early rather
    /// than a byte too late.
    package func hasRoom(_ transaction: Transaction, _ keyed: KeyedRequest?, _ trace: TraceContext?)
        -> Bool
    {
        byteCount + SegmentBuilder.byteCountBound(transaction, keyed, trace)
            <= SegmentHeader.segmentBytesMax
    }

    /// - Precondition: `hasRoom`, and times that do not go back.
    package mutating func append(
        _ transaction: Transaction, keyed: KeyedRequest?, trace: TraceContext?,
        time: HybridTimestamp,
        continuesGroup: Bool = false
    ) {
        var tag = transaction.kind.rawValue | EventTag.mustUnderstand
        if continuesGroup { tag |= EventTag.continuesGroup }
        begin(tag: tag, time: time)
        encode(transaction, keyed, trace)
        end()
        encodeNewDefinitions()
    }

    /// Appends an event that defines no names.
    mutating func append(
        tag: UInt8, time: HybridTimestamp, _ body: (inout ByteWriter) -> Void
    ) {
        begin(tag: tag, time: time)
        body(&scratch)
        end()
    }

    private mutating func begin(tag: UInt8, time: HybridTimestamp) {
        if count == 0 { base = time }
        precondition(time >= base, "an event's time lies before its segment's")
        scratch.removeAll()
        scratch.u8(tag)
        scratch.varint(time.rawValue - base.rawValue)
    }

    private mutating func end() {
        events.varint(UInt64(scratch.count))
        events.raw(scratch.bytes)
        count += 1
    }

    /// What became of appending a group.
    package enum GroupFit: Hashable, Sendable {
        case appended
        /// It would fit an empty segment. Seal this one, and append it again.
        case needsEmptySegment
        /// It has more than `SegmentHeader.groupBytesMax` bytes.
        case tooLarge
    }

    /// One event of a group.
    package struct GroupMember: Sendable {
        package var transaction: Transaction
        package var keyed: KeyedRequest?
        package var trace: TraceContext?
        package var time: HybridTimestamp

        package init(
            _ transaction: Transaction, keyed: KeyedRequest?, trace: TraceContext?,
            time: HybridTimestamp
        ) {
            self.transaction = transaction
            self.keyed = keyed
            self.trace = trace
            self.time = time
        }
    }

    /// Appends events that apply all or none, or none of them. It needs no `hasRoom` before.
    ///
    /// - Precondition: 1 to `groupEventsMax` of them, and times that do not go back.
    package mutating func append(group: [GroupMember]) -> GroupFit {
        precondition(
            (1...SegmentHeader.groupEventsMax).contains(group.count),
            "a group of \(group.count) events")
        let before = (count, events.count, definitions.count, definitionsEncoded)
        for (index, member) in group.enumerated() {
            append(
                member.transaction, keyed: member.keyed, trace: member.trace, time: member.time,
                continuesGroup: index + 1 < group.count)
            let added = events.count - before.1 + definitions.count - before.2
            let isTooLarge = added > SegmentHeader.groupBytesMax
            guard isTooLarge || byteCount > SegmentHeader.segmentBytesMax else { continue }
            dictionary.removeAll(from: before.3)
            (count, definitionsEncoded) = (before.0, before.3)
            events.truncate(to: before.1)
            definitions.truncate(to: before.2)
            if isTooLarge { return .tooLarge }
            precondition(count > 0, "a group that no segment takes")
            return .needsEmptySegment
        }
        return .appended
    }

    /// What the segment would take if it were sealed now.
    var byteCount: Int {
        SegmentHeader.byteCount + definitions.count + events.count
            + SegmentHeader.trailerByteCount
    }

    /// Ends the segment and begins the next one behind it.
    ///
    /// - Precondition: not empty.
    package mutating func seal(_ hasher: some ContentHasher) -> (segment: Segment, hash: Hash256) {
        precondition(count > 0, "a segment has at least one event")
        let defined = dictionary.count - Int(place.dictionary.count)
        let state = place.dictionary.advanced(by: defined, encoded: definitions.bytes, hasher)
        let header = SegmentHeader(
            stream: place.stream, firstSequence: place.firstSequence, count: count,
            definitionCount: UInt32(defined), previous: place.previous, seen: place.seen,
            base: base,
            dictionary: state, definitionsByteCount: UInt32(definitions.count),
            eventsByteCount: UInt32(events.count))
        let segment = SegmentBuilder.assemble(header, definitions.bytes, events.bytes)
        let hash = segment.hash(hasher)
        place = Place(
            stream: place.stream, firstSequence: header.lastSequence + 1, previous: hash,
            seen: seen,
            dictionary: state)
        definitions.removeAll()
        events.removeAll()
        count = 0
        return (segment, hash)
    }

    /// What the writer now knows of the hub. A segment that has events already keeps what they knew
    /// when they were admitted; the header of the next one says it.
    package mutating func saw(_ seen: Seen) {
        self.seen = seen
        if isEmpty { place.seen = seen }
    }

    /// Puts the parts together and ends them with the checksum.
    static func assemble(_ header: SegmentHeader, _ definitions: [UInt8], _ events: [UInt8])
        -> Segment
    {
        var writer = ByteWriter()
        writer.reserve(header.byteCount)
        header.encode(into: &writer)
        writer.raw(definitions)
        writer.raw(events)
        writer.fixed(CRC32C.checksum(writer.bytes))
        precondition(
            writer.count == header.byteCount && writer.count <= SegmentHeader.segmentBytesMax,
            "a segment of \(writer.count) bytes, where \(header.byteCount) were promised")
        return Segment(header: header, sealed: writer.bytes)
    }

    // MARK: Fields

    private mutating func encode(
        _ transaction: Transaction, _ keyed: KeyedRequest?, _ trace: TraceContext?
    ) {
        var fields: EventFields = []
        if transaction.postings.count > 1 { fields.insert(.severalPostings) }
        if transaction.reference != nil { fields.insert(.reference) }
        if !transaction.metadata.isEmpty { fields.insert(.metadata) }
        if keyed != nil { fields.insert(.key) }
        if trace != nil { fields.insert(.trace) }
        if transaction.occurredAt != nil { fields.insert(.occurredAt) }
        if transaction.related != nil { fields.insert(.related) }
        scratch.u8(fields.rawValue)
        encode(transaction.postings)
        if let reference = transaction.reference { scratch.text(reference) }
        if !transaction.metadata.isEmpty { encode(transaction.metadata) }
        if let keyed { encode(keyed) }
        if let trace { encode(trace) }
        if let occurredAt = transaction.occurredAt { scratch.fixed(occurredAt.microseconds) }
        if let related = transaction.related { scratch.text(related.description) }
    }

    private mutating func encode(_ postings: [Posting]) {
        if postings.count > 1 { scratch.varint(UInt64(postings.count)) }
        for posting in postings {
            scratch.varint(UInt64(dictionary.number(posting.source)))
            scratch.varint(UInt64(dictionary.number(posting.destination)))
            scratch.varint(UInt64(dictionary.number(posting.asset)))
            scratch.varint(UInt64(posting.amount.units))
        }
    }

    private mutating func encode(_ metadata: [MetadataPair]) {
        scratch.varint(UInt64(metadata.count))
        for pair in metadata {
            scratch.text(pair.name)
            scratch.text(pair.value)
        }
    }

    private mutating func encode(_ keyed: KeyedRequest) {
        scratch.varint(UInt64(dictionary.number(keyed.key.scope)))
        scratch.text(keyed.key.key)
        scratch.fixed(keyed.digest.high)
        scratch.fixed(keyed.digest.low)
    }

    private mutating func encode(_ trace: TraceContext) {
        scratch.raw(trace.traceID)
        scratch.raw(trace.spanID)
        scratch.u8(trace.flags)
        scratch.text(trace.state)
    }

    private mutating func encodeNewDefinitions() {
        while definitionsEncoded < dictionary.count {
            dictionary.definitions[definitionsEncoded].encode(into: &definitions)
            definitionsEncoded += 1
        }
    }

    /// No fewer bytes than the event can take.
    private static func byteCountBound(
        _ transaction: Transaction, _ keyed: KeyedRequest?, _ trace: TraceContext?
    ) -> Int {
        let varintMax = ByteWriter.varintBytesMax
        let nameOverhead = 3 + 5
        var bound = 4 * varintMax
        for posting in transaction.postings {
            let names =
                posting.source.description.utf8.count + posting.destination.description.utf8.count
            bound += names + posting.asset.description.utf8.count + 3 * nameOverhead + varintMax
        }
        bound += transaction.reference.map { $0.utf8.count + varintMax } ?? 0
        for pair in transaction.metadata {
            bound += pair.name.utf8.count + pair.value.utf8.count + 2 * varintMax
        }
        if let keyed {
            bound +=
                keyed.key.scope.utf8.count + keyed.key.key.utf8.count + nameOverhead + 4 * varintMax
        }
        if let trace { bound += 32 + trace.state.utf8.count }
        if transaction.occurredAt != nil { bound += 8 }
        if transaction.related != nil { bound += 128 }
        return bound
    }
}
