import AggregatorCore
import LedgerCore
import SyncProtocol

/// Messages in, and what the sessions want done.
extension SimulatedAggregator {
    func receive(_ topic: Topic, _ bytes: [UInt8]) {
        guard let name = topic.name, name <= ids.count else { return }
        let agent = ids[name - 1]
        if isSpent {
            load()
            mustSayUp = true
        }
        do {
            let frame = try Frame(decoding: bytes)
            guard let message = try Message(frame) else { return world.mark(.unknownFrame) }
            handle(message, frame, agent)
        } catch { world.mark(.brokenFrame) }
    }

    private func handle(_ message: Message, _ frame: Frame, _ agent: AgentID) {
        switch message {
        case .hello(let hello): greet(hello, agent)
        case .proof(let proof):
            let tag = proof.stream
            let actions = session(tag) {
                $0.genesis.agent == agent
                    ? $0.proved(proof, session: frame.session, signature: frame.signature)
                    : [.drop(.foreignStream)]
            }
            perform(actions, tag)
            if actions.contains(.persistRecord), sessions[tag]?.provedSession == frame.session {
                schedule.began(agent, stream: tag, session: frame.session)
            }
        case .segments(let segments):
            let actions = session(segments.stream) {
                $0.genesis.agent == agent
                    ? $0.received(
                        segments, session: frame.session, signature: frame.signature, now: now)
                    : [.drop(.foreignStream)]
            }
            perform(actions, segments.stream)
            noteHeard(agent, actions)
        case .watermark(let watermark):
            let actions = session(watermark.stream) {
                $0.genesis.agent == agent
                    ? $0.watermarked(watermark, frame) : [.drop(.foreignStream)]
            }
            perform(actions, watermark.stream)
            noteHeard(agent, actions)
        case .status(let status):
            guard isSigned(frame, by: agent, status.stream) else { return }
            if status.isOnline { schedule.heard(agent) } else { schedule.ended(agent) }
        case .accountRequest(let request):
            guard isSigned(frame, by: agent, request.stream) else { return }
            schedule.asked(agent, request, session: frame.session, ledger.balances)
        default: break
        }
    }

    private func noteHeard(_ agent: AgentID, _ actions: [StreamSession.Action]) {
        if actions.contains(where: \.isProgress) { schedule.heard(agent) }
    }

    private func greet(_ hello: Hello, _ agent: AgentID) {
        guard hello.genesis.agent == agent, hello.genesis.writer == .agent else {
            return world.mark(.dropForeignStream)
        }
        let hash = hello.genesis.hash(hasher)
        let tag = StreamTag(genesisHash: hash)
        if let existing = sessions[tag] {
            guard existing.genesis == hello.genesis else { return }
            if existing.provedSession != nil { world.mark(.greetingWhileStreaming) }
        } else {
            let start = ChainPoint(sequence: 0, hash: hash)
            sessions[tag] = StreamSession(
                genesis: hello.genesis, record: StreamSession.Record(announced: start),
                limits: limits, hasher: hasher, verifier: verifier)
            tags.append(tag)
        }
        greetings[agent] = tag
        if !known.contains(agent) { known.append(agent) }
        let credit = Credit(
            bytes: limits.bytesPerAgentMax, messages: limits.messagesPerAgent(agents: known.count))
        perform(
            session(tag) {
                $0.greeted(
                    hello, credit: credit, hub: hub, hubGenesis: contents.hub, now: now.wall,
                    &random)
            }, tag)
    }

    private func isSigned(_ frame: Frame, by agent: AgentID, _ stream: StreamTag) -> Bool {
        guard let session = sessions[stream], session.genesis.agent == agent,
            let signature = frame.signature
        else { return false }
        let content = frame.signedContent(hasher)
        return verifier.isValid(signature, for: content, by: session.genesis.publicKey)
    }

    // MARK: Actions out

    func perform(_ actions: [StreamSession.Action], _ tag: StreamTag) {
        for action in actions { perform(action, tag) }
    }

    private func perform(_ action: StreamSession.Action, _ tag: StreamTag) {
        guard let session = sessions[tag] else { return }
        let agent = session.genesis.agent
        world.note { "    hub, \(agent): \(Words.action(action))" }
        switch action {
        case .sendWelcome(let welcome):
            world.mark(.welcomed)
            send(.welcome(welcome), session: 0, to: agent)
        case .merge(let run): merge(run, tag)
        case .persistRecord:
            if session.provedSession != nil { world.mark(.proved) }
            addStreamIfNew(session)
            pending.records.append((tag, session.record))
            touch(tag)
        case .persistWatermark:
            world.mark(.watermarkKept)
            if !watermarked.contains(tag) { watermarked.append(tag) }
            watermarkedSince = watermarkedSince ?? now.steady
        case .sendAck(let number, let point): sendAck(number, point, tag, runs: [], now.wall)
        case .sendNeeds(let number, let needs):
            world.mark(.needsSent)
            send(.needs(needs), session: number, to: agent)
        case .sendNeedsDefinitions(let number, let needs):
            world.mark(.definitionsNeeded)
            send(.needsDefinitions(needs), session: number, to: agent)
        case .lookUp(let lookUp): answer(lookUp, tag)
        case .close(let standing):
            world.mark(standing == .forked ? .closedForked : .closedRolledBack)
            world.accused(tag, standing)
            addStreamIfNew(session)
            pending.records.append((tag, session.record))
            touch(tag)
        case .lack: world.mark(.lacking)
        case .drop(let drop): world.mark(drop.mark)
        }
    }

    private func addStreamIfNew(_ session: StreamSession) {
        guard contents.streams[session.stream] == nil,
            !pending.streams.contains(session.genesis)
        else { return }
        pending.streams.append(session.genesis)
    }

    private func answer(_ lookUp: LookUp, _ tag: StreamTag) {
        world.mark(.lookedUp)
        let found = contents.answer(lookUp, contents.streams[tag]?.start)
        if let dictionary = found.dictionary, found.stored < lookUp.segments.count {
            // A branch begins there.
            contents.restore(dictionary, of: tag, into: &ledger)
        }
        perform(session(tag) { $0.found(found, now: now) }, tag)
    }

    private func merge(_ run: SegmentRun, _ tag: StreamTag) {
        if run.beginsBranch { world.mark(.branchBegun) }
        let position = contents.log.count + pending.segments.count + 1
        arrivals.append((tag, run.segments[0].segment.header.firstSequence, position))
        for (index, sealed) in run.segments.enumerated() {
            world.mark(.merged)
            let setAside = ledger.merge(
                sealed.segment, behind: run.names(before: index),
                keepsNames: index == 0 && run.sharesNames)
            if !setAside.isEmpty { world.mark(.setAside) }
            pending.segments.append(sealed)
            pendingBytes += sealed.segment.bytes.count
        }
        touch(tag)
    }

    func sendAck(
        _ number: UInt64, _ point: ChainPoint, _ tag: StreamTag, runs: [Ack.Run],
        _ receivedAt: Timestamp
    ) {
        guard let session = sessions[tag] else { return }
        world.mark(.acknowledged)
        world.checkAcknowledgement(self, tag, point)
        let ack = Ack(
            stream: tag, through: point, hub: contents.tag, runs: runs, receivedAt: receivedAt,
            committedAt: now.wall)
        send(.ack(ack), session: number, to: session.genesis.agent)
    }

    private func send(_ message: Message, session: UInt64, to agent: AgentID) {
        guard let name = names[agent] else { return }
        let frame = message.framed(session: session).signed(by: signer, hasher)
        _ = world.publish(0, .down(name), frame.encoded())
    }
}

extension Topic {
    fileprivate var name: Int? {
        switch self {
        case .up(let name), .status(let name): name
        case .down, .hub: nil
        }
    }
}

extension StreamSession.Action {
    fileprivate var isProgress: Bool {
        switch self {
        case .merge, .persistWatermark: true
        default: false
        }
    }
}

extension StreamSession.Drop {
    fileprivate var mark: Mark {
        switch self {
        case .notInSession: .dropNotInSession
        case .badSignature: .dropBadSignature
        case .foreignStream: .dropForeignStream
        case .brokenSegment: .dropBrokenSegment
        case .duplicate: .dropDuplicate
        case .tooEarly: .dropTooEarly
        case .streamStopped: .dropStreamStopped
        case .badDictionary: .dropBadDictionary
        case .tooManyBranches: .dropTooManyBranches
        case .notLookedUp: .dropNotLookedUp
        case .watermarkAhead: .dropWatermarkAhead
        case .staleWatermark: .dropStaleWatermark
        }
    }
}
