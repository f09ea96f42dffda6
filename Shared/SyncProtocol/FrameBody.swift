import LedgerCore

/// A message that travels as the body of a frame.
protocol FrameBody {
    static var kind: Frame.Kind { get }
    func encode(into writer: inout ByteWriter)
    init(from reader: inout ByteReader) throws(WireError)
    /// The traces that the message belongs to; only what this version passes them on with has them.
    var traces: [TraceContext] { get set }
}

extension FrameBody {
    var traces: [TraceContext] {
        get { [] }
        set {}
    }

    /// The message's fields, and behind them a list of extensions: what a later version adds there,
    /// this one passes over.
    func bodyBytes() -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        TraceExtension.encode(traces, into: &writer)
        return writer.bytes
    }

    init(body: [UInt8]) throws(WireError) {
        self = try ByteReader.decode(body) { (reader) throws(WireError) in
            var message = try Self(from: &reader)
            message.traces = try reader.traces()
            try reader.expectEnd()
            return message
        }
    }
}

/// Every message of the protocol.
package enum Message: Hashable, Sendable {
    case hello(Hello)
    case proof(Proof)
    case segments(SegmentsMessage)
    case definitions(DefinitionsMessage)
    case watermark(Watermark)
    case welcome(Welcome)
    case ack(Ack)
    case needs(Needs)
    case needsDefinitions(NeedsDefinitions)
    case accountSnapshot(AccountSnapshot)
    case accountRequest(AccountRequest)
    case status(Status)
    case hub(HubNotice)
    case spans(SpansMessage)
    case hubEvents(HubEventsMessage)
    case returns(Returns)
    case unreadable(Unreadable)

    private var body: any FrameBody {
        switch self {
        case .hello(let message): message
        case .proof(let message): message
        case .segments(let message): message
        case .definitions(let message): message
        case .watermark(let message): message
        case .welcome(let message): message
        case .ack(let message): message
        case .needs(let message): message
        case .needsDefinitions(let message): message
        case .accountSnapshot(let message): message
        case .accountRequest(let message): message
        case .status(let message): message
        case .hub(let message): message
        case .spans(let message): message
        case .hubEvents(let message): message
        case .returns(let message): message
        case .unreadable(let message): message
        }
    }

    /// The message in its frame.
    package func framed(session: UInt64, signature: Signature? = nil) -> Frame {
        let body = body
        return Frame(
            kind: type(of: body).kind, session: session, body: body.bodyBytes(),
            signature: signature)
    }

    /// - Returns: nil for a kind that this version does not know: it is skipped.
    package init?(_ frame: Frame) throws(WireError) {
        guard let kind = Frame.Kind(rawValue: frame.kind) else { return nil }
        switch kind {
        case .hello: self = .hello(try Hello(body: frame.body))
        case .proof: self = .proof(try Proof(body: frame.body))
        case .segments: self = .segments(try SegmentsMessage(body: frame.body))
        case .definitions: self = .definitions(try DefinitionsMessage(body: frame.body))
        case .watermark: self = .watermark(try Watermark(body: frame.body))
        case .welcome: self = .welcome(try Welcome(body: frame.body))
        case .ack: self = .ack(try Ack(body: frame.body))
        case .needs: self = .needs(try Needs(body: frame.body))
        case .needsDefinitions: self = .needsDefinitions(try NeedsDefinitions(body: frame.body))
        case .accountSnapshot: self = .accountSnapshot(try AccountSnapshot(body: frame.body))
        case .accountRequest: self = .accountRequest(try AccountRequest(body: frame.body))
        case .status: self = .status(try Status(body: frame.body))
        case .hub: self = .hub(try HubNotice(body: frame.body))
        case .spans: self = .spans(try SpansMessage(body: frame.body))
        case .hubEvents: self = .hubEvents(try HubEventsMessage(body: frame.body))
        case .returns: self = .returns(try Returns(body: frame.body))
        case .unreadable: self = .unreadable(try Unreadable(body: frame.body))
        }
    }
}

extension Frame {
    /// What a signature covers where the message names nothing of its own: session, kind and body.
    package func signedContent(_ hasher: some ContentHasher) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(SignatureDomain.message.bytes)
        writer.u8(kind)
        writer.fixed(session)
        writer.hash(hasher.sha256(SignatureDomain.message.bytes, body))
        return writer.bytes
    }

    package func signed(by signer: some Signer, _ hasher: some ContentHasher) -> Frame {
        Frame(
            kind: kind, session: session, body: body,
            signature: signer.sign(signedContent(hasher)))
    }

    /// Whether that key signed the frame as a message.
    package func isSigned(
        by key: PublicKey, _ hasher: some ContentHasher, _ verifier: some SignatureVerifier
    ) -> Bool {
        guard let signature else { return false }
        return verifier.isValid(signature, for: signedContent(hasher), by: key)
    }
}
