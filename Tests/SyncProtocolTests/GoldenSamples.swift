import LedgerCore
import SyncProtocol
import TestSupport

/// The values behind the golden files. A change here, or in what they encode to, is a change of the
/// format.
enum GoldenSamples {
    /// What a file holds: the bytes that its value encodes to, and what its bytes encode to once
    /// decoded.
    struct Sample {
        let name: String
        let comment: String
        let encoded: [UInt8]
        let again: @Sendable ([UInt8]) throws -> [UInt8]
    }

    static func all() throws -> [Sample] {
        try geneses() + segments() + messages() + tracedMessages()
    }

    // MARK: Genesis

    private static func geneses() throws -> [Sample] {
        let again: @Sendable ([UInt8]) throws -> [UInt8] = { try Genesis(decoding: $0).encoded() }
        return [
            Sample(
                name: "genesis-agent", comment: "The genesis of an agent's stream.",
                encoded: try agentGenesis().encoded(),
                again: again),
            Sample(
                name: "genesis-hub", comment: "The genesis of a hub's stream that follows another.",
                encoded: try hubGenesis().encoded(), again: again),
        ]
    }

    static func agentGenesis() throws -> Genesis {
        Genesis(
            writer: .agent, ledger: "market", agent: try AgentID("till-042"),
            nonce: run(0x10, Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: run(0x40, PublicKey.byteCount)))
    }

    static func hubGenesis() throws -> Genesis {
        let parent = Genesis.Parent(
            stream: try StreamTag("k3f9qa2m"), position: 81_234,
            hash: Hash256(run(0x80, Hash256.byteCount)))
        return Genesis(
            writer: .hub, ledger: "market", agent: try AgentID("central"),
            nonce: run(0x20, Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: run(0x60, PublicKey.byteCount)), parent: parent)
    }

    // MARK: Segments

    private static func segments() throws -> [Sample] {
        let again: @Sendable ([UInt8]) throws -> [UInt8] = { try reassembled($0) }
        let (first, second) = try chain()
        return [
            Sample(
                name: "segment-transfer",
                comment: "The first segment of a stream: one transfer of 12.50 EUR, and its names.",
                encoded: first.bytes, again: again),
            Sample(
                name: "segment-everything",
                comment:
                    "The segment behind it: an event with every field, and a group of two, one of them with three postings.",
                encoded: second.bytes, again: again),
            Sample(
                name: "segment-hub",
                comment:
                    "The first segment of a hub's stream: an event of each kind, and one of a later version.",
                encoded: try hubSegment().bytes, again: { try rebuiltHubSegment($0) }),
        ]
    }

    /// Decodes a segment and builds it once more from what was read.
    private static func reassembled(_ bytes: [UInt8]) throws -> [UInt8] {
        let segment = try Segment(decoding: bytes)
        let header = segment.header
        let definitions = try namesBefore(segment) + segment.definitions()
        var dictionary = StreamDictionary()
        for definition in definitions.prefix(Int(header.definitionCountBefore)) {
            dictionary.restore(definition)
        }
        let before =
            header.definitionCountBefore == 0
            ? DictionaryState.empty : try chain().0.header.dictionary
        let place = SegmentBuilder.Place(
            stream: header.stream, firstSequence: header.firstSequence, previous: header.previous,
            seen: header.seen,
            dictionary: before)
        var builder = SegmentBuilder(place: place, dictionary: dictionary)
        for read in segment.events(name: {
            Int($0) < definitions.count ? definitions[Int($0)] : nil
        }) {
            guard case .event(let event) = read else { throw UnreadableEvent(event: read) }
            builder.append(
                event.transaction, keyed: event.keyed, trace: event.trace, time: event.time,
                continuesGroup: event.continuesGroup)
        }
        return builder.seal(PlainSHA256()).segment.bytes
    }

    private struct UnreadableEvent: Error {
        let event: ReadEvent
    }

    private static func namesBefore(_ segment: Segment) throws -> [Definition] {
        segment.header.definitionCountBefore == 0 ? [] : try chain().0.definitions()
    }

    static func chain() throws -> (Segment, Segment) {
        let hasher = PlainSHA256()
        let origin = try agentGenesis().hash(hasher)
        let tag = StreamTag(genesisHash: origin)
        let place = SegmentBuilder.Place(
            stream: tag, firstSequence: 1, previous: origin, seen: .nothing, dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        let start = HybridTimestamp(Timestamp(microseconds: 1_760_000_000_000_000))
        builder.append(
            try Transaction(postings: [try posting("world", 1250)]), keyed: nil, trace: nil,
            time: start)
        let first = builder.seal(hasher).segment
        builder.saw(Seen(hub: try StreamTag("h0b00000"), position: 77))
        try appendEverything(to: &builder, tag, after: start)
        return (first, builder.seal(hasher).segment)
    }

    private static func appendEverything(
        to builder: inout SegmentBuilder, _ tag: StreamTag, after start: HybridTimestamp
    ) throws {
        let agent = try AgentID("till-042")
        let complete = try Transaction(
            postings: [try posting("stores:042:till:3", .max)], reference: "receipt 118",
            metadata: [
                MetadataPair(name: "cashier", value: "Zoë"),
                MetadataPair(name: "note", value: "水 🧾"),
            ],
            occurredAt: Timestamp(microseconds: 1_759_999_999_500_000),
            related: EventID(agent: agent, stream: tag, sequence: 1, branch: "0123abcd"))
        let keyed = KeyedRequest(
            key: try IdempotencyKey(scope: "shop-app", key: "order-118"),
            digest: RequestDigest(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10))
        let trace = TraceContext(
            traceID: run(0xA0, 16), spanID: run(0xB0, 8), flags: 1, state: "vendor=1")
        func time(_ ticks: UInt64) -> HybridTimestamp {
            HybridTimestamp(rawValue: start.rawValue + 4096 * ticks)
        }
        builder.append(complete, keyed: keyed, trace: trace, time: time(1000))
        let three = try Transaction(postings: [
            try posting("world", 1), try posting("bank", 2), try posting("world", 3),
        ])
        builder.append(three, keyed: nil, trace: nil, time: time(1001), continuesGroup: true)
        builder.append(
            try Transaction(postings: [try posting("bank", 300)]), keyed: nil, trace: nil,
            time: time(1002))
    }

    private static func posting(_ source: String, _ units: Int64) throws -> Posting {
        Posting(
            source: try AccountAddress(source), destination: try AccountAddress("stores:042"),
            asset: try Asset("EUR/2"),
            amount: try Amount(units))
    }

    // MARK: Messages

    private static func messages() throws -> [Sample] {
        try Frame.Kind.allCases.flatMap { kind in
            let message = try message(kind)
            let frame = message.framed(
                session: 5, signature: Signature(bytes: run(0xC0, Signature.byteCount)))
            return [
                Sample(
                    name: "message-\(kind)", comment: "The body of a message of the kind \(kind).",
                    encoded: frame.body
                ) {
                    let read = try Message(Frame(kind: kind, session: 5, body: $0))
                    return read?.framed(session: 5).body ?? []
                },
                Sample(
                    name: "frame-\(kind)",
                    comment: "The same in its frame, of session 5 and signed.",
                    encoded: frame.encoded()
                ) { try Frame(decoding: $0).encoded() },
            ]
        }
    }

    /// The messages that pass traces on, with some.
    private static func tracedMessages() throws -> [Sample] {
        let one = TraceContext(traceID: run(0xA0, 16), spanID: run(0xB0, 8), flags: 1)
        let two = TraceContext(traceID: run(0x30, 16), spanID: run(0x50, 8), flags: 0)
        return try [Frame.Kind.segments, .ack].map { kind in
            let message: Message =
                switch try message(kind) {
                case .segments(var segments):
                    {
                        segments.traces = [one]
                        return .segments(segments)
                    }()
                case .ack(var ack):
                    {
                        ack.traces = [one, two]
                        return .ack(ack)
                    }()
                case let other: other
                }
            return Sample(
                name: "message-\(kind)-traced",
                comment: "The body of a message of the kind \(kind) that belongs to traces.",
                encoded: message.framed(session: 5).body
            ) {
                let read = try Message(Frame(kind: kind, session: 5, body: $0))
                return read?.framed(session: 5).body ?? []
            }
        }
    }

    private static let clock = HybridTimestamp(
        Timestamp(microseconds: 1_760_000_001_500_000))

    static func message(_ kind: Frame.Kind) throws -> Message {
        let (first, second) = try chain()
        let tag = first.header.stream
        let hub = Seen(hub: try StreamTag("h0b00000"), position: 77)
        let head = ChainPoint(sequence: 4, hash: second.hash(PlainSHA256()))
        let acknowledged = ChainPoint(sequence: 1, hash: first.hash(PlainSHA256()))
        let now = Timestamp(microseconds: 1_760_000_001_000_000)
        // Not `current`, which grows with the kinds of events.
        let dialect = Dialect(oldestFormat: 1, newestFormat: 2, eventKinds: 1 << 32 | 1 << 1)
        return switch kind {
        case .hello:
            .hello(
                Hello(
                    nonce: run(0xD0, Hello.nonceByteCount), dialect: dialect, lastSession: 4,
                    head: head, acknowledged: acknowledged,
                    acknowledgedAt: LogPlace(hub: try StreamTag("h0b00000"), position: 81_235),
                    seen: hub, seenEvent: head.hash, oldestRetained: 2,
                    retainedBehind: acknowledged.hash,
                    otherStreams: [try StreamTag("00000001"), try StreamTag("zzzzzzzz")],
                    softwareVersion: "0.1.0", genesis: try agentGenesis()))
        case .proof: .proof(Proof(stream: tag, head: head))
        case .segments:
            .segments(
                SegmentsMessage(
                    stream: tag, sentAt: now, attempt: 2, segments: [first.bytes, second.bytes]))
        case .definitions:
            .definitions(
                DefinitionsMessage(
                    stream: tag, segment: head.hash, first: 0,
                    definitions: try first.definitions() + [.text("shop-app")], isLast: true))
        case .watermark:
            .watermark(
                Watermark(
                    stream: tag, acknowledged: acknowledged,
                    through: HybridTimestamp(
                        rawValue: HybridTimestamp(now).rawValue + 3), seen: hub, sentAt: now))
        case .welcome:
            .welcome(
                Welcome(
                    nonce: run(0xD0, Hello.nonceByteCount), greeting: second.header.previous,
                    challenge: run(0xE0, Welcome.challengeByteCount), session: 5,
                    standing: .open, leaves: [acknowledged], announced: head,
                    credit: Credit(bytes: 1 << 20, messages: 32), dialect: dialect, hub: hub,
                    hubGenesis: try hubGenesis(), sentAt: now, clock: clock))
        case .ack:
            .ack(
                Ack(
                    stream: tag, through: head, hub: try StreamTag("h0b00000"),
                    runs: [
                        Ack.Run(firstSequence: 1, position: 81_235),
                        Ack.Run(firstSequence: 2, position: 81_240),
                    ], receivedAt: now, committedAt: now.advanced(byMicroseconds: 1500),
                    clock: clock))
        case .needs:
            .needs(
                Needs(
                    stream: tag,
                    gaps: [
                        Needs.Gap(after: acknowledged, missing: head.hash),
                        Needs.Gap(after: head, missing: nil),
                    ]))
        case .needsDefinitions:
            .needsDefinitions(
                NeedsDefinitions(stream: tag, segment: head.hash, first: 0, through: 3))
        case .accountSnapshot: .accountSnapshot(try accountSnapshot(tag, now))
        case .accountRequest:
            .accountRequest(
                AccountRequest(
                    stream: tag, wantsAll: true,
                    accounts: [.world, try AccountAddress("stores:042")]))
        case .status: .status(Status(isOnline: true, stream: tag, head: head, at: now))
        case .hub: .hub(HubNotice(isUp: true, hub: hub, at: now))
        case .spans: .spans(SpansMessage(sentAt: now, dropped: 3, spans: [0x0A, 0x00]))
        case .hubEvents: .hubEvents(HubEventsMessage(events: try signedHubEvents()))
        case .returns:
            .returns(
                Returns(
                    stream: tag, former: try hubGenesis(),
                    runs: [Returns.Run(sequences: 1...4, position: 81_235)],
                    events: try signedHubEvents()))
        case .unreadable: .unreadable(Unreadable(stream: tag, behind: acknowledged, end: head))
        }
    }

    private static func accountSnapshot(_ tag: StreamTag, _ now: Timestamp) throws
        -> AccountSnapshot
    {
        let euro = try Asset("EUR/2")
        return AccountSnapshot(
            hub: try StreamTag("h0b00000"), position: 81_241, takenAt: now, clock: clock,
            included: [AccountSnapshot.Included(stream: tag, through: 4)], number: 2,
            roundStart: 1,
            accounts: [
                AccountSnapshot.Account(
                    address: .world,
                    balances: [AccountSnapshot.Balance(asset: euro, input: 0, output: 1250)]),
                AccountSnapshot.Account(
                    address: try AccountAddress("stores:042"),
                    balances: [
                        AccountSnapshot.Balance(asset: euro, input: 1250, output: 0),
                        AccountSnapshot.Balance(
                            asset: try Asset("SKU-8812"), input: .max, output: 128),
                    ]),
                AccountSnapshot.Account(address: try AccountAddress("never:used"), balances: []),
            ])
    }

    static func run(_ first: UInt8, _ count: Int) -> [UInt8] {
        (0..<count).map { first &+ UInt8($0) }
    }
}
