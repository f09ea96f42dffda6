import LedgerCore

/// Something that happened, which people may have to look at: the hub's event that recorded it, and
/// what settled it.
package struct Conflict: Hashable, Sendable {
    /// The names never change: they stand in answers and metrics.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A copy of a data folder has shown itself; its stream is closed.
        case fork
        /// Nobody has these events any more.
        case gapLost = "gap_lost"
        /// Events have no effect, because they cannot be read, or not yet.
        case quarantined
        /// The clock that stamped these events stood wrong.
        case clockSuspect = "clock_suspect"
        /// A former hub had placed these events before others that stand before them now.
        case reordered
    }

    /// The event that settled it.
    package struct Resolution: Hashable, Sendable {
        package let id: HubEventID
        package let event: HubEvent
    }

    /// The event that recorded it.
    package let id: HubEventID
    package let event: HubEvent
    package let kind: Kind
    /// The stream that it is about.
    package let stream: StreamTag
    /// How many more events recorded the same: segments of one clock.
    package fileprivate(set) var repeats: UInt64 = 0
    /// Nil while nothing did.
    package fileprivate(set) var resolution: Resolution?

    package var isOpen: Bool { resolution == nil }

    fileprivate init(_ id: HubEventID, _ event: HubEvent, _ kind: Kind) {
        guard let stream = event.content.fact.stream else {
            preconditionFailure("a conflict of kind \(kind) that is about no stream")
        }
        self.id = id
        self.event = event
        self.kind = kind
        self.stream = stream
    }
}

extension HubFact {
    /// What kind of conflict an event that says so records; nil where it records none.
    package var conflict: Conflict.Kind? {
        switch self {
        case .closed(_, .forked, _), .closed(_, .rolledBack, _): .fork
        case .gapLost: .gapLost
        case .quarantined: .quarantined
        case .restamped: .clockSuspect
        case .reordered: .reordered
        case .closed, .declaredLost, .awaitsApproval, .approved, .released, .resolved, .unknown:
            nil
        }
    }
}

/// The conflicts that a hub's events add up to, and the events in quarantine.
///
/// **Overview.** The hub keeps the record of all; an agent, of what it was told. Both make it from the
/// events, by this.
///
/// **Invariants.** A function of the events in their order, and of nothing else. What an event says of
/// things that are not known here changes nothing.
package struct ConflictFold: Sendable {
    /// Events without effect.
    package struct Quarantined: Hashable, Sendable {
        package let sequences: ClosedRange<UInt64>
        package let cause: HubFact.QuarantineCause
        /// The event that said so.
        package let id: HubEventID
    }

    /// In the order in which they were recorded.
    package private(set) var all: [Conflict] = []
    private var index: [HubEventID: Int] = [:]
    /// By segment, in the order of the events.
    package private(set) var quarantine: [Hash256: [Quarantined]] = [:]
    /// The last conflict of each stream whose clock was suspected.
    private var suspected: [StreamTag: Int] = [:]
    /// The events that repeat one of a former hub, by that.
    private var repeated: [HubEventID: HubEventID] = [:]

    package init() {}

    // MARK: Questions

    /// By the event that recorded it, or by one of a former hub that it repeats.
    package subscript(_ id: HubEventID) -> Conflict? {
        index[repeated[id] ?? id].map { all[$0] }
    }

    package var openCount: Int { all.reduce(0) { $0 + ($1.isOpen ? 1 : 0) } }

    /// Whether it is known that the stream's clock stands wrong, and nobody has settled it.
    package func isClockSuspected(of stream: StreamTag) -> Bool {
        suspected[stream].map { all[$0].isOpen } ?? false
    }

    /// Of a segment, what has no effect, in the order of the events.
    package func quarantined(in segment: Hash256) -> [Quarantined] { quarantine[segment] ?? [] }

    package var quarantinedCount: UInt64 {
        quarantine.values.joined().reduce(0) { $0 + UInt64($1.sequences.count) }
    }

    /// What a conflict of kind quarantined still keeps without effect.
    package func withoutEffect(_ conflict: Conflict) -> [ClosedRange<UInt64>] {
        guard case .quarantined(let span, _) = conflict.event.content.fact else { return [] }
        return quarantined(in: span.segment).filter { $0.id == conflict.id }.map(\.sequences)
    }

    /// The conflicts that an event is in. One that keeps it without effect is among them as long as
    /// it does, any other as long as it is open.
    ///
    /// - Parameter segment: the event's; nil where it is not here, so that no branch can be told.
    /// - Complexity: O(*n*), where *n* is the number of conflicts.
    package func concerning(
        _ sequence: UInt64, of stream: StreamTag, in segment: Hash256?
    ) -> [Conflict] {
        all.filter { conflict in
            guard conflict.stream == stream else { return false }
            switch conflict.event.content.fact {
            case .gapLost(let gap): return conflict.isOpen && gap.sequences.contains(sequence)
            case .quarantined(let span, _):
                return segment.map { $0 == span.segment } ?? true
                    && withoutEffect(conflict).contains { $0.contains(sequence) }
            case .restamped(let span, _), .reordered(let span, _):
                return conflict.isOpen && segment.map { $0 == span.segment } ?? true
                    && span.sequences.contains(sequence)
            default: return false
            }
        }
    }

    // MARK: The fold

    /// The next event.
    package mutating func apply(_ event: HubEvent, _ id: HubEventID) {
        let origin = event.content.origin
        let known = origin.flatMap { index[$0] }
        let isKnown = known.map { all[$0].event.content.fact == event.content.fact } ?? false
        if let origin {
            // What follows may name either.
            if isKnown { index[id] = index[origin] } else { repeated[origin] = id }
        }
        switch event.content.fact {
        case .quarantined(let span, let cause) where !isKnown:
            quarantine[span.segment, default: []].append(
                Quarantined(sequences: span.sequences, cause: cause, id: id))
            record(event, id, .quarantined)
        case .restamped(let span, _) where !isKnown: suspect(span.stream, event, id)
        case .released(let span): release(span, event, id)
        case .resolved(let conflict): resolve(conflict, event, id)
        case let fact:
            if !isKnown, let kind = fact.conflict { record(event, id, kind) }
        }
    }

    private mutating func record(_ event: HubEvent, _ id: HubEventID, _ kind: Conflict.Kind) {
        index[id] = all.count
        all.append(Conflict(id, event, kind))
    }

    /// Segments that one clock stamped are one conflict until somebody has settled it.
    private mutating func suspect(_ stream: StreamTag, _ event: HubEvent, _ id: HubEventID) {
        if isClockSuspected(of: stream), let index = suspected[stream] {
            all[index].repeats += 1
        } else {
            suspected[stream] = all.count
            record(event, id, .clockSuspect)
        }
    }

    private mutating func resolve(
        _ conflict: HubEventID, _ event: HubEvent, _ id: HubEventID
    ) {
        guard let index = index[repeated[conflict] ?? conflict], all[index].isOpen else { return }
        all[index].resolution = Conflict.Resolution(id: id, event: event)
    }

    /// What is left of the ranges; a conflict of which nothing is left is settled.
    private mutating func release(_ span: EventSpan, _ event: HubEvent, _ id: HubEventID) {
        guard let before = quarantine[span.segment] else { return }
        var rest: [Quarantined] = []
        for part in before {
            let left = part.sequences.subtracting(span.sequences)
            rest += left.map { Quarantined(sequences: $0, cause: part.cause, id: part.id) }
            let isSettled = left.isEmpty && !rest.contains { $0.id == part.id }
            if isSettled { resolve(part.id, event, id) }
        }
        quarantine[span.segment] = rest.isEmpty ? nil : rest
    }
}
