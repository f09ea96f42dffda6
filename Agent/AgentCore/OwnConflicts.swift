import LedgerCore
import SyncProtocol

/// The conflicts of this agent's streams, as the hub has told it: made from the hub's events that the
/// agent keeps. Of a clock that stands wrong the hub tells it once, with the first segment, and of a
/// changed order nothing.
package struct OwnConflicts: Sendable {
    private let agent: AgentID
    /// The names under which the hubs write their streams.
    private let hubs: [StreamTag: AgentID]
    private let fold: ConflictFold

    /// - Parameter events: of the hubs in the order in which they were followed, each hub's in its order.
    package init(agent: AgentID, hubs: [HubRecord], events: [(hub: StreamTag, event: HubEvent)]) {
        self.agent = agent
        self.hubs = Dictionary(hubs.map { ($0.tag, $0.genesis.agent) }) { first, _ in first }
        var fold = ConflictFold()
        for (hub, event) in events {
            fold.apply(event, HubEventID(hub: hub, sequence: event.sequence))
        }
        self.fold = fold
    }

    package var isEmpty: Bool { fold.all.isEmpty }

    package var quarantinedCount: UInt64 { fold.quarantinedCount }

    /// In the order in which they were recorded.
    package var all: [Conflict] { fold.all }

    /// By the name of the event that recorded it, or of one that repeated it.
    package func conflict(_ id: EventID) -> ConflictView? {
        guard let name = hubs[id.stream], name == id.agent, id.branch == nil else { return nil }
        return fold[id.hubEvent].map(view)
    }

    /// A page of them, the latest first.
    ///
    /// - Parameters:
    ///   - kind: only of this kind; nil for all.
    ///   - isOpen: only those that are open, or are not; nil for all.
    ///   - before: the last one of the page before.
    /// - Returns: nil where there is no such conflict.
    package func page(
        kind: Conflict.Kind?, isOpen: Bool?, before: EventID?, limit: Int
    ) -> Page<ConflictView>? {
        var rest = fold.all[...]
        if let before {
            guard let place = rest.lastIndex(where: { $0.id == before.hubEvent }) else {
                return nil
            }
            rest = rest[..<place]
        }
        var items: [ConflictView] = []
        for conflict in rest.reversed()
        where (kind == nil || conflict.kind == kind) && (isOpen == nil || conflict.isOpen == isOpen)
        {
            if items.count == limit {
                return Page(items: items, next: items.last?.id.description)
            }
            items.append(view(conflict))
        }
        return Page(items: items, next: nil)
    }

    /// Those that an event of this agent is in.
    ///
    /// - Parameter segment: the event's; nil where the log does not have it.
    package func concerning(_ place: EventPlace, in segment: Hash256?) -> [ConflictView] {
        fold.concerning(place.sequence, of: place.stream, in: segment).map(view)
    }

    private func view(_ conflict: Conflict) -> ConflictView {
        ConflictView(
            conflict, hub: hubs[conflict.id.hub] ?? agent, agent: agent, standing: nil,
            branches: [], withoutEffect: fold.withoutEffect(conflict))
    }
}
