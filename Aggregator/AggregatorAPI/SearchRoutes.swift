import AggregatorCore
import HTTPSupport
import HTTPTypes
import Hummingbird
import LedgerCore
import NIOCore
import TextFormats

/// The aggregator's searches: what is read from the rows behind the log.
package struct SearchRoutes<Context: RequestContext>: Sendable {
    let search: any SearchService
    let service: any AggregatorService

    package init(search: any SearchService, service: any AggregatorService) {
        self.search = search
        self.service = service
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/v1/transactions", AggregatorOperations.search, use: transactions)
        router.get("/v1/accounts/:address/entries", AggregatorOperations.entries, use: entries)
    }

    // MARK: Transactions

    private func transactions(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(
            request,
            known: [
                "account", "agent", "reference", "kind", "status", "from", "to", "cursor", "limit",
            ])
        let filter = try SearchRoutes.filter(query)
        let place = try query.place()
        guard request.wantsLines else {
            let page = try await search.page(filter, before: place, limit: try query.limit())
            return SearchRoutes.answer(page, of: request) { json, item in item.write(to: &json) }
        }
        return try await export(filter, before: place, limit: try query.limitOfAll())
    }

    private static func filter(_ query: QueryParameters) throws(Problem) -> TransactionFilter {
        var filter = TransactionFilter()
        filter.account = try query.value("account") { (text) throws(InvalidValue) in
            try AccountAddress(text)
        }
        filter.agent = try query.value("agent") { (text) throws(InvalidValue) in try AgentID(text) }
        filter.reference = query["reference"]
        filter.kind = try query.value("kind") { (text) throws(InvalidValue) in
            guard text == TransactionKind.transfer.name else {
                throw InvalidValue(
                    "must be \(TransactionKind.transfer.name), not \(text.quotedForMessage)")
            }
            return .transfer
        }
        filter.status = try query.value("status") { (text) throws(InvalidValue) in
            guard let status = MergedStatus(rawValue: text) else {
                let known = MergedStatus.allCases.map(\.rawValue).joined(separator: " or ")
                throw InvalidValue("must be \(known), not \(text.quotedForMessage)")
            }
            return status
        }
        filter.from = try query.time("from")
        filter.to = try query.time("to")
        return filter
    }

    private static func answer<Item>(
        _ page: SearchPage<Item>, of request: Request,
        _ write: (inout JSONWriter, Item) -> Void
    ) -> Response {
        .page(
            page.items, next: page.next?.cursor, of: request, write,
            members: { $0.member("indexed_through", page.indexedThrough) })
    }

    // MARK: Statements

    private func entries(_ request: Request, _ context: Context) async throws -> Response {
        let query = try QueryParameters(request, known: ["from", "to", "cursor", "limit"])
        let text = context.parameters.get("address") ?? ""
        let address: AccountAddress
        do throws(InvalidValue) { address = try AccountAddress(text) } catch {
            throw Problem(
                .invalidField, error.description,
                errors: [Problem.Part(path: "address", message: error.description)])
        }
        var filter = TransactionFilter()
        filter.from = try query.time("from")
        filter.to = try query.time("to")
        let (place, limit) = (try query.place(), try query.limit())
        let page = try await statement(of: address, filter, place, limit)
        guard let page else { throw Problem(.notFound, "account \(address) was never used") }
        return SearchRoutes.answer(page, of: request) { json, entry in entry.write(to: &json) }
    }
}

extension SearchRoutes {
    /// - Returns: nil for an account that was never used.
    private func statement(
        of account: AccountAddress, _ filter: TransactionFilter, _ place: SearchPlace?, _ limit: Int
    ) async throws(Problem) -> SearchPage<StatementEntry>? {
        do throws(AggregatorFailure) {
            let page = try await search.entries(of: account, filter, before: place, limit: limit)
            // The rows may not have come to an account that the ledger has.
            guard page.items.isEmpty else { return page }
            return try await service.account(account) == nil ? nil : page
        } catch {
            throw Problem(error)
        }
    }
}

// MARK: Export

/// Transactions read at a time: what an export holds in memory.
private let exportPageSize = 1_000

extension SearchRoutes {
    /// A line a transaction, for as long as there are any and the client takes them: the next page is
    /// read when the one before is written.
    private func export(
        _ filter: TransactionFilter, before place: SearchPlace?, limit: Int
    ) async throws -> Response {
        // What can be refused is refused before the first byte.
        let first = try await search.page(
            filter, before: place, limit: min(limit, exportPageSize))
        let body = ResponseBody { [search] writer in
            var page = first
            var rest = limit
            while true {
                rest -= page.items.count
                try await writer.write(lines(page.items))
                guard let next = page.next, rest > 0 else { break }
                page = try await search.page(
                    filter, before: next, limit: min(rest, exportPageSize))
            }
            try await writer.finish(nil)
        }
        var response = Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
        if let indexedThrough { response.headers[indexedThrough] = String(first.indexedThrough) }
        return response
    }
}

/// How far the rows were when the export began. A constant of ours, and valid.
private let indexedThrough = HTTPField.Name("Indexed-Through")

private func lines(_ items: [MergedTransaction]) -> ByteBuffer {
    var json = JSONWriter(capacity: items.count * 512)
    for item in items {
        item.write(to: &json)
        json.newline()
    }
    var buffer = ByteBufferAllocator().buffer(capacity: json.count)
    json.withBytes { _ = buffer.writeBytes($0) }
    return buffer
}

extension SearchService {
    fileprivate func page(
        _ filter: TransactionFilter, before place: SearchPlace?, limit: Int
    ) async throws(Problem) -> SearchPage<MergedTransaction> {
        do throws(AggregatorFailure) {
            return try await transactions(filter, before: place, limit: limit)
        } catch {
            throw Problem(error)
        }
    }
}

// MARK: The request

extension Request {
    /// Whether lines are asked for, and not a page.
    fileprivate var wantsLines: Bool {
        headers[values: .accept].contains { $0.contains("application/x-ndjson") }
    }
}

extension QueryParameters {
    fileprivate func time(_ name: String) throws(Problem) -> Timestamp? {
        try value(name) { (text) throws(InvalidValue) in
            guard let time = RFC3339.microseconds(text) else {
                throw InvalidValue(
                    "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, not \(text.quotedForMessage)"
                )
            }
            return Timestamp(microseconds: time)
        }
    }

    fileprivate func place() throws(Problem) -> SearchPlace? {
        guard let cursor = self["cursor"] else { return nil }
        guard let place = SearchPlace(cursor: cursor) else { throw QueryParameters.badCursor }
        return place
    }

    /// How many lines; all where nothing is said.
    fileprivate func limitOfAll() throws(Problem) -> Int {
        guard let text = self["limit"] else { return .max }
        guard let limit = Int(text), limit > 0 else {
            throw Problem.invalid("limit", "is 1 or more, not \(text.quotedForMessage)")
        }
        return limit
    }
}

extension StatementEntry {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("transaction", id.description)
            json.member("posting", posting)
            json.member("accepted_at", microseconds: acceptedAt.microseconds)
            json.member("merged_at", microseconds: mergedAt.microseconds)
            json.member("asset", asset.description)
            json.member("change", change)
            json.member("balance", balance)
            json.member("counterparty", counterparty.description)
            json.member("reference", ifPresent: reference)
        }
    }
}
