import AggregatorCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// `GET /v1/ledger/completeness` and `GET /v1/gaps`: up to when the ledger has everything, and what
/// streams have and it has not. Neither waits for the audit.
package struct CoverageRoutes<Context: RequestContext>: Sendable {
    let service: any AggregatorService

    package init(service: any AggregatorService) {
        self.service = service
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/ledger/completeness", AggregatorOperations.completeness, use: completeness)
        router.get("/v1/gaps", AggregatorOperations.gaps, use: gaps)
    }

    private func completeness(_ request: Request, _ context: Context) async throws -> Response {
        let found = try await answered { () async throws(AggregatorFailure) in
            try await service.completeness()
        }
        return .object { found.writeMembers(to: &$0) }
    }

    /// In the order of agents, streams and numbers.
    private func gaps(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["agent", "cursor", "limit"])
        let limit = try query.limit()
        let wanted = try query.value("agent") { (text) throws(InvalidValue) in try AgentID(text) }
        let after = try query.value("cursor") { (text) throws(InvalidValue) in try EventID(text) }
        let agents = try await answered { () async throws(AggregatorFailure) in
            try await service.agents()
        }
        let all = agents.filter { wanted == nil || $0.id == wanted }.flatMap(\.gaps)
        let rest = all.drop { gap in after.map { !gap.isBehind($0) } ?? false }
        let page = Array(rest.prefix(limit))
        let next = rest.count > limit ? page.last?.firstID.description : nil
        return .page(page, next: next, of: request) { json, gap in gap.write(to: &json) }
    }

    private func answered<Value>(_ body: () async throws(AggregatorFailure) -> Value)
        async throws(Problem) -> Value
    {
        do throws(AggregatorFailure) { return try await body() } catch { throw Problem(error) }
    }
}

/// A missing range with the stream that it is missing of.
private struct Gap {
    let agent: AgentID
    let isOnline: Bool
    let stream: AgentView.StreamView
    let range: MissingRange

    var firstID: EventID { EventID(agent: agent, stream: stream.tag, sequence: range.first) }

    func isBehind(_ id: EventID) -> Bool {
        (agent, stream.tag, range.first) > (id.agent, id.stream, id.sequence)
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("agent", agent.description)
            json.member("stream", stream.tag.description)
            json.member("first", range.first)
            json.member("last", range.last)
            json.member("count", range.count)
            json.member("since", microseconds: range.since.microseconds)
            json.member("online", isOnline)
            json.member("standing", stream.standing.name)
            json.member("merged", stream.merged)
            switch range.evidence {
            case .successor(let first, let hash):
                json.member("evidence", "successor")
                json.member("successor_first", first)
                json.member("successor_names", hash.description)
            case .announced(let head):
                json.member("evidence", "announced")
                json.member("announced", head)
            case .pruned(let oldestRetained):
                json.member("evidence", "pruned")
                json.member("oldest_retained", oldestRetained)
            case .unreadable: json.member("evidence", "unreadable")
            }
        }
    }
}

extension AgentView {
    fileprivate var gaps: [Gap] {
        streams.flatMap { stream in
            stream.missing.map { range in
                Gap(agent: id, isOnline: isOnline, stream: stream, range: range)
            }
        }
    }
}
