import LedgerCore
import SyncProtocol

/// How far a reader of the aggregator's events has heard.
package struct EventPlace: Hashable, Sendable {
    /// Of a segment in the log: all before it was told.
    package var position: Int64
    /// Within that segment, the last event that was told; 0 for none.
    package var sequence: UInt64
    /// The number of the last change of the fleet that was told.
    package var change: Int64

    package init(position: Int64, sequence: UInt64, change: Int64) {
        self.position = position
        self.sequence = sequence
        self.change = change
    }

    /// - Throws: `InvalidValue`, to be read after the name of what holds it.
    package init(_ text: String) throws(InvalidValue) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let position = Int64(parts[0]), position > 0,
            let sequence = UInt64(parts[1]), let change = Int64(parts[2]), change >= 0
        else {
            throw InvalidValue(
                "is not one that this aggregator gave out, such as 88412-1051-0, "
                    + "but \(text.quotedForMessage)")
        }
        self.init(position: position, sequence: sequence, change: change)
    }

    package var id: String { "\(position)-\(sequence)-\(change)" }
}

/// Of which merges, and changes of the fleet, a reader wants to hear.
package struct EventFilter: Hashable, Sendable {
    package var agent: AgentID?
    package var account: AccountAddress?

    package init(agent: AgentID? = nil, account: AccountAddress? = nil) {
        self.agent = agent
        self.account = account
    }

    package func admits(_ agent: AgentID) -> Bool {
        self.agent == nil || self.agent == agent
    }

    package func admits(_ transaction: Transaction) -> Bool {
        guard let account else { return true }
        return transaction.postings.contains { $0.source == account || $0.destination == account }
    }
}

/// An event of the log as the ledger took it.
package struct LoggedOutcome: Sendable {
    package enum Content: Sendable {
        case merged(Event)
        /// Without effect: it makes no event, or one that this version does not know.
        case setAside(reason: String)
        /// An event of the hub.
        case recorded(HubEvent)
        /// The same, with what it is to people.
        case news(HubNews)
    }

    package let id: EventID
    /// Of its segment in the log.
    package let position: Int64
    package let committedAt: Timestamp
    package var content: Content

    package init(id: EventID, position: Int64, committedAt: Timestamp, content: Content) {
        self.id = id
        self.position = position
        self.committedAt = committedAt
        self.content = content
    }
}

/// What an event of the hub is to the readers of events.
package struct HubNews: Sendable {
    package let event: HubEvent
    /// Whose stream it is about, where that is known.
    package let agent: AgentID?
    /// The conflict that it recorded, or settled; nil for none.
    package let conflict: ConflictView?

    package init(event: HubEvent, agent: AgentID?, conflict: ConflictView?) {
        self.event = event
        self.agent = agent
        self.conflict = conflict
    }
}

/// A part of the log as a reader sees it.
package struct OutcomePage: Sendable {
    /// The last segment that was read, and the last event of it.
    package struct End: Hashable, Sendable {
        package let position: Int64
        package let sequence: UInt64

        package init(position: Int64, sequence: UInt64) {
            self.position = position
            self.sequence = sequence
        }
    }

    package var outcomes: [LoggedOutcome]
    /// Nil where the log has nothing more.
    package let end: End?
    package let hasMore: Bool

    package init(outcomes: [LoggedOutcome], end: End?, hasMore: Bool) {
        self.outcomes = outcomes
        self.end = end
        self.hasMore = hasMore
    }
}

/// An agent came, went, or was stopped.
package struct FleetChange: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case online
        case offline
        /// Its stream may not go on.
        case stopped(StreamTag, Standing)
    }

    package let agent: AgentID
    package let kind: Kind
    package let at: Timestamp

    package init(agent: AgentID, kind: Kind, at: Timestamp) {
        self.agent = agent
        self.kind = kind
        self.at = at
    }
}

/// The latest changes of the fleet, each with a number by which a reader goes on.
///
/// Numbers are microseconds since 1970, so that they grow from one start of the aggregator to the
/// next; what was before the start, or is too long ago, is known to be forgotten.
package struct FleetHistory: Sendable {
    package struct Entry: Hashable, Sendable {
        package let number: Int64
        package let change: FleetChange
    }

    private var entries: [Entry] = []
    /// Changes up to this number are not kept.
    package private(set) var forgottenThrough: Int64
    package private(set) var last: Int64
    private let countMax: Int

    package init(startedAt: Timestamp, countMax: Int) {
        precondition(countMax > 0, "a history keeps at least one change")
        forgottenThrough = startedAt.microseconds
        last = startedAt.microseconds
        self.countMax = countMax
    }

    package mutating func append(_ change: FleetChange) {
        last = max(last + 1, change.at.microseconds)
        entries.append(Entry(number: last, change: change))
        guard entries.count > 2 * countMax else { return }
        let dropped = entries.count - countMax
        forgottenThrough = entries[dropped - 1].number
        entries.removeFirst(dropped)
    }

    package func entries(after number: Int64) -> ArraySlice<Entry> {
        var index = entries.endIndex
        while index > entries.startIndex, entries[index - 1].number > number { index -= 1 }
        return entries[index...]
    }
}

/// What the event stream of the aggregator's HTTP API needs of the aggregator.
package protocol AggregatorEventSource: Sendable {
    /// The place behind all that is durable now.
    func lastPlace() async throws(AggregatorFailure) -> EventPlace
    /// The events of the log behind a place that a filter admits, in the order of the log; a part of
    /// it at a time.
    func outcomes(
        after place: EventPlace, _ filter: EventFilter, eventsMax: Int
    ) async throws(AggregatorFailure) -> OutcomePage
    func fleetHistory() -> FleetHistory
    /// Says that the log or the fleet may have changed since the call.
    func changes() -> AsyncStream<Void>
}
