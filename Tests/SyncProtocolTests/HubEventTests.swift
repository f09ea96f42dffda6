import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct HubEventTests {
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `hub events read back from their segment as they were appended`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let place = SegmentBuilder.Place(
            stream: random.streamTag(), firstSequence: 1 + random.next() % (1 << 60),
            previous: random.hash(), seen: .nothing, dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        var time = random.next() % (1 << 62)
        var appended: [ReadHubEvent] = []
        for _ in 0...random.below(40) where builder.hasRoomForHubEvent {
            time += UInt64(random.below(1 << 40))
            appended.append(
                .event(
                    builder.append(
                        try random.hubContent(), time: HybridTimestamp(rawValue: time))))
        }
        let segment = try Segment(decoding: builder.seal(PlainSHA256()).segment.bytes)
        #expect(segment.hubEvents() == appended, "seed \(seed)")
        // To an agent's reader they are nothing that moves money.
        let foreign = segment.events { _ in nil }
        #expect(
            foreign.allSatisfy { if case .unknown = $0 { true } else { false } }, "seed \(seed)")
    }

    @Test func `a segment takes hub events until it has no room, of whatever size they are`() throws
    {
        let place = SegmentBuilder.Place(
            stream: try StreamTag("h0b00000"), firstSequence: 1, previous: .zero, seen: .nothing,
            dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        let largest = try HubEvent.Content(
            .unknown(kind: 62, bytes: [UInt8](repeating: 1, count: HubEvent.factBytesMax)),
            decision: HubEvent.Decision(
                operatorName: String(repeating: "o", count: HubEvent.Decision.operatorBytesMax),
                reason: String(repeating: "r", count: HubEvent.Decision.reasonBytesMax)),
            origin: HubEventID(hub: try StreamTag("h0b00000"), sequence: .max),
            address: HubEvent.Address(
                agent: try AgentID(String(repeating: "a", count: AgentID.lengthMax)),
                previous: .max))
        var count = 0
        while builder.hasRoomForHubEvent {
            builder.append(largest, time: HybridTimestamp(rawValue: UInt64(1 + count) << 56))
            count += 1
        }
        let segment = builder.seal(PlainSHA256()).segment
        #expect(segment.bytes.count <= SegmentHeader.segmentBytesMax)
        #expect(count > 10 && segment.hubEvents().count == count)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a signed hub event reads back, and no changed bit of it keeps its signature`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let signer = DigestSigner()
        let event = HubEvent(
            sequence: random.next(), time: HybridTimestamp(rawValue: random.next()),
            content: try random.hubContent())
        let signed = SignedHubEvent(event, hub: random.streamTag(), signer: signer)
        let again = try SignedHubEvent(
            hub: signed.hub, bytes: signed.bytes, signature: signed.signature)
        #expect(again == signed && again.isSigned(by: signer.publicKey, signer), "seed \(seed)")
        var bytes = signed.bytes
        bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        let changed = try? SignedHubEvent(
            hub: signed.hub, bytes: bytes, signature: signed.signature)
        #expect(changed?.isSigned(by: signer.publicKey, signer) != true, "seed \(seed)")
        let elsewhere = try SignedHubEvent(
            hub: random.streamTag(), bytes: signed.bytes, signature: signed.signature)
        #expect(
            elsewhere.hub == signed.hub || !elsewhere.isSigned(by: signer.publicKey, signer),
            "seed \(seed)")
    }

    @Test func `what a later version adds to a fact is passed over`() throws {
        let tag = try StreamTag("k3f9qa2m")
        // Kind 33 with its stream, and three bytes behind it.
        var fact: [UInt8] = withUnsafeBytes(of: tag.rawValue.littleEndian) { Array($0) }
        fact += [7, 8, 9]
        let later = HubEvent(
            sequence: 1, time: HybridTimestamp(rawValue: 1),
            content: HubEvent.Content(.unknown(kind: 33, bytes: fact)))
        let signed = SignedHubEvent(
            later, hub: tag, signer: DigestSigner())
        let read = try SignedHubEvent(
            hub: tag, bytes: signed.bytes, signature: signed.signature)
        #expect(read.event.content.fact == .declaredLost(tag))
        #expect(read.bytes == signed.bytes)
    }

    @Test func `a decision needs a name and a reason of a size that the log takes`() {
        let long = String(repeating: "x", count: HubEvent.Decision.reasonBytesMax + 1)
        for (name, reason, path) in [
            ("", "r", "operator"), ("o", "", "reason"), (long, "r", "operator"),
            ("o", long, "reason"),
        ] {
            #expect {
                _ = try HubEvent.Decision(operatorName: name, reason: reason)
            } throws: { ($0 as? InvalidField)?.path == path }
        }
    }
}

/// Signs with the digest of the content, twice.
private struct DigestSigner: Signer, SignatureVerifier {
    var publicKey: PublicKey {
        PublicKey(bytes: [UInt8](repeating: 3, count: PublicKey.byteCount))
    }

    func sign(_ content: [UInt8]) -> Signature {
        let digest = PlainSHA256().sha256([], content).bytes
        return Signature(bytes: digest + digest)
    }

    func isValid(_ signature: Signature, for content: [UInt8], by key: PublicKey) -> Bool {
        sign(content) == signature
    }
}
