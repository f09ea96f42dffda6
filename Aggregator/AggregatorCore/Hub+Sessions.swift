import LedgerCore
import SyncProtocol

/// What sessions want done.
extension Hub {
    mutating func perform(
        _ answers: [StreamSession.Action], _ tag: StreamTag, _ now: ClockReading,
        _ message: SegmentsMessage? = nil
    ) -> [Action] {
        var actions: [Action] = []
        for answer in answers { actions += perform(answer, tag, now, message) }
        return actions
    }

    private mutating func perform(
        _ answer: StreamSession.Action, _ tag: StreamTag, _ now: ClockReading,
        _ message: SegmentsMessage?
    ) -> [Action] {
        // Of a stream that is not known there is nobody to tell.
        guard let session = fleet.existing(tag) else { return [] }
        let agent = session.genesis.agent
        switch answer {
        case .sendWelcome(let welcome): return [send(.welcome(welcome), session: 0, to: agent)]
        case .merge(let run): return merge(run, session, now, message)
        case .persistRecord:
            addStreamIfNew(session)
            record(tag, now.wall)
        case .persistWatermark: watermarks.add(tag, now.steady)
        case .sendAck(let number, let point):
            return acknowledge(number, point, tag, runs: [], receivedAt: now.wall, now)
        case .sendNeeds(let number, let needs):
            return [send(.needs(needs), session: number, to: agent)]
        case .sendNeedsDefinitions(let number, let needs):
            return [send(.needsDefinitions(needs), session: number, to: agent)]
        case .lookUp(let lookUp): return [.lookUp(lookUp, of: tag)]
        case .close(let standing):
            addStreamIfNew(session)
            record(tag, now.wall)
            fleet.noteStop(tag, standing, now.wall)
            let fact = HubFact.closed(tag, standing, evidence: session.closingEvidence)
            return [.note(.closed(tag, standing, agent)), write(fact, telling: agent, now)]
        case .awaitApproval:
            fleet.noteStop(tag, .unapproved, now.wall)
            return [.note(.awaitsApproval(tag, agent)), write(.awaitsApproval(tag), now)]
        case .lose(let gap):
            schedule.lost(agent)
            return [.note(.lost(gap, agent)), write(.gapLost(gap), telling: agent, now)]
        case .define(let names):
            addStreamIfNew(session)
            fold.ledger.restore(names.definitions, of: tag, leadingTo: names.state)
            pending.commit.names.append(HubCommit.Names(stream: tag, names: names))
        case .fallenBehind: return fallBehind(agent, now)
        case .drop(let drop): return [.note(.dropped(drop, agent))]
        }
        return []
    }

    private mutating func addStreamIfNew(_ session: StreamSession) {
        guard !fleet.isStored(session.stream) else { return }
        fleet.noteStored(session.stream)
        pending.commit.streams.append(
            HubCommit.NewStream(genesis: session.genesis, hash: session.start.hash))
    }

    // MARK: The store's answers

    /// The answer to `lookUp`; nil where the store could not be read.
    ///
    /// - Parameter names: all that lead to the answer's state, where `needsNames`.
    package mutating func found(
        _ answer: LookUp.Answer?, names: [Definition?] = [], of stream: StreamTag,
        now: ClockReading
    ) -> [Action] {
        if let state = answer?.dictionary, !names.isEmpty {
            fold.ledger.restore(names, of: stream, leadingTo: state)
        }
        return perform(fleet.session(stream) { $0.found(answer, now: now) }, stream, now)
    }

    /// The state whose names are to be given with an answer, as a branch may begin with it; nil for
    /// none.
    package func needsNames(
        _ answer: LookUp.Answer, to lookUp: LookUp, of stream: StreamTag
    ) -> DictionaryState? {
        guard let state = answer.dictionary, answer.stored < lookUp.segments.count,
            !fold.ledger.hasNames(of: stream, leadingTo: state)
        else { return nil }
        return state
    }

    // MARK: The hub's events

    /// Writes an event of the hub, and what it changes here.
    ///
    /// - Parameter agent: who is told of it; nil for nobody.
    @discardableResult
    mutating func write(
        _ fact: HubFact, telling agent: AgentID? = nil, decision: HubEvent.Decision? = nil,
        origin: HubEventID? = nil, _ now: ClockReading
    ) -> Action {
        let address = agent.map {
            HubEvent.Address(agent: $0, previous: fold.state.lastAddressed(to: $0))
        }
        let content = HubEvent.Content(
            fact, decision: decision, origin: origin, address: address)
        let event = journal.append(content, time: clock.tick(now: now.wall))
        fold.state.apply(event)
        return .note(.recorded(event))
    }
}
