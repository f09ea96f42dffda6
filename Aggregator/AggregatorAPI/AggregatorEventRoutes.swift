import AggregatorCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// `GET /v1/events`: merges, conflicts, decisions and changes of the fleet, as they happen.
///
/// An event's id is the place in the log up to which its reader has heard: the log is read again from
/// there, also after a new start of the aggregator.
package struct AggregatorEventRoutes<Context: RequestContext>: Sendable {
    let source: any AggregatorEventSource
    private let readers: EventStreamReaders

    package init(
        source: any AggregatorEventSource, limits: EventStreamLimits = EventStreamLimits()
    ) {
        self.source = source
        readers = EventStreamReaders(limits: limits)
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/events", AggregatorOperations.events, use: events)
    }

    private func events(_ request: Request, _ context: Context) async throws -> Response {
        let names = ["agent", "account"]
        let start = try LastEventID.value(of: request, known: names) {
            (text) throws(InvalidValue) in try EventPlace(text)
        }
        let query = try QueryParameters(request, known: names + [LastEventID.parameter])
        let filter = EventFilter(
            agent: try query.value("agent") { (text) throws(InvalidValue) in try AgentID(text) },
            account: try query.value("account") { (text) throws(InvalidValue) in
                try AccountAddress(text)
            })
        let changes = source.changes()
        let pages = AggregatorEventPages(
            source: source, filter: filter, start: start,
            eventsMax: readers.limits.pageEventsMax)
        return try readers.response(to: request, changes: changes, pages: pages)
    }
}

/// What one reader of an aggregator's events is told.
struct AggregatorEventPages: EventPages {
    private let source: any AggregatorEventSource
    private let filter: EventFilter
    private let eventsMax: Int
    private let start: EventPlace?
    /// Up to where the reader has heard.
    private var place: EventPlace?
    /// From where the log is read: behind the segments that were told to their ends.
    private var cursor: EventPlace?
    /// The last id that the reader was given.
    private var given: EventPlace?

    /// - Parameter start: where the reader was; nil to begin with what comes from now on.
    init(
        source: any AggregatorEventSource, filter: EventFilter, start: EventPlace?, eventsMax: Int
    ) {
        self.source = source
        self.filter = filter
        self.start = start
        self.eventsMax = eventsMax
    }

    mutating func next(into events: inout EventStreamWriter) async throws -> Bool {
        var place: EventPlace
        if let known = self.place { place = known } else { place = try await begin(&events) }
        tellChanges(&place, &events)
        let page = try await source.outcomes(
            after: cursor ?? place, filter, eventsMax: eventsMax)
        for outcome in page.outcomes {
            place.position = outcome.position
            place.sequence = outcome.id.sequence
            tell(outcome, place, &events)
            given = place
        }
        if let end = page.end {
            place.position = end.position
            place.sequence = end.sequence
            cursor = EventPlace(position: end.position + 1, sequence: 0, change: 0)
        }
        self.place = place
        // Who hears of little must still not have all of the log read again.
        if given != place {
            events.position(place.id)
            given = place
        }
        return page.hasMore
    }

    /// Where the reader goes on; told, where it is not where it was.
    private func begin(_ events: inout EventStreamWriter) async throws -> EventPlace {
        let last = try await source.lastPlace()
        guard var start else { return last }
        if start.position > last.position {
            events.event("reset", id: last.id) { json in
                json.object { json in
                    json.member("reason", "ahead")
                    json.member("position", last.position - 1)
                    json.member("detail", "the log ends before the place that was asked for")
                }
            }
            return last
        }
        let history = source.fleetHistory()
        if start.change > 0, start.change < history.forgottenThrough {
            start.change = history.forgottenThrough
            events.event("fleet", id: start.id) { json in
                json.object { json in
                    json.member("change", "missed")
                    json.member("detail", "changes of the fleet were missed; see GET /v1/agents")
                }
            }
        }
        return start
    }

    private func tellChanges(_ place: inout EventPlace, _ events: inout EventStreamWriter) {
        for entry in source.fleetHistory().entries(after: place.change) {
            place.change = entry.number
            guard filter.admits(entry.change.agent) else { continue }
            events.event("fleet", id: place.id) { json in entry.change.write(to: &json) }
        }
    }

    private func tell(
        _ outcome: LoggedOutcome, _ place: EventPlace, _ events: inout EventStreamWriter
    ) {
        switch outcome.content {
        case .merged(let event):
            events.event("merged", id: place.id) { json in
                json.object { json in
                    outcome.writeMembers(to: &json)
                    json.member("accepted_at", microseconds: event.time.time.microseconds)
                    event.transaction.writeMembers(to: &json)
                }
            }
        case .setAside(let reason):
            events.event("set_aside", id: place.id) { json in
                json.object { json in
                    outcome.writeMembers(to: &json)
                    json.member("reason", reason)
                }
            }
        case .news(let news):
            if news.event.content.decision == nil {
                events.event("conflict", id: place.id) { json in
                    news.write(outcome, to: &json)
                }
            } else {
                events.event("decision", id: place.id) { json in
                    news.write(outcome, to: &json)
                }
            }
        case .recorded: break
        }
    }
}

extension LoggedOutcome {
    fileprivate func writeMembers(to json: inout JSONWriter) {
        json.member("id", id.description)
        json.member("agent", id.agent.description)
        json.member("position", position)
        json.member("merged_at", microseconds: committedAt.microseconds)
    }
}

extension HubNews {
    fileprivate func write(_ outcome: LoggedOutcome, to json: inout JSONWriter) {
        json.object { json in
            json.member("event", outcome.id.description)
            json.member("what", event.content.fact.name)
            json.member("position", outcome.position)
            json.member("at", microseconds: event.time.time.microseconds)
            json.member("agent", ifPresent: agent?.description)
            let stream = event.content.fact.stream ?? conflict?.conflict.stream
            json.member("stream", ifPresent: stream?.description)
            if let decision = event.content.decision {
                json.member("operator", decision.operatorName)
                json.member("reason", decision.reason)
            }
            if let conflict {
                json.name("conflict")
                conflict.write(to: &json)
            }
        }
    }
}

extension FleetChange {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("agent", agent.description)
            switch kind {
            case .online: json.member("change", "online")
            case .offline: json.member("change", "offline")
            case .stopped(let stream, let standing):
                json.member("change", standing.name)
                json.member("stream", stream.description)
            }
            json.member("at", microseconds: at.microseconds)
        }
    }
}
