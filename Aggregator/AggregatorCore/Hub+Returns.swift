import LedgerCore
import SyncProtocol

/// Where former hubs had placed segments that are on their way here, as agents return it.
struct ReturnedPlaces {
    private struct Run {
        let hub: StreamTag
        let sequences: ClosedRange<UInt64>
        let position: UInt64
    }

    /// The latest of each stream.
    private var runs: [StreamTag: [Run]] = [:]
    /// By former hub and stream, the furthest former place of what stands here now.
    private var furthest: [StreamTag: [StreamTag: UInt64]] = [:]

    mutating func add(_ message: Returns, of hub: StreamTag, max count: Int) {
        let added = message.runs.map {
            Run(hub: hub, sequences: $0.sequences, position: $0.position)
        }
        runs[message.stream] = Array(((runs[message.stream] ?? []) + added).suffix(count))
    }

    /// A segment has come to stand behind all that are here.
    ///
    /// - Returns: where a former hub had placed it, if that was before some that stand before it now.
    mutating func place(_ sealed: SealedSegment, of stream: StreamTag) -> LogPlace? {
        guard let known = runs[stream] else { return nil }
        let first = sealed.segment.header.firstSequence
        guard let run = known.last(where: { $0.sequences.contains(first) }) else { return nil }
        let others = (furthest[run.hub] ?? [:]).filter { $0.key != stream }.values.max() ?? 0
        let own = furthest[run.hub]?[stream] ?? 0
        furthest[run.hub, default: [:]][stream] = max(own, run.position)
        return run.position < others ? LogPlace(hub: run.hub, position: run.position) : nil
    }
}

/// What agents give back of former hubs: what these had decided binds where it is not yet overtaken.
extension Hub {
    mutating func take(
        _ message: Returns, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        guard let session = fleet.existing(message.stream), session.genesis.agent == agent,
            session.provedSession == frame.session,
            frame.isSigned(by: session.genesis.publicKey, parts.hasher, parts.verifier)
        else { return [.note(.dropped(.notInSession, agent))] }
        let former = message.former
        let hub = StreamTag(genesisHash: former.hash(parts.hasher))
        guard former.writer == .hub, former.ledger == genesis.ledger, hub != tag else {
            return [.note(.dropped(.foreignStream, agent))]
        }
        returned.add(message, of: hub, max: parts.limits.returnedRunsMax)
        var actions: [Action] = []
        for signed in message.events where isSound(signed, former, hub, agent) {
            actions += adopt(signed, agent, now)
        }
        return actions
    }

    /// A hub that had our key is believed in all. Of another, whose key was lost with it, only an agent
    /// can tell, and it is believed in what concerns itself, but for what an operator alone may allow.
    private func isSound(
        _ signed: SignedHubEvent, _ former: Genesis, _ hub: StreamTag, _ agent: AgentID
    ) -> Bool {
        let content = signed.event.content
        guard signed.hub == hub, signed.isSigned(by: former.publicKey, parts.verifier),
            content.address?.agent == agent
        else { return false }
        if former.publicKey == genesis.publicKey { return true }
        switch content.fact {
        case .approved, .released: return false
        default:
            guard let stream = content.fact.stream else { return false }
            return fleet.existing(stream)?.genesis.agent == agent
        }
    }

    private mutating func adopt(
        _ signed: SignedHubEvent, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        let id = HubEventID(hub: signed.hub, sequence: signed.event.sequence)
        let content = signed.event.content
        // What repeats an event that is known here is known, too.
        let ids = [id] + (content.origin.map { [$0] } ?? [])
        guard !ids.contains(where: { fold.state.knows($0, saying: content.fact, to: agent) }),
            isNew(content.fact)
        else { return [] }
        if case .released(let span) = content.fact, isMerged(span) {
            return release([span], decision: content.decision, origin: id, telling: agent)
        }
        heed(content.fact, now)
        return [
            write(
                content.fact, telling: agent, decision: content.decision, origin: id, now)
        ]
    }

    /// Whether what a former hub said is not overtaken by what is here.
    private func isNew(_ fact: HubFact) -> Bool {
        switch fact {
        case .closed(let stream, _, _): !fold.state.standing(of: stream).isClosed
        case .declaredLost(let stream): fold.state.standing(of: stream) != .lost
        case .approved(let stream): fold.state.standing(of: stream) == .unapproved
        case .gapLost(let gap):
            !fold.state.gaps(of: gap.stream).contains(where: gap.isAt)
                && merged(gap.stream) < gap.sequences.lowerBound
        case .quarantined(let span, _), .restamped(let span, _): !isMerged(span)
        case .released(let span):
            fold.quarantined(span.segment).contains { $0.overlaps(span.sequences) }
        case .awaitsApproval, .reordered, .resolved, .unknown: false
        }
    }

    private func merged(_ stream: StreamTag) -> UInt64 {
        fleet.existing(stream)?.merged.sequence ?? 0
    }

    /// Its segment may be here: what has been merged stands as it was.
    private func isMerged(_ span: EventSpan) -> Bool {
        span.sequences.lowerBound <= merged(span.stream)
    }

    /// What the event changes of the stream's session.
    private mutating func heed(_ fact: HubFact, _ now: ClockReading) {
        switch fact {
        case .closed(let stream, let standing, _): decide(stream, standing, now)
        case .declaredLost(let stream): decide(stream, .lost, now)
        case .approved(let stream): decide(stream, .open, now)
        case .gapLost(let gap):
            _ = fleet.session(gap.stream) {
                $0.lostGaps.append(gap)
                return []
            }
        case .restamped(let span, _):
            if judged.count < parts.limits.returnedRunsMax { judged.insert(span.segment) }
        default: break
        }
    }

    mutating func decide(_ stream: StreamTag, _ standing: Standing, _ now: ClockReading) {
        guard fleet.existing(stream) != nil else { return }
        _ = fleet.session(stream) {
            $0.decided(standing)
            return []
        }
        fleet.noteStop(stream, standing, now.wall)
        if fleet.isStored(stream) { record(stream, now.wall) }
    }
}
