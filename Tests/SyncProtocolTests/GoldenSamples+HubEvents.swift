import LedgerCore
import SyncProtocol
import TestSupport

/// The hub's events behind the golden files: one of each kind.
extension GoldenSamples {
    private static let time = HybridTimestamp(Timestamp(microseconds: 1_760_000_002_000_000))

    static func hubSegment() throws -> Segment {
        let genesis = try hubGenesis().hash(PlainSHA256())
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: genesis), firstSequence: 1, previous: genesis,
            seen: .nothing, dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        for content in try hubContents() { builder.append(content, time: time) }
        return builder.seal(PlainSHA256()).segment
    }

    static func rebuiltHubSegment(_ bytes: [UInt8]) throws -> [UInt8] {
        let segment = try Segment(decoding: bytes)
        let header = segment.header
        let place = SegmentBuilder.Place(
            stream: header.stream, firstSequence: header.firstSequence,
            previous: header.previous, seen: header.seen, dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        for case .event(let event) in segment.hubEvents() {
            builder.append(event.content, time: event.time)
        }
        return builder.seal(PlainSHA256()).segment.bytes
    }

    static func hubContents() throws -> [HubEvent.Content] {
        let tag = try StreamTag("k3f9qa2m")
        let span = EventSpan(
            stream: tag, segment: Hash256(run(0x30, Hash256.byteCount)), sequences: 7...9)
        let gap = HubFact.LostGap(
            stream: tag, sequences: 4...6, before: Hash256(run(0x31, Hash256.byteCount)),
            resumesBehind: Hash256(run(0x32, Hash256.byteCount)), cause: .unreadable)
        let person = try HubEvent.Decision(operatorName: "Ada", reason: "the till was stolen")
        let formerHub = try StreamTag("h0a00000")
        return [
            HubEvent.Content(
                .closed(tag, .forked, evidence: try signedHead()),
                address: HubEvent.Address(agent: try AgentID("till-042"), previous: 0)),
            HubEvent.Content(.declaredLost(tag), decision: person),
            HubEvent.Content(.awaitsApproval(tag)),
            HubEvent.Content(
                .approved(tag), decision: person,
                origin: HubEventID(hub: formerHub, sequence: 3),
                address: HubEvent.Address(agent: try AgentID("till-042"), previous: 1)),
            HubEvent.Content(.gapLost(gap)),
            HubEvent.Content(.quarantined(span, .unreadable)),
            HubEvent.Content(.quarantined(span, .unknownKind(20))),
            HubEvent.Content(.released(span), decision: person),
            HubEvent.Content(.restamped(span, offset: -86_400_000_000)),
            HubEvent.Content(.reordered(span, former: LogPlace(hub: formerHub, position: 12))),
            HubEvent.Content(
                .resolved(HubEventID(hub: formerHub, sequence: 2)), decision: person),
            HubEvent.Content(.unknown(kind: 60, bytes: [1, 2, 3])),
        ]
    }

    private static func signedHead() throws -> SignedHead {
        SignedHead(
            Proof(
                stream: try StreamTag("k3f9qa2m"),
                head: ChainPoint(sequence: 3, hash: Hash256(run(0x33, Hash256.byteCount)))),
            session: 4, challenge: run(0x34, Welcome.challengeByteCount),
            greeting: Hash256(run(0x35, Hash256.byteCount)),
            signature: Signature(bytes: run(0x36, Signature.byteCount)))
    }

    static func signedHubEvents() throws -> [SignedHubEvent] {
        let signer = GoldenSigner()
        let hub = try StreamTag("h0b00000")
        return try hubContents().prefix(2).enumerated().map { index, content in
            let event = HubEvent(sequence: UInt64(index) + 1, time: time, content: content)
            return SignedHubEvent(event, hub: hub, signer: signer)
        }
    }
}

/// A signature that shows where it stands.
private struct GoldenSigner: Signer {
    var publicKey: PublicKey {
        PublicKey(bytes: GoldenSamples.run(0x60, PublicKey.byteCount))
    }

    func sign(_ content: [UInt8]) -> Signature {
        Signature(bytes: GoldenSamples.run(0xA0, Signature.byteCount))
    }
}
