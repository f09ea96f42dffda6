import LedgerCore
import SyncProtocol

/// What agents are told of the hub's events, until they say that they have them.
extension Hub {
    struct Telling {
        /// The last event that the agent is known to have.
        var seen: UInt64
        /// The last that was sent.
        var sent: UInt64
        var repeatAt: SteadyTime
        var repeatInterval: Int64
    }

    /// An agent has proved itself, and said what it has.
    mutating func begin(tellingTo agent: AgentID, _ seen: Seen, _ now: SteadyTime) {
        let position = seen.hub == tag ? seen.position : 0
        tellings[agent] = Telling(
            seen: position, sent: position, repeatAt: now,
            repeatInterval: parts.limits.tellRepeatMin)
    }

    /// The agent says in passing what it has.
    mutating func saw(_ agent: AgentID, _ seen: Seen) {
        guard seen.hub == tag, var telling = tellings[agent], seen.position > telling.seen else {
            return
        }
        telling.seen = seen.position
        telling.sent = max(seen.position, telling.sent)
        telling.repeatInterval = parts.limits.tellRepeatMin
        tellings[agent] = telling
    }

    /// Tells an agent the next events that are durable, as many as one message takes.
    mutating func tell(_ agent: AgentID, _ now: ClockReading) -> [Action] {
        guard var telling = tellings[agent] else { return [] }
        let events = fold.state.addressed(to: agent, behind: telling.sent)
            .prefix { $0.sequence <= committedEvents }.prefix(HubEventsMessage.eventsMax)
        guard let last = events.last else { return [] }
        telling.sent = last.sequence
        telling.repeatAt = now.steady.advanced(byMicroseconds: telling.repeatInterval)
        tellings[agent] = telling
        let signed = events.map { SignedHubEvent($0, hub: tag, signer: parts.signer) }
        return [send(.hubEvents(HubEventsMessage(events: signed)), session: 0, to: agent)]
    }

    /// A commit may have made events durable.
    mutating func tellNews(_ now: ClockReading) -> [Action] {
        var actions: [Action] = []
        for agent in fold.state.addressees where isBehind(agent) {
            actions += tell(agent, now)
        }
        return actions
    }

    private func isBehind(_ agent: AgentID) -> Bool {
        guard let telling = tellings[agent] else { return false }
        return telling.sent < fold.state.lastAddressed(to: agent)
    }

    /// What was told and not acknowledged for some time is told again; in the end with all that comes
    /// before it, for another folder of that name may have said that it has that.
    mutating func tellAgain(_ now: ClockReading) -> [Action] {
        var actions: [Action] = []
        for agent in tellings.keys.sorted() {
            guard var telling = tellings[agent], telling.seen < telling.sent,
                now.steady >= telling.repeatAt, fleet.isOnline(agent)
            else { continue }
            let isFirst = telling.repeatInterval == parts.limits.tellRepeatMin
            telling.sent = isFirst ? telling.seen : 0
            telling.repeatInterval = min(
                parts.limits.tellRepeatMax, telling.repeatInterval * 2)
            tellings[agent] = telling
            actions += tell(agent, now)
        }
        return actions
    }

    // MARK: Accounts

    /// Tells agents of the accounts that they use.
    ///
    /// - Parameters:
    ///   - messagesMax: what the transport has room for.
    ///   - send: hands a frame to the transport; false where it does not take it.
    package mutating func tellOfAccounts(
        messagesMax: Int, now: ClockReading, send: (Frame, AgentID) -> Bool
    ) {
        guard !hasPending, underWay == nil, succession == nil else { return }
        let place = SnapshotSchedule.Place(
            hub: tag, position: UInt64(position), clock: clockCommitted, now: now)
        let (fleet, parts) = (fleet, parts)
        schedule.turn(
            place, &fold.ledger, messagesMax: messagesMax,
            streams: { fleet.streams(of: $0) }, progress: { fleet.existing($0)?.progress },
            send: { outgoing in
                let frame = Message.accountSnapshot(outgoing.message)
                    .framed(session: outgoing.session).signed(by: parts.signer, parts.hasher)
                return send(frame, outgoing.agent)
            })
    }
}

extension StreamSession {
    fileprivate var progress: SnapshotSchedule.Progress? {
        provedSession.map {
            // What is given up is in no sum, and never will be.
            let through = accounted(for: committed).sequence
            return SnapshotSchedule.Progress(
                session: $0, committed: through,
                lag: record.announced.sequence - min(record.announced.sequence, through))
        }
    }
}
