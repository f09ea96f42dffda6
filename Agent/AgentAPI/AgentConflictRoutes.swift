import AgentCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// `GET /v1/conflicts` and `/v1/conflicts/{id}`: what of this device's streams a person may have to
/// look at. Decisions are the aggregator's.
package struct AgentConflictRoutes<Context: RequestContext>: Sendable {
    let service: any AgentService

    package init(service: any AgentService) {
        self.service = service
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/conflicts", AgentOperations.conflicts, use: conflicts)
        router.get("/v1/conflicts/:id", AgentOperations.conflict, use: conflict)
    }

    private func conflicts(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["kind", "status", "cursor", "limit"])
        let kind = try query.value("kind", Conflict.kind)
        let isOpen = try query.value("status", Conflict.isOpen)
        let before = try query.value("cursor") { (text) throws(InvalidValue) in try EventID(text) }
        let limit = try query.limit()
        let page = try await own().page(
            kind: kind, isOpen: isOpen, before: before, limit: limit)
        guard let page else { throw QueryParameters.badCursor }
        return .page(page.items, next: page.next, of: request) { $1.write(to: &$0) }
    }

    private func conflict(_ request: Request, _ context: Context) async throws -> Response {
        let id = try EventID.conflictParameter(context.parameters.get("id"))
        guard let found = try await own().conflict(id) else {
            throw Problem(
                .notFound,
                "agent \(service.agent) was told of no conflict \(id); GET /v1/conflicts lists those that it was told of"
            )
        }
        var json = JSONWriter()
        found.write(to: &json)
        return .json(json)
    }

    private func own() async throws(Problem) -> OwnConflicts {
        do throws(ServiceFailure) { return try await service.conflicts() } catch {
            throw Problem(error)
        }
    }
}
