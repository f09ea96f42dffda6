import LedgerCore
import SyncProtocol

extension Hub {
    /// A message has come on an agent's topic.
    package mutating func received(
        _ payload: [UInt8], from agent: AgentID, now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        do throws(WireError) {
            let frame = try Frame(decoding: payload)
            guard let message = try Message(frame) else { return [] }
            // A hub that is about to go on in another stream can promise nothing in this one.
            guard succession == nil else { return [] }
            return handle(message, frame, agent, now, &random)
        } catch {
            return [.note(.broken(error, agent))]
        }
    }

    private mutating func handle(
        _ message: Message, _ frame: Frame, _ agent: AgentID, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        if !message.isFarewell { fleet.saw(agent, now.wall) }
        switch message {
        case .hello(let hello): return greet(hello, agent, now, &random)
        case .proof(let proof): return prove(proof, frame, agent, now)
        case .segments(let segments): return take(segments, frame, agent, now)
        case .watermark(let watermark): return take(watermark, frame, agent, now)
        case .status(let status): return take(status, frame, agent, now)
        case .accountRequest(let request):
            guard isSigned(frame, by: agent, request.stream) else { return [] }
            noteWrites(request.stream, frame.session)
            schedule.asked(agent, request, session: frame.session, fold.ledger.balances)
            return []
        case .definitions(let message):
            let actions = fleet.session(message.stream, of: agent) {
                $0.received(message, frame, now: now)
            }
            return perform(actions, message.stream, now)
        case .unreadable(let message):
            let actions = fleet.session(message.stream, of: agent) {
                $0.said(message, frame, now: now)
            }
            return perform(actions, message.stream, now)
        case .returns(let message): return take(message, frame, agent, now)
        case .welcome, .ack, .needs, .needsDefinitions, .accountSnapshot, .hub, .hubEvents, .spans:
            return []
        }
    }

    // MARK: The handshake

    private mutating func greet(
        _ hello: Hello, _ agent: AgentID, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard hello.genesis.agent == agent, hello.genesis.writer == .agent else {
            return [.note(.dropped(.foreignStream, agent))]
        }
        let hub = Seen(hub: tag, position: committedEvents)
        guard hello.genesis.ledger == genesis.ledger else {
            let refusal = Welcome.refusal(
                of: hello, hello.digest(parts.hasher), hub, genesis, clock: clockCommitted,
                now: now.wall)
            return [
                .note(.foreignLedger(hello.genesis.ledger, agent)),
                send(.welcome(refusal), session: 0, to: agent),
            ]
        }
        guard let stream = fleet.greeted(hello, agent, fold.state, now.wall) else {
            return [.note(.dropped(.tooEarly, agent))]
        }
        let messages = parts.limits.messagesPerAgent(agents: fleet.agentCount)
        let credit = Credit(bytes: parts.limits.bytesPerAgentMax, messages: messages)
        let clock = clockCommitted
        let own = genesis
        let actions = fleet.session(stream) {
            $0.greeted(
                hello, credit: credit, hub: hub, hubGenesis: own, now: now.wall, clock: clock,
                &random)
        }
        return perform(actions, stream, now)
    }

    private mutating func prove(
        _ proof: Proof, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        let needsApproval = parts.needsApproval && fleet.isKnown(agent, besides: proof.stream)
        let place = place(for: fleet.existing(proof.stream)?.challenge?.hello)
        let isFirst = fleet.existing(proof.stream)?.record.provedSession == 0
        let answers = fleet.session(proof.stream, of: agent) {
            $0.proved(
                proof, session: frame.session, signature: frame.signature, hub: place,
                needsApproval: needsApproval, now: now.wall)
        }
        var actions = perform(answers, proof.stream, now)
        // A proof that begins nothing, as one of long ago, or of another agent's stream, changes nothing.
        guard answers.contains(.persistRecord), let session = fleet.existing(proof.stream),
            let seen = session.provenSeen
        else { return actions }
        begin(tellingTo: agent, seen, now.steady)
        if session.provedSession == frame.session {
            actions.append(.note(.opened(proof.stream, session: frame.session, agent)))
            fleet.noteProved(proof.stream, isFirst: isFirst)
            beginAccounts(session)
        }
        actions += tell(agent, now)
        return actions
    }

    /// Of an agent's streams, the one that it writes is told of accounts.
    private mutating func beginAccounts(_ session: StreamSession) {
        let agent = session.genesis.agent
        guard session.record.standing == .open, fleet.writes(session.stream, agent),
            let number = session.provedSession
        else { return }
        schedule.began(agent, stream: session.stream, session: number)
    }

    /// Of all its streams, an agent says this in its session of the one that it writes.
    private mutating func noteWrites(_ tag: StreamTag, _ number: UInt64) {
        guard let session = fleet.existing(tag), session.provedSession == number,
            fleet.noteWrites(tag)
        else { return }
        beginAccounts(session)
    }

    // MARK: Streams

    private mutating func take(
        _ message: SegmentsMessage, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        fleet.noteClock(agent, sentAt: message.sentAt, now.wall)
        tracing.received(message)
        let answers = fleet.session(message.stream, of: agent) {
            $0.received(
                message, session: frame.session, signature: frame.signature, now: now)
        }
        let actions = perform(answers, message.stream, now, message)
        noteHeard(agent, answers, now)
        tracing.processed(
            message, from: agent, drop: answers.lazy.compactMap(\.drop).first?.rawValue,
            clockOffset: message.sentAt.microseconds(since: now.wall))
        return [.note(.received(segments: message.segments.count))] + actions
    }

    private mutating func take(
        _ watermark: Watermark, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        fleet.noteClock(agent, sentAt: watermark.sentAt, now.wall)
        let answers = fleet.session(watermark.stream, of: agent) {
            $0.watermarked(watermark, frame)
        }
        let isBelieved = !answers.contains { $0.drop?.isDistrust == true }
        if isBelieved {
            saw(agent, watermark.seen)
            if watermark.through != Watermark.endOfStream {
                noteWrites(watermark.stream, frame.session)
            }
        }
        noteHeard(agent, answers, now)
        return perform(answers, watermark.stream, now) + remind(agent, watermark.stream, now)
    }

    /// An agent that has nothing to send notices nothing of a hub that began anew, where it has missed
    /// that it came up.
    private func remind(_ agent: AgentID, _ stream: StreamTag, _ now: ClockReading) -> [Action] {
        guard fleet.existing(stream)?.provedSession == nil else { return [] }
        return [send(.hub(notice(now)), session: 0, to: agent)]
    }

    private mutating func take(
        _ status: Status, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        guard isSigned(frame, by: agent, status.stream) else { return [] }
        fleet.noteStatus(agent, status, now)
        guard status.isOnline else {
            schedule.ended(agent)
            return []
        }
        schedule.heard(agent)
        return []
    }

    /// What an agent says in its session shows that it is there: a farewell that the broker kept for
    /// long does not take it off for longer than until its next word.
    private mutating func noteHeard(
        _ agent: AgentID, _ answers: [StreamSession.Action], _ now: ClockReading
    ) {
        guard answers.contains(where: \.isProgress) else { return }
        fleet.noteOnline(agent, true, now.wall)
        schedule.heard(agent)
    }

    private func isSigned(_ frame: Frame, by agent: AgentID, _ stream: StreamTag) -> Bool {
        guard let session = fleet.existing(stream), session.genesis.agent == agent else {
            return false
        }
        return frame.isSigned(by: session.genesis.publicKey, parts.hasher, parts.verifier)
    }

    // MARK: Time

    /// Time has passed.
    package mutating func tick(
        now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        fleet.noteProgress(now)
        var actions = decisions.takeFailed()
        actions += draw(now, &random)
        actions += tellShards(now)
        guard succession == nil else { return actions }
        for tag in fleet.tags {
            let answers = fleet.session(tag) { $0.tick(now: now) }
            actions += perform(answers, tag, now)
        }
        return actions + tellAgain(now)
    }
}

extension StreamSession.Action {
    fileprivate var drop: StreamSession.Drop? {
        if case .drop(let drop) = self { drop } else { nil }
    }

    /// Whether the agent said something new, in its session and well signed.
    fileprivate var isProgress: Bool {
        switch self {
        case .merge, .persistWatermark: true
        default: false
        }
    }
}

extension StreamSession.Drop {
    /// Whether nothing of the message is believed.
    fileprivate var isDistrust: Bool {
        switch self {
        case .notInSession, .badSignature, .foreignStream: true
        default: false
        }
    }
}

extension Message {
    /// The broker may say it for an agent that is long gone.
    fileprivate var isFarewell: Bool {
        if case .status(let status) = self { !status.isOnline } else { false }
    }
}

extension Welcome {
    /// For a greeting that can lead to nothing.
    fileprivate static func refusal(
        of hello: Hello, _ greeting: Hash256, _ hub: Seen, _ genesis: Genesis,
        clock: HybridTimestamp, now: Timestamp
    ) -> Welcome {
        Welcome(
            nonce: hello.nonce, greeting: greeting,
            challenge: [UInt8](repeating: 0, count: Welcome.challengeByteCount),
            session: 0, standing: .refused, leaves: [],
            announced: ChainPoint(sequence: 0, hash: .zero),
            credit: Credit(bytes: 0, messages: 0), hub: hub, hubGenesis: genesis, sentAt: now,
            clock: clock)
    }
}
