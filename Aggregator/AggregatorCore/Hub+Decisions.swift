import LedgerCore
import SyncProtocol

/// A decision that was put to the hub, as whoever put it knows it.
package struct DecisionNumber: Hashable, Sendable {
    package let value: UInt64

    package init(_ value: UInt64) {
        self.value = value
    }
}

/// What an operator may decide.
package enum OperatorDecision: Hashable, Sendable {
    /// A stream that waits for it may go on.
    case approve(StreamTag)
    case closeStream(StreamTag)
    /// Its writer is not expected to come back.
    case declareLost(StreamTag)
    /// The events that a conflict of kind quarantined names get their effect, all of them.
    case release(HubEventID)
    /// A conflict needs nobody any more.
    case resolve(HubEventID)
}

/// Why a decision was not carried out.
package enum DecisionFailure: Error, Hashable, Sendable {
    case unknownStream
    case unknownConflict
    /// The stream does not stand as the decision supposes.
    case standing(Standing)
    case alreadyResolved
    /// It can still not be read, or not as a whole.
    case cannotRelease
    /// Nothing was written: the store failed.
    case notWritten
}

extension Hub {
    /// Decisions that were not yet answered.
    struct Decisions {
        struct Release {
            var number: DecisionNumber?
            var spans: [EventSpan]
            let decision: HubEvent.Decision?
            let origin: HubEventID?
            let agent: AgentID
        }

        /// In the order in which their segments are fetched.
        var releases: [Release] = []
        /// Written, and not yet durable, by the event that says so.
        var written: [(number: DecisionNumber, event: UInt64)] = []
        private var failed: [DecisionNumber] = []

        /// What a failed commit has undone.
        mutating func forget() {
            failed += written.map(\.number) + releases.compactMap(\.number)
            written = []
            releases = []
        }

        /// - Returns: the answers that are due with what is durable now.
        mutating func settle(through committed: UInt64, _ hub: StreamTag) -> [Action] {
            let done = written.filter { $0.event <= committed }
            written.removeAll { $0.event <= committed }
            return takeFailed()
                + done.map {
                    .decided($0.number, .success(HubEventID(hub: hub, sequence: $0.event)))
                }
        }

        mutating func takeFailed() -> [Action] {
            defer { failed = [] }
            return failed.map { .decided($0, .failure(.notWritten)) }
        }
    }

    /// An operator has decided. `decided` says what became of it, once it is durable.
    package mutating func decide(
        _ decision: OperatorDecision, _ number: DecisionNumber, by: HubEvent.Decision,
        now: ClockReading
    ) -> [Action] {
        guard succession == nil else { return [.decided(number, .failure(.notWritten))] }
        do throws(DecisionFailure) {
            switch decision {
            case .approve(let stream):
                let agent = try agent(of: stream, where: { $0 == .unapproved })
                decide(stream, .open, now)
                return write(.approved(stream), number, by, agent, now)
            case .closeStream(let stream):
                let agent = try agent(of: stream, where: { $0 == .open || $0 == .unapproved })
                let evidence = fleet.existing(stream)?.record.evidence
                decide(stream, .closed, now)
                let fact = HubFact.closed(stream, .closed, evidence: evidence)
                return write(fact, number, by, agent, now)
            case .declareLost(let stream):
                let agent = try agent(of: stream, where: { $0 != .lost })
                decide(stream, .lost, now)
                return write(.declaredLost(stream), number, by, agent, now)
            case .resolve(let id):
                let conflict = try conflict(id)
                guard conflict.isOpen else { throw .alreadyResolved }
                // Who was told of it is told this, too.
                let agent = conflict.event.content.address?.agent
                return write(.resolved(conflict.id), number, by, agent, now)
            case .release(let id): return try release(id, number, by)
            }
        } catch {
            return [.decided(number, .failure(error))]
        }
    }

    private func agent(
        of stream: StreamTag, where isRight: (Standing) -> Bool
    ) throws(DecisionFailure) -> AgentID {
        guard let session = fleet.existing(stream), session.record.provedSession > 0 else {
            throw .unknownStream
        }
        guard isRight(session.record.standing) else { throw .standing(session.record.standing) }
        return session.genesis.agent
    }

    private func conflict(_ id: HubEventID) throws(DecisionFailure) -> Conflict {
        guard let conflict = fold.state.conflicts[id] else { throw .unknownConflict }
        return conflict
    }

    private mutating func write(
        _ fact: HubFact, _ number: DecisionNumber, _ by: HubEvent.Decision, _ agent: AgentID?,
        _ now: ClockReading
    ) -> [Action] {
        let note = write(fact, telling: agent, decision: by, now)
        decisions.written.append((number, fold.state.hubs.last?.events ?? 0))
        return [note]
    }

    // MARK: Releasing

    private mutating func release(
        _ id: HubEventID, _ number: DecisionNumber, _ by: HubEvent.Decision
    ) throws(DecisionFailure) -> [Action] {
        let conflict = try conflict(id)
        guard case .quarantined(let span, _) = conflict.event.content.fact,
            let agent = fleet.existing(span.stream)?.genesis.agent
        else { throw .unknownConflict }
        // Whoever settled it without releasing them may think again.
        let spans = fold.state.conflicts.withoutEffect(conflict).map {
            EventSpan(stream: span.stream, segment: span.segment, sequences: $0)
        }
        guard !spans.isEmpty else { throw .alreadyResolved }
        return release(spans, number: number, decision: by, origin: nil, telling: agent)
    }

    /// Asks for the segment of the events, of which the store alone has the bytes.
    mutating func release(
        _ spans: [EventSpan], number: DecisionNumber? = nil, decision: HubEvent.Decision?,
        origin: HubEventID?, telling agent: AgentID
    ) -> [Action] {
        guard let first = spans.first else { return [] }
        decisions.releases.append(
            Decisions.Release(
                number: number, spans: spans, decision: decision, origin: origin, agent: agent))
        return [.fetch(first)]
    }

    /// The segment of a span, with all names that its stream had defined with it; nil where the store
    /// does not have it, or could not be read.
    package mutating func fetched(
        _ span: EventSpan, _ segment: Segment?, names: [Definition?], now: ClockReading
    ) -> [Action] {
        guard let index = decisions.releases.firstIndex(where: { $0.spans.first == span }) else {
            return []
        }
        let release = decisions.releases.remove(at: index)
        guard let segment, fold.release(release.spans, segment, names) else {
            return [.note(.cannotRelease(span))]
                + (release.number.map { [.decided($0, .failure(.cannotRelease))] } ?? [])
        }
        var actions: [Action] = []
        for span in release.spans {
            actions.append(
                write(
                    .released(span), telling: release.agent, decision: release.decision,
                    origin: release.origin, now))
        }
        if let number = release.number {
            decisions.written.append((number, fold.state.hubs.last?.events ?? 0))
        }
        return actions
    }
}
