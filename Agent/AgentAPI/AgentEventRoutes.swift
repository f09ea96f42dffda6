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
            try OutcomePlace(text)
        }
        let changes = source.changes()
        let pages = AgentEventPages(
            source: source, start: start, eventsMax: readers.limits.pageEventsMax)
        return try readers.response(to: request, changes: changes, pages: pages)
    }
}

/// How far a reader has heard: `k3f9qa2m-1051`.
struct OutcomePlace: Hashable, Sendable {
    let stream: StreamTag
    let sequence: UInt64

    init(stream: StreamTag, sequence: UInt64) {
        self.stream = stream
        self.sequence = sequence
    }

    init(_ text: String) throws(InvalidValue) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let stream = try? StreamTag(parts[0]),
            let sequence = UInt64(parts[1]), sequence <= Int64.max
        else {
            throw InvalidValue(
                "is not one that this agent gave out, such as k3f9qa2m-1051, "
                    + "but \(text.quotedForMessage)")
        }
        self.init(stream: stream, sequence: sequence)
    }

    var id: String { "\(stream)-\(sequence)" }
}

/// What one reader of an agent's events is told.
struct AgentEventPages: EventPages {
    private let source: any AgentEventSource
    private let eventsMax: Int
    private let start: OutcomePlace?
    private var after: UInt64?
    private var link: LinkState?

    /// - Parameter start: where the reader was; nil to begin with what comes from now on.
    init(source: any AgentEventSource, start: OutcomePlace?, eventsMax: Int) {
        self.source = source
        self.start = start
        self.eventsMax = eventsMax
    }

    private func id(_ sequence: UInt64) -> String {
        OutcomePlace(stream: source.stream, sequence: sequence).id
    }

    mutating func next(into events: inout EventStreamWriter) async throws -> Bool {
        let after: UInt64
        if let known = self.after { after = known } else { after = try await begin(&events) }
        self.after = after
        tellLink(after, &events)
        let page = try await source.outcomes(after: after, eventsMax: eventsMax)
        if let first = page.runs.first?.first, first > after + 1 {
            events.event("truncated", id: id(first - 1)) { json in
                json.object { json in
                    json.member("missing_first", after + 1)
                    json.member("missing_through", first - 1)
                    json.member("detail", "what became of these is no longer kept here")
                }
            }
        }
        for run in page.runs { tell(run, &events) }
        self.after = page.runs.last?.through ?? after
        return page.hasMore
    }

    /// Where the reader goes on; told, where it is not where it was.
    private func begin(_ events: inout EventStreamWriter) async throws -> UInt64 {
        let last = try await source.lastOutcome()
        guard let start else { return last }
        if start.stream == source.stream, start.sequence <= last { return start.sequence }
        let isOther = start.stream != source.stream
        let after = isOther ? 0 : last
        events.event("reset", id: id(after)) { json in
            json.object { json in
                json.member("reason", isOther ? "other_stream" : "ahead")
                json.member("stream", source.stream.description)
                json.member("after", after)
            }
        }
        return after
    }

    private mutating func tellLink(_ after: UInt64, _ events: inout EventStreamWriter) {
        let link = source.link()
        guard link != self.link else { return }
        self.link = link
        events.event("connection", id: id(after)) { json in
            json.object { json in
                json.member("connected", link.isConnected)
                json.member("session", link.phase.name)
                json.member("offline_since", link.offlineSince)
            }
        }
    }

    private func tell(_ run: MergedRun, _ events: inout EventStreamWriter) {
        for sequence in run.first...run.through {
            events.event("merged", id: id(sequence)) { json in
                json.object { json in
                    let id = EventID(agent: source.agent, stream: source.stream, sequence: sequence)
                    json.member("id", id.description)
                    json.member("status", "merged")
                    json.member("committed_at", microseconds: run.committedAt.microseconds)
                    json.member("acknowledged_at", microseconds: run.acknowledgedAt.microseconds)
                }
            }
        }
    }
}
