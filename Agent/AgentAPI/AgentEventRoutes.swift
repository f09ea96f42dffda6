import AgentCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// `GET /v1/events`: what became of this device's transactions, as it becomes known.
///
/// An event's id is the stream and the last event of it that its reader has heard of: it means the
/// same after a new start of the agent.
package struct AgentEventRoutes<Context: RequestContext>: Sendable {
    let source: any AgentEventSource
    private let readers: EventStreamReaders

    package init(source: any AgentEventSource, limits: EventStreamLimits = EventStreamLimits()) {
        self.source = source
        readers = EventStreamReaders(limits: limits)
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/events", AgentOperations.events, use: events)
    }

    private func events(_ request: Request, _ context: Context) async throws -> Response {
        let start = try LastEventID.value(of: request) { (text) throws(InvalidValue) in
            guard let place = EventPlace(text) else {
                throw InvalidValue(
                    "is not one that this agent gave out, such as k3f9qa2m-1051, "
                        + "but \(text.quotedForMessage)")
            }
            return place
        }
        let changes = source.changes()
        let pages = AgentEventPages(
            source: source, start: start, eventsMax: readers.limits.pageEventsMax)
        return try readers.response(to: request, changes: changes, pages: pages)
    }
}

/// What one reader of an agent's events is told.
struct AgentEventPages: EventPages {
    private let source: any AgentEventSource
    private let eventsMax: Int
    private let start: EventPlace?
    private var after: EventPlace?
    private var link: LinkState?

    /// - Parameter start: where the reader was; nil to begin with what comes from now on.
    init(source: any AgentEventSource, start: EventPlace?, eventsMax: Int) {
        self.source = source
        self.start = start
        self.eventsMax = eventsMax
    }

    mutating func next(into events: inout EventStreamWriter) async throws -> Bool {
        let after: EventPlace
        if let known = self.after { after = known } else { after = try await begin(&events) }
        self.after = after
        tellLink(after, &events)
        let page = try await source.outcomes(after: after, eventsMax: eventsMax)
        if let missing = page.missing {
            let place = EventPlace(stream: after.stream, sequence: missing.upperBound)
            events.event("truncated", id: place.description) { json in
                json.object { json in
                    json.member("missing_first", missing.lowerBound)
                    json.member("missing_through", missing.upperBound)
                    json.member("detail", "what became of these is no longer kept here")
                }
            }
        }
        for run in page.runs { tell(run, &events) }
        if let last = page.runs.last {
            self.after = EventPlace(stream: last.stream, sequence: last.through)
        }
        return page.hasMore
    }

    /// Where the reader goes on; told, where it is not where it was.
    private func begin(_ events: inout EventStreamWriter) async throws -> EventPlace {
        guard let start else { return try await source.lastOutcome() }
        let last = try await source.lastOutcome(of: start.stream)
        if let last, start.sequence <= last { return start }
        let after = EventPlace(
            stream: last == nil ? source.stream : start.stream, sequence: last ?? 0)
        events.event("reset", id: after.description) { json in
            json.object { json in
                json.member("reason", last == nil ? "other_stream" : "ahead")
                json.member("stream", after.stream.description)
                json.member("after", after.sequence)
            }
        }
        return after
    }

    private mutating func tellLink(_ after: EventPlace, _ events: inout EventStreamWriter) {
        let link = source.link()
        guard link != self.link else { return }
        self.link = link
        events.event("connection", id: after.description) { json in
            json.object { json in
                json.member("connected", link.isConnected)
                json.member("session", link.phase.name)
                json.member("offline_since", link.offlineSince)
            }
        }
    }

    private func tell(_ run: MergedRun, _ events: inout EventStreamWriter) {
        for sequence in run.first...run.through {
            let place = EventPlace(stream: run.stream, sequence: sequence)
            events.event("merged", id: place.description) { json in
                json.object { json in
                    json.member("id", place.id(source.agent).description)
                    json.member("status", "merged")
                    json.member("committed_at", microseconds: run.committedAt.microseconds)
                    json.member("acknowledged_at", microseconds: run.acknowledgedAt.microseconds)
                }
            }
        }
    }
}
