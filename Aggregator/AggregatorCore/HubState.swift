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
    /// Something that happened, which people may have to look at.
    package struct Conflict: Hashable, Sendable {
        /// The event that recorded it.
        package let id: HubEventID
        package let event: HubEvent
        /// How many more events recorded the same: segments of one clock.
        package fileprivate(set) var repeats: UInt64 = 0
        /// The event that settled it; nil while nothing did.
        package fileprivate(set) var resolution: HubEvent?
    }

    /// Events without effect.
    package struct Quarantined: Hashable, Sendable {
        package let sequences: ClosedRange<UInt64>
        package let cause: HubFact.QuarantineCause
        /// The event that said so.
        package let id: HubEventID
    }

    private struct RecordedGap: Sendable {
        let gap: HubFact.LostGap
        /// Its conflict's place in the list.
        let conflict: Int
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
    /// By segment, in the order of the events.
    private var quarantine: [Hash256: [Quarantined]] = [:]
    private var conflictList: [Conflict] = []
    private var conflictIndex: [HubEventID: Int] = [:]
    /// The open conflict of each stream whose clock is suspected.
    private var suspected: [StreamTag: Int] = [:]
    /// The events that repeat one of a former hub, by that.
    private var repeated: [HubEventID: HubEventID] = [:]
    /// What the hub that is written has to tell each agent, in its order.
    private var addressed: [AgentID: [HubEvent]] = [:]

    package init() {}

    // MARK: Questions

    /// The hub's word on a stream; `open` where it has said nothing.
    package func standing(of stream: StreamTag) -> Standing { standings[stream] ?? .open }

    package func gaps(of stream: StreamTag) -> [HubFact.LostGap] {
        gaps[stream]?.map(\.gap) ?? []
    }

    /// Those that nobody has settled, and since when they are known.
    package func openGaps(of stream: StreamTag) -> [(gap: HubFact.LostGap, since: Timestamp)] {
        (gaps[stream] ?? []).compactMap { recorded in
            let conflict = conflictList[recorded.conflict]
            return conflict.isOpen ? (recorded.gap, conflict.event.time.time) : nil
        }
    }

    /// Of a segment, what has no effect, in the order of the events.
    package func quarantined(in segment: Hash256) -> [Quarantined] { quarantine[segment] ?? [] }

    package var quarantinedCount: UInt64 {
        quarantine.values.joined().reduce(0) { $0 + UInt64($1.sequences.count) }
    }

    /// In the order in which they were recorded.
    package var conflicts: [Conflict] { conflictList }

    package var openConflictCount: Int { conflictList.reduce(0) { $0 + ($1.isOpen ? 1 : 0) } }

    /// By the event that recorded it, or by one of a former hub that it repeats.
    package func conflict(_ id: HubEventID) -> Conflict? {
        conflictIndex[repeated[id] ?? id].map { conflictList[$0] }
    }

    /// Whether the log has the event, or one that repeats it.
    package func knows(_ id: HubEventID) -> Bool {
        repeated[id] != nil || hubs.contains { $0.tag == id.hub && id.sequence <= $0.events }
    }

    /// What an agent is to be told behind one of the hub's events.
    package func addressed(to agent: AgentID, behind sequence: UInt64) -> ArraySlice<HubEvent> {
        let all = addressed[agent] ?? []
        let seen = all.firstIndex { $0.sequence > sequence } ?? all.endIndex
        return all[seen...]
    }

    /// The last event of the hub that is written that an agent is to be told; 0 for none.
    package func lastAddressed(to agent: AgentID) -> UInt64 {
        addressed[agent]?.last?.sequence ?? 0
    }

    package var addressees: some Collection<AgentID> { addressed.keys }

    // MARK: The fold

    /// Another stream of the hub is written from here on.
    package mutating func begin(_ hub: StreamTag) {
        precondition(!hubs.contains { $0.tag == hub }, "hub \(hub) begins twice")
        hubs.append(Hub(tag: hub, events: 0))
        addressed = [:]
    }

    /// The next event of the hub that is written.
    package mutating func apply(_ event: HubEvent) {
        guard let current = hubs.indices.last else { preconditionFailure("no hub has begun") }
        precondition(
            event.sequence == hubs[current].events + 1,
            "hub event \(event.sequence) behind \(hubs[current].events)")
        hubs[current].events = event.sequence
        let id = HubEventID(hub: hubs[current].tag, sequence: event.sequence)
        if let origin = event.content.origin { repeated[origin] = id }
        if let address = event.content.address {
            addressed[address.agent, default: []].append(event)
        }
        apply(event, id)
    }

    private mutating func apply(_ event: HubEvent, _ id: HubEventID) {
        switch event.content.fact {
        case .closed(let stream, let standing, _):
            if !self.standing(of: stream).isClosed { standings[stream] = standing }
            if standing == .forked || standing == .rolledBack { record(event, id) }
        case .declaredLost(let stream): standings[stream] = .lost
        case .awaitsApproval(let stream):
            if standings[stream] == nil { standings[stream] = .unapproved }
        case .approved(let stream):
            if standing(of: stream) == .unapproved { standings[stream] = .open }
        case .gapLost(let gap):
            gaps[gap.stream, default: []].append(
                RecordedGap(gap: gap, conflict: conflictList.count))
            record(event, id)
        case .quarantined(let span, let cause):
            quarantine[span.segment, default: []].append(
                Quarantined(sequences: span.sequences, cause: cause, id: id))
            record(event, id)
        case .released(let span): release(span, event)
        case .restamped(let span, _): suspect(span.stream, event, id)
        case .reordered: record(event, id)
        case .resolved(let conflict): resolve(conflict, event)
        case .unknown: break
        }
    }

    private mutating func record(_ event: HubEvent, _ id: HubEventID) {
        conflictIndex[id] = conflictList.count
        conflictList.append(Conflict(id: id, event: event))
    }

    /// Segments that one clock stamped are one conflict until somebody has settled it.
    private mutating func suspect(_ stream: StreamTag, _ event: HubEvent, _ id: HubEventID) {
        if let index = suspected[stream], conflictList[index].isOpen {
            conflictList[index].repeats += 1
        } else {
            suspected[stream] = conflictList.count
            record(event, id)
        }
    }

    private mutating func resolve(_ conflict: HubEventID, _ event: HubEvent) {
        guard let index = conflictIndex[repeated[conflict] ?? conflict],
            conflictList[index].isOpen
        else { return }
        conflictList[index].resolution = event
    }

    /// What is left of the ranges; a conflict of which nothing is left is settled.
    private mutating func release(_ span: EventSpan, _ event: HubEvent) {
        guard let before = quarantine[span.segment] else { return }
        var rest: [Quarantined] = []
        for part in before {
            let left = part.sequences.subtracting(span.sequences)
            rest += left.map { Quarantined(sequences: $0, cause: part.cause, id: part.id) }
            let isSettled = left.isEmpty && !rest.contains { $0.id == part.id }
            if isSettled { resolve(part.id, event) }
        }
        quarantine[span.segment] = rest.isEmpty ? nil : rest
    }

    /// An agent has its events up to there, and is not told them again.
    package mutating func saw(_ agent: AgentID, through sequence: UInt64) {
        // The last one stays: the next one names it.
        guard var events = addressed[agent], let last = events.last else { return }
        events.removeAll { $0.sequence <= sequence && $0.sequence < last.sequence }
        addressed[agent] = events
    }
}

extension HubState.Conflict {
    package var isOpen: Bool { resolution == nil }
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
        for (segment, parts) in quarantine.sorted(by: { $0.key.description < $1.key.description }) {
            segment.append(to: &bytes)
            bytes.number(UInt64(parts.count))
            for part in parts {
                bytes.number(part.sequences.lowerBound)
                bytes.number(part.sequences.upperBound)
                bytes.number(part.id)
            }
        }
        bytes.number(UInt64(conflictList.count))
        for conflict in conflictList {
            bytes.number(conflict.id)
            bytes.number(conflict.event.time.rawValue)
            bytes += conflict.event.content.encoded()
            bytes.number(conflict.repeats)
            bytes.number(conflict.resolution?.sequence ?? 0)
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
