import LedgerCore

/// The postings of a segment as plain numbers: all that the balances need, read without touching
/// the heap for an event.
package struct PostingBatch: Sendable {
    /// One posting, its names still numbers of the stream's dictionary.
    package struct Entry: Hashable, Sendable {
        package let source: UInt32
        package let destination: UInt32
        package let asset: UInt32
        package let units: Int64
    }

    /// An event's entries, as a range of `entries`.
    package struct Item: Hashable, Sendable {
        package let sequence: UInt64
        package let start: Int32
        package let count: Int32
        /// The number of the idempotency key's scope, or `noScope`.
        package let scope: UInt32
        /// Applies only together with the item behind it.
        package let continuesGroup: Bool

        package static let noScope = UInt32.max

        package var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
    }

    package private(set) var entries: [Entry] = []
    package private(set) var items: [Item] = []
    /// Events without effect: poisoned, or of a kind this version does not know.
    package private(set) var setAside: [ReadEvent] = []
    /// Whether an item continues a group, so that whoever applies items must look for them.
    package private(set) var hasGroups = false
    /// Of the events that are to be traced; neighbours of one trace together.
    package private(set) var traces: [TraceContext] = []
    /// The latest time of the items; the segment's base where there is none.
    package private(set) var latest = HybridTimestamp(rawValue: 0)

    package init() {}

    /// Reads a segment's events in the place of what was read before. What it takes and what it
    /// sets aside is exactly what `Segment.events` takes and sets aside, but for names, which the
    /// caller checks: a group with one item that has none moves nothing.
    package mutating func read(_ segment: Segment) {
        entries.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
        setAside.removeAll()
        hasGroups = false
        traces.removeAll()
        latest = segment.header.base
        segment.bytes.withUnsafeBytes { pointer in
            var envelopes = EventEnvelopes(segment.header, pointer)
            var group = GroupWalk()
            while let envelope = envelopes.next() {
                let index = items.count
                let isSound = read(envelope, pointer, segment.header.base)
                group.pass(envelope, at: index, isSound: isSound, pointer)
                if let broken = group.takeBroken() { setAside(broken) }
            }
            group.end(behind: segment.header.lastSequence)
            if let broken = group.takeBroken() { setAside(broken) }
        }
    }

    /// Takes back the sound items of a broken group.
    private mutating func setAside(_ broken: GroupWalk.Broken) {
        let sound = items[broken.start...]
        if let first = sound.first { entries.removeLast(entries.count - Int(first.start)) }
        setAside += sound.map { .poisoned(sequence: $0.sequence, broken.error) }
        items.removeLast(sound.count)
    }

    /// - Returns: false for an event that was set aside.
    private mutating func read(
        _ envelope: EventEnvelopes.Envelope, _ pointer: UnsafeRawBufferPointer,
        _ base: HybridTimestamp
    ) -> Bool {
        let start = entries.count
        do throws(WireError) {
            var reader = ByteReader(pointer, in: try envelope.content.get())
            let tag = try reader.u8()
            guard TransactionKind(rawValue: tag & EventTag.kindMask) != nil else {
                setAside.append(
                    .unknown(sequence: envelope.sequence, kind: tag & EventTag.kindMask))
                return false
            }
            let time = try reader.time(after: base)
            let fields = EventFields(rawValue: try reader.u8())
            try readPostings(&reader, fields)
            let hasMore = !fields.subtracting(.severalPostings).isEmpty
            let optional = hasMore ? try OptionalFields(from: &reader, fields) : nil
            try reader.expectEnd()
            let continuesGroup = tag & EventTag.continuesGroup != 0
            if continuesGroup { hasGroups = true }
            if let trace = optional?.trace, trace.isSampled, trace != traces.last {
                traces.append(trace)
            }
            if time > latest { latest = time }
            items.append(
                Item(
                    sequence: envelope.sequence, start: Int32(start),
                    count: Int32(entries.count - start),
                    scope: optional?.keyed?.scope ?? Item.noScope,
                    continuesGroup: continuesGroup))
            return true
        } catch {
            entries.removeLast(entries.count - start)
            setAside.append(.poisoned(sequence: envelope.sequence, error))
            return false
        }
    }

    @inline(__always)
    private mutating func readPostings(_ reader: inout ByteReader, _ fields: EventFields)
        throws(WireError)
    {
        for _ in 0..<(try reader.postingCount(fields)) {
            entries.append(
                Entry(
                    source: try reader.number(), destination: try reader.number(),
                    asset: try reader.number(),
                    units: try reader.amountUnits()))
        }
    }
}
