import LedgerCore

extension HubEvent {
    /// What an event takes at most: a decision of the greatest size, and some to spare for facts of
    /// later versions.
    package static let byteCountMax = 4 * 1024
    /// A fact of whatever version, in bytes.
    package static let factBytesMax = 2 * 1024
}

/// Which parts stand before the fact, in the order of the bits.
private struct ContentParts: OptionSet {
    let rawValue: UInt8
    static let address = ContentParts(rawValue: 1 << 0)
    static let origin = ContentParts(rawValue: 1 << 1)
    static let decision = ContentParts(rawValue: 1 << 2)
    static let all: ContentParts = [.address, .origin, .decision]
}

extension HubEvent.Content {
    func encode(into writer: inout ByteWriter) {
        var parts: ContentParts = []
        if address != nil { parts.insert(.address) }
        if origin != nil { parts.insert(.origin) }
        if decision != nil { parts.insert(.decision) }
        writer.u8(parts.rawValue)
        if let address {
            writer.text(address.agent.description)
            writer.fixed(address.previous)
        }
        if let origin { origin.encode(into: &writer) }
        if let decision {
            writer.text(decision.operatorName)
            writer.text(decision.reason)
        }
        var inner = ByteWriter()
        fact.encode(into: &inner)
        writer.varint(UInt64(inner.count))
        writer.raw(inner.bytes)
    }

    /// As it stands in a segment behind tag and time.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// What this version does not know of a fact, it passes over.
    init(from reader: inout ByteReader, kind: UInt8) throws(WireError) {
        let parts = ContentParts(rawValue: try reader.u8())
        guard ContentParts.all.isSuperset(of: parts) else {
            throw reader.failure(.invalid(what: "the parts of a hub event"))
        }
        if parts.contains(.address) {
            address = HubEvent.Address(
                agent: try reader.agentID(), previous: try reader.fixed())
        }
        if parts.contains(.origin) { origin = try HubEventID(from: &reader) }
        if parts.contains(.decision) { decision = try HubEvent.Decision(from: &reader) }
        let length = try reader.length("a fact", limit: HubEvent.factBytesMax)
        let start = reader.offset
        let read = try HubFact(from: &reader, kind: kind, byteCount: length)
        guard reader.offset <= start + length else {
            throw reader.failure(.invalid(what: "a fact that is longer than it says"))
        }
        try reader.skip(start + length - reader.offset)
        fact = read
    }
}

extension HubEvent.Decision {
    init(from reader: inout ByteReader) throws(WireError) {
        let name = try reader.text("the operator", limit: HubEvent.Decision.operatorBytesMax)
        let reason = try reader.text("the reason", limit: HubEvent.Decision.reasonBytesMax)
        do throws(InvalidField) {
            self = try HubEvent.Decision(operatorName: name, reason: reason)
        } catch {
            throw reader.failure(.invalid(what: "the decision's \(error.path)"))
        }
    }
}

extension HubEventID {
    func encode(into writer: inout ByteWriter) {
        writer.fixed(hub.rawValue)
        writer.fixed(sequence)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        hub = try reader.streamTag()
        sequence = try reader.fixed()
    }
}

extension LogPlace {
    func encode(into writer: inout ByteWriter) {
        writer.fixed(hub.rawValue)
        writer.fixed(position)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        hub = try reader.streamTag()
        position = try reader.fixed()
    }
}

extension ByteWriter {
    mutating func sequences(_ range: ClosedRange<UInt64>) {
        fixed(range.lowerBound)
        fixed(range.upperBound)
    }
}

extension ByteReader {
    /// Events are numbered from 1 on.
    mutating func sequences() throws(WireError) -> ClosedRange<UInt64> {
        let first: UInt64 = try fixed()
        let last: UInt64 = try fixed()
        guard first >= 1, first <= last else {
            throw failure(.invalid(what: "a range of event numbers"))
        }
        return first...last
    }
}

extension EventSpan {
    func encode(into writer: inout ByteWriter) {
        writer.fixed(stream.rawValue)
        writer.hash(segment)
        writer.sequences(sequences)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        segment = try reader.hash()
        sequences = try reader.sequences()
    }
}

extension SignedHead {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        self = try ByteReader.decode(bytes) { (reader) throws(WireError) in
            let head = try SignedHead(from: &reader)
            try reader.expectEnd()
            return head
        }
    }

    func encode(into writer: inout ByteWriter) {
        proof.encode(into: &writer)
        writer.fixed(session)
        writer.raw(challenge)
        writer.hash(greeting)
        writer.raw(signature.bytes)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        self.init(
            try Proof(from: &reader), session: try reader.fixed(),
            challenge: try reader.raw(Welcome.challengeByteCount), greeting: try reader.hash(),
            signature: Signature(bytes: try reader.raw(Signature.byteCount)))
    }
}

extension HubFact {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .closed(let stream, let standing, let evidence):
            writer.fixed(stream.rawValue)
            writer.u8(standing.rawValue)
            writer.u8(evidence == nil ? 0 : 1)
            evidence?.encode(into: &writer)
        case .declaredLost(let stream), .awaitsApproval(let stream), .approved(let stream):
            writer.fixed(stream.rawValue)
        case .gapLost(let gap):
            writer.fixed(gap.stream.rawValue)
            writer.sequences(gap.sequences)
            writer.hash(gap.before)
            writer.hash(gap.resumesBehind)
            writer.u8(gap.cause.rawValue)
        case .quarantined(let span, let cause):
            span.encode(into: &writer)
            writer.u8(cause.unknownKind ?? 0)
        case .released(let span): span.encode(into: &writer)
        case .restamped(let span, let offset):
            span.encode(into: &writer)
            writer.fixed(offset)
        case .reordered(let span, let former):
            span.encode(into: &writer)
            former.encode(into: &writer)
        case .resolved(let conflict): conflict.encode(into: &writer)
        case .unknown(_, let bytes): writer.raw(bytes)
        }
    }

    fileprivate init(
        from reader: inout ByteReader, kind: UInt8, byteCount: Int
    ) throws(WireError) {
        switch kind {
        case 32: self = try .closed(from: &reader)
        case 33: self = .declaredLost(try reader.streamTag())
        case 34: self = .awaitsApproval(try reader.streamTag())
        case 35: self = .approved(try reader.streamTag())
        case 36: self = .gapLost(try LostGap(from: &reader))
        case 37:
            let span = try EventSpan(from: &reader)
            let unknownKind = try reader.u8()
            self = .quarantined(span, unknownKind == 0 ? .unreadable : .unknownKind(unknownKind))
        case 38: self = .released(try EventSpan(from: &reader))
        case 39: self = .restamped(try EventSpan(from: &reader), offset: try reader.fixed())
        case 40:
            self = .reordered(try EventSpan(from: &reader), former: try LogPlace(from: &reader))
        case 41: self = .resolved(try HubEventID(from: &reader))
        default: self = .unknown(kind: kind, bytes: try reader.raw(byteCount))
        }
    }

    private static func closed(from reader: inout ByteReader) throws(WireError) -> HubFact {
        let stream = try reader.streamTag()
        guard let standing = Standing(rawValue: try reader.u8()), standing.isClosed else {
            throw reader.failure(.invalid(what: "how a stream was closed"))
        }
        let hasEvidence = try reader.flag("the evidence's flag")
        return .closed(
            stream, standing, evidence: hasEvidence ? try SignedHead(from: &reader) : nil)
    }
}

extension HubFact.LostGap {
    fileprivate init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        sequences = try reader.sequences()
        before = try reader.hash()
        resumesBehind = try reader.hash()
        guard let cause = Cause(rawValue: try reader.u8()) else {
            throw reader.failure(.invalid(what: "why events are lost"))
        }
        self.cause = cause
    }
}

extension HubFact.QuarantineCause {
    /// No event has kind 0.
    fileprivate var unknownKind: UInt8? {
        if case .unknownKind(let kind) = self { kind } else { nil }
    }
}
