import LedgerCore
import SyncProtocol

/// What the events of the hub's streams add up to: what the fold may depend on beside the agents'
/// events.
///
/// **Overview.** The standing of each stream, gaps that nobody can fill, events in quarantine, and a
/// record of each conflict with what was decided. Several hub streams follow each other where the hub
/// was restored or lost; all that are in the log count, in the order of the log.
///
/// **Invariants.** A function of the hub's events in their order, and of nothing else. What an event
/// says of things that are not known here is kept all the same.
package struct HubState: Sendable {
    private struct RecordedGap: Sendable {
        let gap: HubFact.LostGap
        /// The event that recorded it.
        let id: HubEventID
    }

    /// A hub's stream, and how many events it has.
    package struct Hub: Hashable, Sendable {
        package let tag: StreamTag
        package fileprivate(set) var events: UInt64
    }

    /// In their order; the last one is written.
    package private(set) var hubs: [Hub] = []
    private var standings: [StreamTag: Standing] = [:]
    private var gaps: [StreamTag: [RecordedGap]] = [:]
    /// All of them, with what was decided, and the events in quarantine.
    package private(set) var conflicts = ConflictFold()
    /// What each hub has to tell each agent, in its order. All of it is kept: a folder that was put back,
    /// or begins anew, is told again what another of that name has seen.
    private var addressed: [StreamTag: [AgentID: [HubEvent]]] = [:]

    package init() {}

    // MARK: Questions

    /// The hub's word on a stream; `open` where it has said nothing.
    package func standing(of stream: StreamTag) -> Standing { standings[stream] ?? .open }

    package func gaps(of stream: StreamTag) -> [HubFact.LostGap] {
        gaps[stream]?.map(\.gap) ?? []
    }

    /// With the conflict that each of them is.
    package func recordedGaps(
        of stream: StreamTag
    ) -> [(gap: HubFact.LostGap, conflict: Conflict)] {
        (gaps[stream] ?? []).compactMap { recorded in
            conflicts[recorded.id].map { (recorded.gap, $0) }
        }
    }

    /// Those that nobody has settled, and since when they are known.
    package func openGaps(of stream: StreamTag) -> [(gap: HubFact.LostGap, since: Timestamp)] {
        recordedGaps(of: stream).filter(\.conflict.isOpen).map {
            ($0.gap, $0.conflict.event.time.time)
        }
    }

    /// Whether the log has this event, which a hub told the agent, or one that repeats it. The number
    /// alone does not say so: a hub that was put back from an older copy has given it out again, until
    /// an agent showed it.
    package func knows(_ id: HubEventID, saying fact: HubFact, to agent: AgentID) -> Bool {
        addressed.contains { hub, told in
            (told[agent] ?? []).contains { event in
                let own = HubEventID(hub: hub, sequence: event.sequence)
                return event.content.fact == fact && (own == id || event.content.origin == id)
            }
        }
    }

    /// The event of that number, of the hub that is written, if the agent is told of it.
    package func told(_ agent: AgentID, _ sequence: UInt64) -> HubEvent? {
        addressed(to: agent).last { $0.sequence == sequence }
    }

    private func addressed(to agent: AgentID) -> [HubEvent] {
        hubs.last.flatMap { addressed[$0.tag]?[agent] } ?? []
    }

    /// What an agent is to be told behind one of the hub's events.
    package func addressed(to agent: AgentID, behind sequence: UInt64) -> ArraySlice<HubEvent> {
        let all = addressed(to: agent)
        let seen = all.firstIndex { $0.sequence > sequence } ?? all.endIndex
        return all[seen...]
    }

    /// The last event of the hub that is written that an agent is to be told; 0 for none.
    package func lastAddressed(to agent: AgentID) -> UInt64 {
        addressed(to: agent).last?.sequence ?? 0
    }

    package var addressees: [AgentID] {
        hubs.last.flatMap { addressed[$0.tag]?.keys.sorted() } ?? []
    }

    // MARK: The fold

    /// Another stream of the hub is written from here on.
    package mutating func begin(_ hub: StreamTag) {
        precondition(!hubs.contains { $0.tag == hub }, "hub \(hub) begins twice")
        hubs.append(Hub(tag: hub, events: 0))
    }

    /// The next event of the hub that is written.
    package mutating func apply(_ event: HubEvent) {
        guard let current = hubs.indices.last else { preconditionFailure("no hub has begun") }
        precondition(
            event.sequence == hubs[current].events + 1,
            "hub event \(event.sequence) behind \(hubs[current].events)")
        hubs[current].events = event.sequence
        let id = HubEventID(hub: hubs[current].tag, sequence: event.sequence)
        conflicts.apply(event, id)
        if let address = event.content.address {
            addressed[id.hub, default: [:]][address.agent, default: []].append(event)
        }
        apply(event, id)
    }

    private mutating func apply(_ event: HubEvent, _ id: HubEventID) {
        switch event.content.fact {
        case .closed(let stream, let standing, _):
            if !self.standing(of: stream).isClosed { standings[stream] = standing }
        case .declaredLost(let stream): standings[stream] = .lost
        case .awaitsApproval(let stream):
            if standings[stream] == nil { standings[stream] = .unapproved }
        case .approved(let stream):
            if standing(of: stream) == .unapproved { standings[stream] = .open }
        case .gapLost(let gap):
            gaps[gap.stream, default: []].append(RecordedGap(gap: gap, id: id))
        case .quarantined, .released, .restamped, .reordered, .resolved, .unknown: break
        }
    }
}

// MARK: Bytes

extension HubState {
    /// All of it that the fold depends on, the same for the same events.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.number(UInt64(hubs.count))
        for hub in hubs {
            bytes.number(hub.tag.rawValue)
            bytes.number(hub.events)
        }
        bytes.number(UInt64(standings.count))
        for (stream, standing) in standings.sorted(by: { $0.key < $1.key }) {
            bytes.number(stream.rawValue)
            bytes.number(UInt64(standing.rawValue))
        }
        for (stream, gaps) in gaps.sorted(by: { $0.key < $1.key }) {
            bytes.number(stream.rawValue)
            bytes.number(UInt64(gaps.count))
            for gap in gaps.map(\.gap) {
                bytes.number(gap.sequences.lowerBound)
                bytes.number(gap.sequences.upperBound)
                gap.before.append(to: &bytes)
                gap.resumesBehind.append(to: &bytes)
            }
        }
        for (segment, parts) in conflicts.quarantine.sorted(by: {
            $0.key.description < $1.key.description
        }) {
            segment.append(to: &bytes)
            bytes.number(UInt64(parts.count))
            for part in parts {
                bytes.number(part.sequences.lowerBound)
                bytes.number(part.sequences.upperBound)
                bytes.number(part.id)
            }
        }
        bytes.number(UInt64(conflicts.all.count))
        for conflict in conflicts.all {
            bytes.number(conflict.id)
            bytes.number(conflict.event.time.rawValue)
            bytes += conflict.event.content.encoded()
            bytes.number(conflict.repeats)
            bytes.number(conflict.resolution?.event.sequence ?? 0)
        }
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func number(_ number: UInt64) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func number(_ id: HubEventID) {
        number(id.hub.rawValue)
        number(id.sequence)
    }
}
