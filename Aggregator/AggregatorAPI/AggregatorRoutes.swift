import AggregatorCore
import HTTPSupport
import Hummingbird
import LedgerCore
import TextFormats

/// The aggregator's HTTP API, version 1.
package struct AggregatorRoutes<Context: RequestContext>: Sendable {
    let service: any AggregatorService

    package init(service: any AggregatorService) {
        self.service = service
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/transactions/:id", AggregatorOperations.transaction, use: transaction)
        router.get("/v1/transactions/:id/journey", AggregatorOperations.journey, use: journey)
        router.get("/v1/accounts", AggregatorOperations.accounts, use: accounts)
        router.get("/v1/accounts/:address", AggregatorOperations.account, use: account)
        router.get("/v1/ledger", AggregatorOperations.ledger, use: ledger)
        router.get("/v1/agents", AggregatorOperations.agents, use: agents)
        router.get("/v1/agents/:id", AggregatorOperations.agent, use: agent)
        router.get("/healthz", AggregatorOperations.health, use: health)
        router.get("/readyz", AggregatorOperations.readiness, use: readiness)
    }

    // MARK: Transactions and accounts

    private func transaction(_ request: Request, _ context: Context) async throws -> Response {
        let id = try parameter("id", of: context) { (text) throws(InvalidValue) in try EventID(text)
        }
        let found = try await answered { () async throws(AggregatorFailure) in
            try await service.transaction(id)
        }
        guard let found else {
            let book = try await answered { () async throws(AggregatorFailure) in
                try await service.conflicts()
            }
            if let conflict = book.concerning(id).first {
                throw Problem.notFound(id, because: conflict)
            }
            throw Problem(.notFound, "transaction \(id) is not in the global ledger")
        }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    private func journey(_ request: Request, _ context: Context) async throws -> Response {
        let id = try parameter("id", of: context) { (text) throws(InvalidValue) in try EventID(text)
        }
        let found = try await answered { () async throws(AggregatorFailure) in
            try await service.journey(id)
        }
        guard let found else {
            throw Problem(
                .notFound, "transaction \(id) is not in the global ledger, and was not announced")
        }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    private func accounts(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["prefix", "cursor", "limit"])
        let limit = try query.limit()
        let page = try await answered { () async throws(AggregatorFailure) in
            try await service.accounts(
                prefix: query["prefix"], cursor: query["cursor"], limit: limit)
        }
        guard let page else { throw QueryParameters.badCursor }
        return .page(page.items, next: page.next, of: request) { json, item in item.write(to: &json)
        }
    }

    private func account(_ request: Request, _ context: Context) async throws -> Response {
        let address = try parameter("address", of: context) { (text) throws(InvalidValue) in
            try AccountAddress(text)
        }
        let found = try await answered { () async throws(AggregatorFailure) in
            try await service.account(address)
        }
        guard let found else { throw Problem(.notFound, "account \(address) was never used") }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    // MARK: The whole

    private func ledger(_ request: Request, _ context: Context) async throws -> Response {
        let summary = try await answered { () async throws(AggregatorFailure) in
            try await service.ledger()
        }
        var json = JSONWriter()
        summary.write(to: &json)
        return .json(json)
    }

    /// In the order of their ids; the cursor is the last id of the page before.
    private func agents(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["cursor", "limit"])
        let limit = try query.limit()
        let after = try query.value("cursor") { (text) throws(InvalidValue) in try AgentID(text) }
        let all = try await answered { () async throws(AggregatorFailure) in
            try await service.agents()
        }
        let rest = all.drop { agent in after.map { agent.id <= $0 } ?? false }
        let page = Array(rest.prefix(limit))
        return .page(page, next: rest.count > limit ? page.last?.id.description : nil, of: request)
        { json, agent in
            agent.write(to: &json)
        }
    }

    private func agent(_ request: Request, _ context: Context) async throws -> Response {
        let id = try parameter("id", of: context) { (text) throws(InvalidValue) in try AgentID(text)
        }
        let all = try await answered { () async throws(AggregatorFailure) in
            try await service.agents()
        }
        guard let found = all.first(where: { $0.id == id }) else {
            throw Problem(.notFound, "agent \(id) has never greeted this aggregator")
        }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    // MARK: State

    private func health(_ request: Request, _ context: Context) -> Response {
        .object { $0.member("status", "ok") }
    }

    /// Ready means: can merge and answer. Being without its broker does not make an aggregator
    /// unready; the body says so.
    private func readiness(_ request: Request, _ context: Context) throws -> Response {
        let health = service.state()
        if let reason = health.unreadiness { throw Problem(.unavailable, reason) }
        return .object { json in
            json.member("status", "ready")
            json.member("connected", health.isConnected)
            json.member("broker", health.brokerSentence)
        }
    }

    // MARK: Parameters and failures

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

extension Problem {
    init(_ failure: AggregatorFailure) {
        switch failure {
        case .overloaded:
            self.init(.overloaded, "too many questions wait already", retryAfter: 1)
        case .unavailable(let detail): self.init(.unavailable, detail, retryAfter: 1)
        }
    }
}
