import LedgerCore

/// The fields behind an event's postings, each there only where the event has it. All readers of
/// events read them here, so that none takes an event that another sets aside.
struct OptionalFields {
    /// An idempotency key whose scope is still a number of the stream's dictionary.
    struct Keyed {
        let scope: UInt32
        let key: String
        let digest: RequestDigest
    }

    static let extensionsMax = 16
    static let eventIDBytesMax = 128

    private(set) var reference: String?
    private(set) var metadata: [MetadataPair] = []
    private(set) var keyed: Keyed?
    private(set) var trace: TraceContext?
    private(set) var occurredAt: Timestamp?
    private(set) var related: EventID?

    init(from reader: inout ByteReader, _ fields: EventFields) throws(WireError) {
        if fields.contains(.reference) {
            reference = try reader.text(
                "the reference", limit: Transaction.Limits.referenceBytesMax)
        }
        if fields.contains(.metadata) { metadata = try reader.metadata() }
        if fields.contains(.key) { keyed = try reader.keyed() }
        if fields.contains(.trace) { trace = try reader.traceContext() }
        if fields.contains(.occurredAt) { occurredAt = Timestamp(microseconds: try reader.fixed()) }
        if fields.contains(.related) { related = try reader.eventID() }
        if fields.contains(.extensions) { try reader.skipExtensions() }
    }
}

extension ByteReader {
    fileprivate mutating func metadata() throws(WireError) -> [MetadataPair] {
        let count = try length(
            "the number of metadata pairs", limit: Transaction.Limits.metadataPairsMax)
        var pairs: [MetadataPair] = []
        for _ in 0..<count {
            let name = try text("a metadata name", limit: Transaction.Limits.metadataBytesMax)
            let value = try text("a metadata value", limit: Transaction.Limits.metadataBytesMax)
            pairs.append(MetadataPair(name: name, value: value))
        }
        do throws(InvalidField) { return try Transaction.sorted(pairs) } catch {
            throw failure(.invalid(what: "the \(error.path)"))
        }
    }

    fileprivate mutating func keyed() throws(WireError) -> OptionalFields.Keyed {
        let scope = try number()
        let key = try text("an idempotency key", limit: IdempotencyKey.lengthMax)
        guard !key.isEmpty else { throw failure(.invalid(what: "an empty idempotency key")) }
        return OptionalFields.Keyed(
            scope: scope, key: key, digest: RequestDigest(high: try fixed(), low: try fixed()))
    }

    fileprivate mutating func traceContext() throws(WireError) -> TraceContext {
        let traceID = try raw(16)
        let spanID = try raw(8)
        guard TraceContext.areIDs(traceID, spanID) else {
            throw failure(.invalid(what: "a trace or span id of zeros"))
        }
        let flags = try u8()
        let state = try text("the trace state", limit: TraceContext.stateBytesMax)
        return TraceContext(traceID: traceID, spanID: spanID, flags: flags, state: state)
    }

    fileprivate mutating func eventID() throws(WireError) -> EventID {
        let text = try text("the related transaction's id", limit: OptionalFields.eventIDBytesMax)
        do throws(InvalidValue) { return try EventID(text) } catch {
            throw failure(.invalid(what: "the related transaction's id"))
        }
    }

    mutating func skipExtensions() throws(WireError) {
        try extensions { _, _ in }
    }

    /// Hands out the extensions of an event or of a message, each with its tag; whoever does not
    /// know a tag passes over it.
    mutating func extensions(_ body: (UInt64, UnsafeRawBufferPointer) -> Void) throws(WireError) {
        for _ in 0..<(try length("the number of extensions", limit: OptionalFields.extensionsMax)) {
            let tag = try varint()
            body(tag, try slice(try length("an extension", limit: SegmentHeader.segmentBytesMax)))
        }
    }
}
