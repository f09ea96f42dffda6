import AgentCore
import HTTPSupport
import Hummingbird
import LedgerCore
import Observability
import TextFormats

/// The agent's HTTP API, version 1.
package struct AgentRoutes<Context: RequestContext>: Sendable {
    /// A JSON body, in bytes: 2 MiB.
    package static var bodyBytesMax: Int { 2 << 20 }

    let service: any AgentService
    let limits: AgentLimits
    let tracer: TributaryTracer?

    /// - Parameter tracer: nil where no spans are recorded.
    package init(
        service: any AgentService, limits: AgentLimits, tracer: TributaryTracer? = nil
    ) {
        self.service = service
        self.limits = limits
        self.tracer = tracer
    }

    package func add(to router: APIRouter<Context>) {
        router.post("/v1/transactions", AgentOperations.record, use: record)
        router.post("/v1/transactions/batch", AgentOperations.recordBatch, use: recordBatch)
        router.get("/v1/transactions", AgentOperations.list, use: list)
        router.get("/v1/transactions/:id", AgentOperations.transaction, use: transaction)
        router.get("/v1/transactions/:id/journey", AgentOperations.journey, use: journey)
        router.get("/v1/accounts", AgentOperations.accounts, use: accounts)
        router.get("/v1/accounts/:address", AgentOperations.account, use: account)
        router.get("/v1/sync", AgentOperations.sync, use: sync)
        router.get("/healthz", AgentOperations.health, use: health)
        router.get("/readyz", AgentOperations.readiness, use: readiness)
    }

    // MARK: Recording

    private func record(_ request: Request, _ context: Context) async throws -> Response {
        try await RequestTrace.of(request, "POST /v1/transactions", tracer) { trace in
            .whole(try await record(request, trace))
        }
    }

    private func record(_ request: Request, _ trace: RequestTrace) async throws -> Response {
        let key = try IdempotencyKeyHeader.key(of: request)
        let received = try await JSONBody.read(request, bytesMax: Self.bodyBytesMax) {
            (json) throws(JSONError) in try ReceivedTransaction(json: &json)
        }
        if received.key != nil {
            let message = "is for batches; send the key as the header Idempotency-Key"
            throw Problem(
                .invalidField, "idempotency_key \(message)",
                errors: [Problem.Part(path: "idempotency_key", message: message)])
        }
        let creation = trace.creation()
        let answers = try await settled { () async throws(ServiceFailure) in
            try await service.record([
                ClientRequest(form: received.form, key: key, trace: creation.context)
            ])
        }
        creation.ended(answers)
        return try response(to: answers[0])
    }

    private func response(to answer: Answer) throws(Problem) -> Response {
        switch answer {
        case .accepted(let transaction):
            var json = JSONWriter()
            transaction.write(to: &json)
            return .json(json, status: .created)
        case .replayed(let transaction):
            var json = JSONWriter()
            transaction.write(to: &json)
            var response = Response.json(json)
            if let name = IdempotencyKeyHeader.replayed { response.headers[name] = "true" }
            return response
        case .mismatched, .invalid:
            guard let problem = answer.problem else {
                preconditionFailure("a refusal has a problem")
            }
            throw problem
        }
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(
            request, known: ["account", "reference", "cursor", "limit"])
        let filter = TransactionFilter(
            account: try query.value("account") { (text) throws(InvalidValue) in
                try AccountAddress(text)
            },
            reference: query["reference"])
        let limit = try query.limit()
        let page = try await settled { () async throws(ServiceFailure) in
            try await service.transactions(filter, cursor: query["cursor"], limit: limit)
        }
        guard let page else { throw QueryParameters.badCursor }
        return .page(page.items, next: page.next, of: request) { json, item in item.write(to: &json)
        }
    }

    private func transaction(_ request: Request, _ context: Context) async throws -> Response {
        let id = try eventID(context)
        let found = try await settled { () async throws(ServiceFailure) in
            try await service.transaction(id)
        }
        guard let found else { throw try await unknown(id) }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    private func journey(_ request: Request, _ context: Context) async throws -> Response {
        let id = try eventID(context)
        let found = try await settled { () async throws(ServiceFailure) in
            try await service.journey(id)
        }
        guard let found else { throw try await unknown(id) }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    private func unknown(_ id: EventID) async throws(Problem) -> Problem {
        if service.wasPruned(id) {
            return Problem(
                .notFound,
                "transaction \(id) was merged, and was pruned here when it was older than the "
                    + "retention: ask the aggregator for it, GET /v1/transactions/\(id) there")
        }
        let conflicts = try await settled { () async throws(ServiceFailure) in
            try await service.conflicts()
        }
        if id.agent == service.agent,
            let conflict = conflicts.concerning(id.place, in: nil).first
        {
            return .notFound(id, because: conflict)
        }
        return Problem(.notFound, "agent \(service.agent) has no transaction \(id)")
    }

    private func eventID(_ context: Context) throws(Problem) -> EventID {
        let text = context.parameters.get("id") ?? ""
        do throws(InvalidValue) { return try EventID(text) } catch {
            throw Problem(
                .invalidField, error.description,
                errors: [Problem.Part(path: "id", message: error.description)])
        }
    }

    private func accounts(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["cursor", "limit"])
        let limit = try query.limit()
        let page = try await settled { () async throws(ServiceFailure) in
            try await service.accounts(cursor: query["cursor"], limit: limit)
        }
        guard let page else { throw QueryParameters.badCursor }
        return .page(page.items, next: page.next, of: request) { json, item in item.write(to: &json)
        }
    }

    private func account(_ request: Request, _ context: Context) async throws -> Response {
        let address = try AccountAddress.parameter(context.parameters.get("address"))
        let found = try await settled { () async throws(ServiceFailure) in
            try await service.account(address)
        }
        guard let found else { throw try await unknown(address) }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    /// It was asked for, so that a later request may find it.
    private func unknown(_ address: AccountAddress) async throws(Problem) -> Problem {
        let status = try await settled { () async throws(ServiceFailure) in
            try await service.syncStatus()
        }
        let isAsked = status.isConnected && status.phase == .streaming
        let prospect =
            isAsked
            ? "the aggregator is asked for it: ask again in a moment"
            : "the aggregator will be asked for it when this device is connected"
        var problem = Problem(
            .notFound, "account \(address) was never used on this device; \(prospect)",
            retryAfter: isAsked ? 1 : nil)
        problem.isRetryable = isAsked
        return problem
    }

    // MARK: State

    private func sync(_ request: Request, _ context: Context) async throws -> Response {
        let status = try await settled { () async throws(ServiceFailure) in
            try await service.syncStatus()
        }
        var json = JSONWriter()
        status.write(to: &json)
        return .json(json)
    }

    private func health(_ request: Request, _ context: Context) -> Response {
        .object { $0.member("status", "ok") }
    }

    /// Ready means: can durably accept. Being offline does not make an agent unready; the body says
    /// so all the same.
    private func readiness(_ request: Request, _ context: Context) async throws -> Response {
        if let reason = service.unreadiness() { throw Problem(.unavailable, reason) }
        let status = try await settled { () async throws(ServiceFailure) in
            try await service.syncStatus()
        }
        return .object { json in
            json.member("status", "ready")
            json.member("connected", status.isConnected)
            json.member("reason", ifPresent: status.reason)
        }
    }

    func settled<Value>(_ body: () async throws(ServiceFailure) -> Value)
        async throws(Problem) -> Value
    {
        do throws(ServiceFailure) { return try await body() } catch { throw Problem(error) }
    }
}

extension AccountAddress {
    fileprivate static func parameter(_ text: String?) throws(Problem) -> AccountAddress {
        do throws(InvalidValue) { return try AccountAddress(text ?? "") } catch {
            throw Problem(
                .invalidField, error.description,
                errors: [Problem.Part(path: "address", message: error.description)])
        }
    }
}
