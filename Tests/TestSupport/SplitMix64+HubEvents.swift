import LedgerCore
import SyncProtocol

/// Random hub events, and the messages that carry them.
extension SplitMix64 {
    package mutating func hubFact() -> HubFact {
        switch below(11) {
        case 0:
            .closed(
                streamTag(), [.forked, .rolledBack, .lost, .closed][below(4)],
                evidence: oneIn(2) ? signedHead() : nil)
        case 1: .declaredLost(streamTag())
        case 2: .awaitsApproval(streamTag())
        case 3: .approved(streamTag())
        case 4:
            .gapLost(
                HubFact.LostGap(
                    stream: streamTag(), sequences: sequences(), before: hash(),
                    resumesBehind: hash(), cause: oneIn(2) ? .pruned : .unreadable))
        case 5: .quarantined(span(), oneIn(2) ? .unreadable : .unknownKind(UInt8(1 + below(255))))
        case 6: .released(span())
        case 7: .restamped(span(), offset: Int64(bitPattern: next()))
        case 8: .reordered(span(), former: LogPlace(hub: streamTag(), position: next()))
        case 9: .resolved(HubEventID(hub: streamTag(), sequence: next()))
        default: .unknown(kind: UInt8(50 + below(13)), bytes: bytes(below(40)))
        }
    }

    package mutating func hubContent() throws -> HubEvent.Content {
        HubEvent.Content(
            hubFact(), decision: oneIn(2) ? try decision() : nil,
            origin: oneIn(2) ? HubEventID(hub: streamTag(), sequence: next()) : nil,
            address: oneIn(2) ? HubEvent.Address(agent: try agent(), previous: next()) : nil)
    }

    private mutating func decision() throws -> HubEvent.Decision {
        try HubEvent.Decision(
            operatorName: "o" + text(bytesMax: HubEvent.Decision.operatorBytesMax - 1),
            reason: "r" + text(bytesMax: HubEvent.Decision.reasonBytesMax - 1))
    }

    private mutating func sequences() -> ClosedRange<UInt64> {
        let first = 1 + next() % (1 << 60)
        return first...first + UInt64(below(1000))
    }

    private mutating func span() -> EventSpan {
        EventSpan(stream: streamTag(), segment: hash(), sequences: sequences())
    }

    private mutating func signedHead() -> SignedHead {
        SignedHead(
            Proof(stream: streamTag(), head: chainPoint(), passesAnnounced: oneIn(2)),
            session: next(), challenge: bytes(Welcome.challengeByteCount), greeting: hash(),
            signature: signature())
    }

    package mutating func signedHubEvent(hub: StreamTag) throws -> SignedHubEvent {
        let event = HubEvent(
            sequence: next(), time: HybridTimestamp(rawValue: next()), content: try hubContent())
        return SignedHubEvent(event, hub: hub, signer: RandomSigner(signature: signature()))
    }

    mutating func hubEventsMessage() throws -> HubEventsMessage {
        let hub = streamTag()
        return HubEventsMessage(
            events: try (0..<1 + below(3)).map { _ in try signedHubEvent(hub: hub) })
    }

    mutating func returns() throws -> Returns {
        let hub = streamTag()
        return Returns(
            stream: streamTag(), former: try genesis(),
            runs: (0..<below(4)).map { _ in
                Returns.Run(sequences: sequences(), position: next())
            }, events: try (0..<below(3)).map { _ in try signedHubEvent(hub: hub) })
    }

    mutating func unreadable() -> Unreadable {
        let sequences = sequences()
        return Unreadable(
            stream: streamTag(),
            behind: ChainPoint(sequence: sequences.lowerBound - 1, hash: hash()),
            end: ChainPoint(sequence: sequences.upperBound, hash: hash()))
    }
}

/// Signs with what it is given: for bytes that nobody verifies.
private struct RandomSigner: Signer {
    let signature: Signature

    var publicKey: PublicKey {
        PublicKey(bytes: [UInt8](repeating: 0, count: PublicKey.byteCount))
    }

    func sign(_ content: [UInt8]) -> Signature { signature }
}
