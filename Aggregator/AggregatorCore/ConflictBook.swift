import LedgerCore
import SyncProtocol

/// The conflicts of the ledger at one moment, with what is known around them.
///
/// All that have ever been recorded are in memory, as the hub keeps them: some 300 bytes each, so that
/// a million of them would take as much as a small ledger.
package struct ConflictBook: Sendable {
    /// Which conflicts somebody wants to see.
    package struct Filter: Hashable, Sendable {
        package var agent: AgentID?
        package var kind: Conflict.Kind?
        package var isOpen: Bool?
        /// Only those that keep events without effect.
        package var isQuarantine: Bool

        package init(
            agent: AgentID? = nil, kind: Conflict.Kind? = nil, isOpen: Bool? = nil,
            isQuarantine: Bool = false
        ) {
            self.agent = agent
            self.kind = kind
            self.isOpen = isOpen
            self.isQuarantine = isQuarantine
        }
    }

    private let hub: AgentID
    private let fold: ConflictFold
    private let streams: [StreamTag: (agent: AgentID, view: AgentView.StreamView)]

    /// - Parameter hub: the name under which the hub writes its stream.
    package init(hub: AgentID, state: HubState, agents: [AgentView]) {
        self.hub = hub
        fold = state.conflicts
        let known = agents.flatMap { agent in agent.streams.map { ($0.tag, (agent.id, $0)) } }
        streams = Dictionary(known) { first, _ in first }
    }

    // MARK: Questions

    /// By its name, or by that which it had with a former hub.
    package func conflict(_ id: EventID) -> ConflictView? {
        guard id.agent == hub, id.branch == nil else { return nil }
        return fold[id.hubEvent].map(view)
    }

    /// A page of them, the latest first.
    ///
    /// - Parameter before: the last one of the page before.
    /// - Returns: nil where there is no such conflict.
    package func page(
        _ filter: Filter, before: EventID?, limit: Int
    ) -> MergedPage<ConflictView>? {
        var rest = fold.all[...]
        if let before {
            let place = rest.lastIndex { $0.id == before.hubEvent }
            guard let place, before.agent == hub else { return nil }
            rest = rest[..<place]
        }
        var items: [ConflictView] = []
        for conflict in rest.reversed() where admits(filter, conflict) {
            if items.count == limit {
                return MergedPage(items: items, next: items.last?.id.description)
            }
            items.append(view(conflict))
        }
        return MergedPage(items: items, next: nil)
    }

    /// What an event of the hub is to people; nil for what they need not hear of: another segment of a
    /// clock that is known to be wrong.
    package func news(_ event: HubEvent, _ id: EventID) -> HubNews? {
        let fact = event.content.fact
        var conflict: Conflict?
        if fact.conflict != nil {
            conflict = fold[id.hubEvent]
            if conflict == nil { return nil }
        } else if case .resolved(let settled) = fact {
            conflict = fold[settled]
        } else if case .released = fact {
            conflict = fold.all.last { $0.resolution?.id == id.hubEvent }
        }
        let stream = fact.stream ?? conflict?.stream
        return HubNews(
            event: event,
            agent: event.content.address?.agent ?? stream.flatMap { streams[$0]?.agent },
            conflict: conflict.map(view))
    }

    /// The conflicts that an event is in which the log cannot show.
    package func concerning(_ id: EventID) -> [ConflictView] {
        guard streams[id.stream]?.agent == id.agent else { return [] }
        return fold.concerning(id.sequence, of: id.stream, in: nil).map(view)
    }

    private func admits(_ filter: Filter, _ conflict: Conflict) -> Bool {
        if let kind = filter.kind, conflict.kind != kind { return false }
        if let isOpen = filter.isOpen, conflict.isOpen != isOpen { return false }
        if let agent = filter.agent, self.agent(of: conflict) != agent { return false }
        return !filter.isQuarantine || !fold.withoutEffect(conflict).isEmpty
    }

    private func agent(of conflict: Conflict) -> AgentID? {
        conflict.event.content.address?.agent ?? streams[conflict.stream]?.agent
    }

    private func view(_ conflict: Conflict) -> ConflictView {
        let stream = streams[conflict.stream]?.view
        return ConflictView(
            conflict, hub: hub, agent: agent(of: conflict), standing: stream?.standing,
            branches: stream?.branches ?? [], withoutEffect: fold.withoutEffect(conflict))
    }
}

/// What the conflict routes of the aggregator's HTTP API need of the aggregator.
package protocol ConflictService: Sendable {
    func conflicts() async throws(AggregatorFailure) -> ConflictBook
    /// In the order of their ids.
    func agents() async throws(AggregatorFailure) -> [AgentView]
    /// Has the hub carry out what an operator has decided, and waits until that is durable.
    ///
    /// - Returns: the event of the hub that says so.
    func decide(
        _ decision: OperatorDecision, by: HubEvent.Decision
    ) async throws(AggregatorFailure) -> Result<EventID, DecisionFailure>
}
