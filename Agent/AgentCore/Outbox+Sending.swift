import LedgerCore
import SyncProtocol

extension Outbox {
    // MARK: What a session wants

    mutating func perform(
        _ actions: [OutboxSession.Action], _ index: Int, _ now: ClockReading
    ) -> [Action] {
        var performed: [Action] = []
        for action in actions { performed += perform(action, index, now) }
        return performed
    }

    private mutating func perform(
        _ action: OutboxSession.Action, _ index: Int, _ now: ClockReading
    ) -> [Action] {
        let tag = streams[index].tag
        switch action {
        case .sendHello(let nonce, let lastSession): return [greet(index, nonce, lastSession)]
        case .prepare(let session, let leaves, let announced):
            let opening = SessionOpening(
                stream: tag, session: session, leaves: leaves, announced: announced)
            return [.errand(.open(opening))]
        case .sendProof(let challenge, let session, let proof):
            return prove(index, challenge, session, proof)
        case .sendSegments(let session, let after, let through, let byteCountMax):
            let question = LogQuestion.segments(
                of: tag, session: session, after: after, through: through,
                byteCountMax: byteCountMax)
            return [.ask(question)]
        case .locate(let places): return [.ask(.places(of: tag, places))]
        case .sendDefinitions(let session, let needs):
            return [.ask(.definitions(of: tag, session: session, needs))]
        case .progress(let progress): return keep(progress, index, now)
        case .end(let finding): return end(index, finding, now)
        case .hold(let finding): return [.note(.held(tag, finding))]
        case .refuse(let finding): return [.note(.refused(tag, finding))]
        }
    }

    // MARK: The handshake

    private mutating func greet(_ index: Int, _ nonce: [UInt8], _ lastSession: UInt64) -> Action {
        let stream = streams[index]
        // What was told and not kept is told again.
        told = seen.position
        if stream.isWriting { strayHub = nil }
        let hello = Hello(
            nonce: nonce, lastSession: lastSession, head: stream.session.head,
            acknowledged: stream.acknowledged, acknowledgedAt: stream.acknowledgedAt, seen: seen,
            seenEvent: hub?.last?.digest(device.hasher),
            oldestRetained: stream.keptBehind.sequence + 1,
            retainedBehind: stream.keptBehind.sequence > 0 ? stream.keptBehind.hash : nil,
            otherStreams: streams.map(\.tag).filter { $0 != stream.tag }
                .suffix(Hello.otherStreamsMax),
            softwareVersion: Hello.fitting(version: device.softwareVersion),
            genesis: stream.genesis)
        streams[index].greeting = hello.digest(device.hasher)
        return .send(Message.hello(hello).framed(session: 0))
    }

    /// With each proof goes what former hubs had told: a hub that does not have their key believes what
    /// is of a stream only when it has met that.
    private func prove(
        _ index: Int, _ challenge: [UInt8], _ session: UInt64, _ proof: Proof
    ) -> [Action] {
        let stream = streams[index]
        guard let greeting = stream.greeting, let hub = hubs.current?.tag else { return [] }
        let content = proof.signedContent(
            challenge: challenge, greeting: greeting, session: session)
        let frame = Message.proof(proof).framed(
            session: session, signature: device.signer.sign(content))
        guard hubs.all.count > 1, !proof.hasLeft else { return [.send(frame)] }
        return [.send(frame), .ask(.hubEvents(of: stream.tag, session: session, to: hub))]
    }

    // MARK: What the log says

    package mutating func answered(
        _ question: LogQuestion, _ answer: LogAnswer, now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        switch (question, answer) {
        case (.segments(let tag, let session, _, let through, _), .segments(let found)):
            return parcel(tag, session, found.filter { $0.end.sequence <= through }, now)
        case (.segments(let tag, let session, _, _, _), .unreadable(let range, let end)):
            return passOver(tag, session, range, end, now, &random)
        case (.places(let tag, let places), .place(let found, let bytesBehind)):
            guard let index = index(tag) else { return [] }
            let actions = streams[index].session.rewound(
                to: found, of: places, unsentBytes: Int(bytesBehind), now: now.steady, &random)
            let lost = found.map { [Action.note(.lost(tag, beyond: $0.sequence))] } ?? []
            return lost + perform(actions, index, now)
        case (.definitions(let tag, let session, let needs), .definitions(let found)):
            return send(found, of: tag, session, needs)
        case (.timeBefore(let place), .time(let time)):
            return sayWatermark(time, acknowledged: place, now)
        case (.placements(_, let session, _, _), .returns(let found)),
            (.hubEvents(_, let session, _), .returns(let found)):
            return found.map { framed(.returns($0), session: session) }
        default: return []
        }
    }

    private mutating func parcel(
        _ tag: StreamTag, _ session: UInt64, _ found: [SealedSegment], _ now: ClockReading
    ) -> [Action] {
        guard let last = found.last, let index = index(tag),
            streams[index].session.streamingSession == session
        else { return [] }
        let content = SegmentsMessage.signedContent(
            session: session, stream: tag, sentAt: now.wall, lastHash: last.hash)
        let parcel = SegmentsParcel(
            stream: tag, session: session, segments: found, sentAt: now.wall,
            attempt: streams[index].session.attemptOfNext, signature: device.signer.sign(content))
        return formerPlaces(of: found, index, session) + [.sendSegments(parcel)]
    }

    /// Where former hubs have placed these segments: the one that follows them hears it before it
    /// places them. It is said once in a session: with each try, it would take the transport's last room
    /// each time, and no segments would ever go.
    private mutating func formerPlaces(
        of found: [SealedSegment], _ index: Int, _ session: UInt64
    ) -> [Action] {
        let released = streams[index].session.released
        guard hubs.all.count > 1, let hub = hubs.current?.tag, let last = found.last,
            let first = found.first?.segment.header.firstSequence, first <= released
        else { return [] }
        let through = min(last.end.sequence, released)
        if let returned = streams[index].returned, returned.session == session,
            returned.through >= through
        {
            return []
        }
        streams[index].returned = (session, through)
        return [
            .ask(
                .placements(
                    of: streams[index].tag, session: session, first...through, to: hub))
        ]
    }

    /// The transport has taken the message, or has not: then it is asked again in time.
    package mutating func handedOver(
        _ parcel: SegmentsParcel, isTaken: Bool, now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard isTaken, let index = index(parcel.stream),
            streams[index].session.streamingSession == parcel.session
        else { return [] }
        let actions = streams[index].session.sent(
            ends: parcel.segments.map(\.end), byteCount: parcel.byteCount, at: parcel.sentAt)
        return perform(actions, index, now)
    }

    /// What the disk has lost is said, and what is behind it is sent all the same.
    private mutating func passOver(
        _ tag: StreamTag, _ session: UInt64, _ range: ClosedRange<UInt64>, _ end: ChainPoint,
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let index = index(tag), streams[index].session.streamingSession == session else {
            return []
        }
        let behind = streams[index].session.sentThrough ?? streams[index].keptBehind
        guard behind.sequence + 1 == range.lowerBound else { return [] }
        let message = Unreadable(stream: tag, behind: behind, end: end)
        let said: [Action] = [
            .note(.unreadable(tag, range)), framed(.unreadable(message), session: session),
        ]
        let actions = streams[index].session.sent(ends: [end], byteCount: 0, at: nil)
        return said + perform(actions, index, now)
    }

    /// Definitions in messages that a broker takes.
    private func send(
        _ definitions: [Definition], of tag: StreamTag, _ session: UInt64, _ needs: NeedsDefinitions
    ) -> [Action] {
        let perMessage = Frame.byteCountMax / 2 / Definition.textBytesMax
        return stride(from: 0, to: definitions.count, by: perMessage).map { start in
            let end = min(start + perMessage, definitions.count)
            let message = DefinitionsMessage(
                stream: tag, segment: needs.segment, first: needs.first + UInt32(start),
                definitions: Array(definitions[start..<end]), isLast: end == definitions.count)
            return framed(.definitions(message), session: session)
        }
    }
}
