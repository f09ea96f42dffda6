import LedgerCore

/// Hub events that concern an agent, in their order. It acknowledges them by what it says it has
/// `seen`.
package struct HubEventsMessage: Hashable, Sendable {
    package static let eventsMax = 32

    /// All of one hub, at least one.
    package var events: [SignedHubEvent]

    /// - Precondition: 1 to `eventsMax` events, of one hub.
    package init(events: [SignedHubEvent]) {
        self.events = events
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            (1...HubEventsMessage.eventsMax).contains(events.count),
            "a message has 1 to \(HubEventsMessage.eventsMax) hub events, not \(events.count)")
        precondition(
            events.allSatisfy { $0.hub == events[0].hub },
            "hub events of several hubs in one message")
    }
}

/// What an agent has kept of a former hub, for the one that follows it: where that had placed the
/// agent's segments, and what it had told.
package struct Returns: Hashable, Sendable {
    /// A run of segments that had consecutive positions.
    package struct Run: Hashable, Sendable {
        package let sequences: ClosedRange<UInt64>
        /// Of its first segment, in the former hub's log.
        package let position: UInt64

        package init(sequences: ClosedRange<UInt64>, position: UInt64) {
            self.sequences = sequences
            self.position = position
        }
    }

    package static let runsMax = 1024
    package static let eventsMax = 32

    /// The agent's stream that the runs are of.
    package var stream: StreamTag
    /// What the former hub's stream began with: its key has signed the events.
    package var former: Genesis
    package var runs: [Run]
    package var events: [SignedHubEvent]

    /// - Precondition: at most `runsMax` runs and `eventsMax` events.
    package init(stream: StreamTag, former: Genesis, runs: [Run], events: [SignedHubEvent]) {
        self.stream = stream
        self.former = former
        self.runs = runs
        self.events = events
        checkLimits()
    }

    private func checkLimits() {
        precondition(runs.count <= Returns.runsMax, "\(runs.count) runs in one message")
        precondition(events.count <= Returns.eventsMax, "\(events.count) hub events in one message")
    }
}

/// Segments of a stream that its agent cannot read from its own disk any more, next to each other.
package struct Unreadable: Hashable, Sendable {
    package var stream: StreamTag
    /// The place in front of them.
    package var behind: ChainPoint
    /// The end of the last of them, by what its database says of it.
    package var end: ChainPoint

    /// - Precondition: the end lies behind the place in front.
    package init(stream: StreamTag, behind: ChainPoint, end: ChainPoint) {
        precondition(
            end.sequence > behind.sequence,
            "no event is behind \(behind.sequence) and up to \(end.sequence)")
        self.stream = stream
        self.behind = behind
        self.end = end
    }

    package var sequences: ClosedRange<UInt64> { behind.sequence + 1...end.sequence }
}

// MARK: Bytes

extension HubEventsMessage: FrameBody {
    package static let kind = Frame.Kind.hubEvents

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(events[0].hub.rawValue)
        writer.varint(UInt64(events.count))
        for event in events { event.encode(into: &writer) }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let hub = try reader.streamTag()
        let count = try reader.length(
            "the number of hub events", limit: HubEventsMessage.eventsMax)
        guard count > 0 else { throw reader.failure(.invalid(what: "a message of no hub event")) }
        events = []
        for _ in 0..<count { events.append(try SignedHubEvent(from: &reader, hub: hub)) }
    }
}

extension Returns: FrameBody {
    package static let kind = Frame.Kind.returns

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(stream.rawValue)
        let genesis = former.encoded()
        writer.varint(UInt64(genesis.count))
        writer.raw(genesis)
        writer.varint(UInt64(runs.count))
        for run in runs {
            writer.sequences(run.sequences)
            writer.fixed(run.position)
        }
        writer.varint(UInt64(events.count))
        if let first = events.first { writer.fixed(first.hub.rawValue) }
        for event in events { event.encode(into: &writer) }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        let length = try reader.length("the former hub's genesis", limit: Genesis.byteCountMax)
        former = try Genesis(decoding: try reader.raw(length))
        runs = []
        for _ in 0..<(try reader.length("the number of runs", limit: Returns.runsMax)) {
            runs.append(Run(sequences: try reader.sequences(), position: try reader.fixed()))
        }
        events = []
        let count = try reader.length("the number of hub events", limit: Returns.eventsMax)
        guard count > 0 else { return }
        let hub = try reader.streamTag()
        for _ in 0..<count { events.append(try SignedHubEvent(from: &reader, hub: hub)) }
    }
}

extension Unreadable: FrameBody {
    package static let kind = Frame.Kind.unreadable

    func encode(into writer: inout ByteWriter) {
        writer.fixed(stream.rawValue)
        behind.encode(into: &writer)
        end.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        behind = try ChainPoint(from: &reader)
        end = try ChainPoint(from: &reader)
        guard end.sequence > behind.sequence else {
            throw reader.failure(.invalid(what: "a range of no event"))
        }
    }
}
