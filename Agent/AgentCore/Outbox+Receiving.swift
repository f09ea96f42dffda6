import LedgerCore
import SyncProtocol

extension Outbox {
    /// A message has come, whole.
    package mutating func received(
        _ frame: Frame, now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let message: Message?
        do throws(WireError) { message = try Message(frame) } catch {
            return [.note(.broken(error))]
        }
        switch message {
        case .welcome(let welcome): return welcomed(welcome, frame, now, &random)
        case .hub(let notice): return heard(notice, frame, now, &random)
        case .ack, .needs, .needsDefinitions, .accountSnapshot, .hubEvents: break
        case .hello, .proof, .segments, .definitions, .watermark, .accountRequest, .status, .spans,
            .returns, .unreadable, nil:
            return []
        }
        guard hubs.hasSigned(frame) else { return [.note(.forged(kind: frame.kind))] }
        switch message {
        case .ack(let ack): return acknowledged(ack, frame.session, now, &random)
        case .needs(let needs):
            return session(of: needs.stream, now, &random) { session, _ in
                session.needed(needs, session: frame.session)
            }
        case .needsDefinitions(let needs):
            return session(of: needs.stream, now, &random) { session, _ in
                session.neededDefinitions(needs, session: frame.session)
            }
        case .accountSnapshot(let snapshot): return take(snapshot, session: frame.session)
        case .hubEvents(let events): return told(events, now, &random)
        default: return []
        }
    }

    private mutating func session<Random: RandomNumberGenerator>(
        of stream: StreamTag, _ now: ClockReading, _ random: inout Random,
        _ event: (inout OutboxSession, inout Random) -> [OutboxSession.Action]
    ) -> [Action] {
        guard let index = index(stream) else { return [] }
        let actions = event(&streams[index].session, &random)
        return perform(actions, index, now)
    }

    // MARK: Welcomes

    private mutating func welcomed(
        _ welcome: Welcome, _ frame: Frame, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let greeted = streams.firstIndex { $0.session.awaits(welcome.nonce) }
        guard let index = greeted, streams[index].greeting == welcome.greeting else { return [] }
        var actions: [Action] = []
        switch hubs.judge(welcome, frame) {
        case .forged: return [.note(.forged(kind: frame.kind))]
        case .left(let tag):
            strayHub = tag
            streams[index].session.welcomedByStray(welcome)
            return [.note(.stray(tag))]
        case .another(let hub): actions += follow(hub, from: index, now, &random)
        case .current: break
        }
        if let current = hubs.current, !isHubDurable { actions.append(.errand(.follow(current))) }
        actions += observe(welcome.clock)
        return actions
            + perform(streams[index].session.welcomed(welcome), index, now)
    }

    /// Another hub answers, as one that was restored or lost its disk does: from now on this one is
    /// followed. It may lack what the one before had, so every stream is offered to it anew.
    private mutating func follow(
        _ hub: HubRecord, from index: Int, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let before = hubs.current
        hubs.follow(hub)
        isHubDurable = false
        told = 0
        strayHub = nil
        var actions: [Action] = [.note(.follows(hub, before: before))]
        for other in streams.indices where other != index {
            streams[other].session.disconnected()
            streams[other].isDue = !streams[other].isWriting
        }
        for each in streams.indices { streams[each].settledAt = nil }
        if index != lastIndex {
            let greeting = streams[lastIndex].session.connected(now: now.steady, &random)
            actions += perform(greeting, lastIndex, now)
        }
        return actions
    }

    /// The hub's clock is followed, whatever the device's own shows.
    mutating func observe(_ clock: HybridTimestamp) -> [Action] {
        guard clock > observed else { return [] }
        observed = clock
        return [.errand(.observe(clock))]
    }

    // MARK: The hub comes up

    /// A hint to greet soon, for what was under way is uncertain. Another hub cannot be known by its
    /// signature yet: its welcome will tell.
    private mutating func heard(
        _ notice: HubNotice, _ frame: Frame, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard notice.isUp, let tag = notice.hub.hub else { return [] }
        guard hubs.maySign(frame, as: tag) else { return [.note(.forged(kind: frame.kind))] }
        if tag != hubs.current?.tag, hubs.all.contains(where: { $0.tag == tag }) {
            // Either the hub that is followed answers too, or this one hears that it is an older copy:
            // also where nothing is to be sent.
            strayHub = tag
            streams[lastIndex].session.aggregatorCameUp(now: now.steady, &random)
            return [.note(.stray(tag))]
        }
        for index in streams.indices {
            streams[index].session.aggregatorCameUp(now: now.steady, &random)
            streams[index].isDue = !streams[index].isWriting && !streams[index].isActive
        }
        return []
    }

    // MARK: Hub events

    /// The hub tells what concerns this agent, each event naming the one before: what does not follow
    /// comes again.
    private mutating func told(
        _ message: HubEventsMessage, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        var kept: [SignedHubEvent] = []
        for signed in message.events {
            let event = signed.event
            guard let address = event.content.address, address.agent == device.agent,
                hubs.hasSigned(signed)
            else { return [.note(.forged(kind: Frame.Kind.hubEvents.rawValue))] }
            if event.sequence <= told { continue }
            guard address.previous == told else { break }
            told = event.sequence
            kept.append(signed)
        }
        guard let last = kept.last else { return [] }
        var actions = observe(last.event.time)
        actions.append(.errand(.keepEvents(kept)))
        for signed in kept {
            actions.append(.note(.told(signed)))
            actions += heed(signed.event.content.fact, now, &random)
        }
        return actions
    }

    private mutating func heed(
        _ fact: HubFact, _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        switch fact {
        case .closed(let stream, let standing, _):
            session(of: stream, now, &random) { session, _ in session.closed(standing) }
        case .declaredLost(let stream):
            session(of: stream, now, &random) { session, _ in session.closed(.lost) }
        case .approved(let stream): goOn(stream, now, &random)
        case .gapLost(let gap): goOn(gap.stream, now, &random)
        default: []
        }
    }

    private mutating func goOn(
        _ stream: StreamTag, _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        session(of: stream, now, &random) { session, random in
            session.mayGoOn(now: now.steady, &random)
        }
    }

    // MARK: Accounts

    private mutating func take(_ snapshot: AccountSnapshot, session number: UInt64) -> [Action] {
        guard snapshot.stream == writing.tag else { return [] }
        followSession()
        guard snapshots.received(snapshot, session: number) else { return [] }
        guard includesFormerStreams(snapshot) else {
            snapshots.unusable(snapshot.number, session: number)
            return []
        }
        return observe(snapshot.clock) + [.errand(.take(snapshot, session: number))]
    }

    mutating func followSession() {
        snapshots.follow(
            session: writing.session.streamingSession, of: writing.tag, hub: hubs.current?.tag)
    }
}
