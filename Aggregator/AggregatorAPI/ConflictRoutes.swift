import AggregatorCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// Conflicts, quarantine, and what an operator decides.
///
/// A decision is an event of the hub, with the operator's name and reason. The answer comes when it is
/// durable.
package struct ConflictRoutes<Context: RequestContext>: Sendable {
    let service: any ConflictService

    package init(service: any ConflictService) {
        self.service = service
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/conflicts", AggregatorOperations.conflicts, use: conflicts)
        router.get("/v1/conflicts/:id", AggregatorOperations.conflict, use: conflict)
        router.post("/v1/conflicts/:id/resolve", AggregatorOperations.resolve, use: resolve)
        router.get("/v1/quarantine", AggregatorOperations.quarantine, use: quarantine)
        router.post("/v1/quarantine/:id/release", AggregatorOperations.release, use: release)
        router.post("/v1/agents/:id/approve", AggregatorOperations.approve) { request, context in
            try await decide(.approve, request, context)
        }
        router.post("/v1/agents/:id/close-stream", AggregatorOperations.closeStream) {
            request, context in
            try await decide(.closeStream, request, context)
        }
        router.post("/v1/agents/:id/declare-lost", AggregatorOperations.declareLost) {
            request, context in
            try await decide(.declareLost, request, context)
        }
    }

    // MARK: Reading

    private func conflicts(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(
            request, known: ["agent", "kind", "status", "cursor", "limit"])
        let filter = ConflictBook.Filter(
            agent: try query.value("agent") { (text) throws(InvalidValue) in try AgentID(text) },
            kind: try query.value("kind", Conflict.kind),
            isOpen: try query.value("status", Conflict.isOpen))
        return try await page(filter, query, request)
    }

    private func quarantine(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["agent", "cursor", "limit"])
        let filter = ConflictBook.Filter(
            agent: try query.value("agent") { (text) throws(InvalidValue) in try AgentID(text) },
            kind: .quarantined, isQuarantine: true)
        return try await page(filter, query, request)
    }

    private func page(
        _ filter: ConflictBook.Filter, _ query: QueryParameters, _ request: Request
    ) async throws -> Response {
        let limit = try query.limit()
        let before = try query.value("cursor") { (text) throws(InvalidValue) in try EventID(text) }
        guard let page = try await book().page(filter, before: before, limit: limit) else {
            throw QueryParameters.badCursor
        }
        return .page(page.items, next: page.next, of: request) { $1.write(to: &$0) }
    }

    private func conflict(_ request: Request, _ context: Context) async throws -> Response {
        let id = try conflictID(context)
        guard let found = try await book().conflict(id) else { throw unknown(id) }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    // MARK: Deciding of a conflict

    private func resolve(_ request: Request, _ context: Context) async throws -> Response {
        try await settle(request, context) { .resolve($0) }
    }

    private func release(_ request: Request, _ context: Context) async throws -> Response {
        try await settle(request, context) { .release($0) }
    }

    private func settle(
        _ request: Request, _ context: Context, _ decision: (HubEventID) -> OperatorDecision
    ) async throws -> Response {
        let id = try conflictID(context)
        let body = try await DecisionBody.read(request, namesStream: false)
        guard let known = try await book().conflict(id) else { throw unknown(id) }
        let result = try await answered { () async throws(AggregatorFailure) in
            try await service.decide(decision(known.conflict.id), by: body.decision)
        }
        let now = try await book().conflict(id) ?? known
        let event = try result.get(or: { failure in Problem(failure, of: now) })
        return .object { json in
            json.member("event", event.description)
            json.name("conflict")
            now.write(to: &json)
        }
    }

    private func unknown(_ id: EventID) -> Problem {
        Problem(
            .notFound, "there is no conflict \(id) in this ledger; GET /v1/conflicts lists them")
    }

    // MARK: Deciding of a stream

    private func decide(
        _ decision: StreamDecision, _ request: Request, _ context: Context
    ) async throws -> Response {
        let id = try parameter("id", of: context) { (text) throws(InvalidValue) in
            try AgentID(text)
        }
        let body = try await DecisionBody.read(request, namesStream: true)
        let stream = try decision.stream(of: try await agent(id), named: body.stream)
        let result = try await answered { () async throws(AggregatorFailure) in
            try await service.decide(decision.decision(stream), by: body.decision)
        }
        let event = try result.get(or: { failure in decision.problem(failure, stream) })
        let now = try await agent(id)
        return .object { json in
            json.member("event", event.description)
            json.member("stream", stream.description)
            json.name("agent")
            now.write(to: &json)
        }
    }

    private func agent(_ id: AgentID) async throws -> AgentView {
        let all = try await answered { () async throws(AggregatorFailure) in
            try await service.agents()
        }
        guard let found = all.first(where: { $0.id == id }) else {
            throw Problem(.notFound, "agent \(id) has never greeted this aggregator")
        }
        return found
    }

    // MARK: Parameters and failures

    private func book() async throws(Problem) -> ConflictBook {
        try await answered { () async throws(AggregatorFailure) in try await service.conflicts() }
    }

    private func conflictID(_ context: Context) throws(Problem) -> EventID {
        try EventID.conflictParameter(context.parameters.get("id"))
    }

    private func parameter<Value>(
        _ name: String, of context: Context, _ make: (String) throws(InvalidValue) -> Value
    ) throws(Problem) -> Value {
        do throws(InvalidValue) { return try make(context.parameters.get(name) ?? "") } catch {
            throw Problem(
                .invalidField, error.description,
                errors: [Problem.Part(path: name, message: error.description)])
        }
    }

    private func answered<Value>(_ body: () async throws(AggregatorFailure) -> Value)
        async throws(Problem) -> Value
    {
        do throws(AggregatorFailure) { return try await body() } catch { throw Problem(error) }
    }
}

extension Result {
    fileprivate func get(or problem: (Failure) -> Problem) throws(Problem) -> Success {
        switch self {
        case .success(let value): return value
        case .failure(let failure): throw problem(failure)
        }
    }
}

extension Problem {
    /// Why a conflict was not settled.
    fileprivate init(_ failure: DecisionFailure, of view: ConflictView) {
        switch failure {
        case .unknownConflict, .unknownStream:
            self.init(
                .notFound,
                "conflict \(view.id) is of kind \(view.conflict.kind.rawValue): only one of kind quarantined is in quarantine"
            )
        case .alreadyResolved:
            let resolution = view.conflict.resolution
            let by = resolution?.event.content.decision?.operatorName
            self.init(
                .alreadyDecided,
                "conflict \(view.id) was settled before" + (by.map { ", by \($0)" } ?? ""),
                members: Problem.members(of: view))
        case .cannotRelease:
            self.init(
                .cannotRelease,
                "the events of conflict \(view.id) can still not be read by this version; nothing was changed"
            )
        case .standing(let standing):
            self.init(.wrongStanding, "stream \(view.conflict.stream) is \(standing.name)")
        case .notWritten: self = .notWritten
        }
    }

    /// The decision that stands.
    private static func members(of view: ConflictView) -> [Member] {
        guard let resolution = view.conflict.resolution, let id = view.resolutionID else {
            return []
        }
        let decision = resolution.event.content.decision
        return [
            Member("event", .text(id.description)),
            Member("decided_at", .time(microseconds: resolution.event.time.time.microseconds)),
        ]
            + (decision.map {
                [
                    Member("operator", .text($0.operatorName)), Member("reason", .text($0.reason)),
                ]
            } ?? [])
    }

    static var notWritten: Problem {
        Problem(
            .unavailable,
            "the decision could not be written: the store failed, or is being read again",
            retryAfter: 1)
    }
}
