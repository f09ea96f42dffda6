import Foundation
import Workload

/// An answer of a daemon that is not what its interface promises.
package struct UnexpectedAnswer: Error, CustomStringConvertible {
    package var description: String

    init(_ request: String, _ response: HTTPResponse) {
        description = "\(request) answered \(response.status): \(response.text.prefix(500))"
    }

    init(_ request: String, _ problem: String) {
        description = "\(request): \(problem)"
    }
}

/// What an agent said of one transaction.
package struct Receipt: Decodable, Sendable {
    /// What a client needs of the transaction.
    package struct Accepted: Decodable, Sendable {
        package var id: String
        package var status: String?
    }

    /// What a client needs of a refusal.
    package struct Problem: Decodable, Sendable {
        package var code: String?
        package var title: String?
        package var detail: String?
        package var retryable: Bool?
    }

    /// 201 for what is new, 200 for what was accepted before under the same key; anything else is a refusal.
    package var status: Int
    package var transaction: Accepted?
    package var problem: Problem?

    package var isAccepted: Bool { status == 200 || status == 201 }
}

private struct BatchAnswer: Decodable {
    var results: [Receipt]
}

/// `GET /v1/sync` of an agent.
package struct SyncStatus: Sendable {
    package var isConnected: Bool
    /// Why it is not connected, in the agent's words.
    package var reason: String?
    /// Transactions that are durable here and not yet acknowledged.
    package var backlog: Int
    package var lastAckAt: Date?
    /// The whole answer.
    package var json: JSONValue
}

/// The interface of an agent, as a client sees it. Blocks its thread.
package struct AgentClient: Sendable {
    package let http: HTTPClient

    package init(port: UInt16, timeout: Duration = .seconds(30)) {
        http = HTTPClient(port: port, timeout: timeout)
    }

    /// - Parameter path: of a Unix socket.
    package init(path: String, timeout: Duration = .seconds(30)) {
        http = HTTPClient(path: path, timeout: timeout)
    }

    /// Sends a batch once.
    ///
    /// - Returns: one receipt for each operation, in their order; nil when the agent asks to come back later.
    /// - Throws: ``NoAnswer`` when it is unknown what became of it, ``UnexpectedAnswer`` when the agent
    ///   refuses the batch as a whole.
    package func postBatch(_ operations: some Collection<Workload.Operation>) throws -> [Receipt]? {
        let request = "POST /v1/transactions/batch"
        let response = try http.post("/v1/transactions/batch", operations.batchJSON())
        if Self.asksForLater(response) { return nil }
        guard response.status == 200 else { throw UnexpectedAnswer(request, response) }
        let answer: BatchAnswer
        do {
            answer = try JSONDecoder().decode(BatchAnswer.self, from: Data(response.body))
        } catch {
            throw UnexpectedAnswer(request, "\(error) in \(response.text.prefix(500))")
        }
        guard answer.results.count == operations.count else {
            let counts = "\(answer.results.count) results for \(operations.count) items"
            throw UnexpectedAnswer(request, counts)
        }
        return answer.results
    }

    /// Sends one operation once, with its key in the header. See ``postBatch(_:)``.
    package func post(_ operation: Workload.Operation) throws -> Receipt? {
        let response = try http.post(
            "/v1/transactions", operation.transactionJSON(),
            headers: ["Idempotency-Key": "\"\(operation.idempotencyKey)\""])
        if Self.asksForLater(response) { return nil }
        let body = Data(response.body)
        var receipt = Receipt(status: response.status)
        do {
            if receipt.isAccepted {
                receipt.transaction = try JSONDecoder().decode(Receipt.Accepted.self, from: body)
            } else {
                receipt.problem = try JSONDecoder().decode(Receipt.Problem.self, from: body)
            }
        } catch {
            throw UnexpectedAnswer("POST /v1/transactions", response)
        }
        return receipt
    }

    /// Sends a batch until it is answered, always under the same keys, as a client should.
    ///
    /// - Throws: ``TimedOut`` when there is no answer within the limit, and ``UnexpectedAnswer`` at once.
    package func submit(
        _ operations: some Collection<Workload.Operation>, within limit: Duration = .seconds(60)
    ) throws -> [Receipt] {
        let what = "an answer to a batch from \(http.host)"
        return try wait(for: what, within: limit, every: .milliseconds(50)) {
            do {
                return try postBatch(operations)
            } catch let error as UnexpectedAnswer {
                throw Unrecoverable(description: "\(error)")
            }
        }
    }

    package func sync() throws -> SyncStatus {
        let json = try http.json("/v1/sync")
        guard let backlog = json["backlog"]["count"].int else {
            throw UnexpectedAnswer("GET /v1/sync", "no backlog.count in \(json)")
        }
        return SyncStatus(
            isConnected: json["connected"].bool ?? false, reason: json["reason"].string,
            backlog: backlog, lastAckAt: json["last_ack_at"].string.flatMap(parseTimestamp),
            json: json)
    }

    /// The balances of an account by asset, as this agent knows them.
    package func balances(of account: String) throws -> [String: Int128] {
        try http.balances(of: account)
    }

    private static func asksForLater(_ response: HTTPResponse) -> Bool {
        response.status == 429 || response.status == 503
    }
}

extension HTTPClient {
    /// The JSON of a path that must answer 200.
    package func json(_ path: String) throws -> JSONValue {
        let response = try get(path)
        guard response.status == 200 else { throw UnexpectedAnswer("GET \(path)", response) }
        return try response.json()
    }

    /// Every item of a list, page by page.
    ///
    /// - Parameter limit: of one page.
    package func items(_ path: String, limit: Int = 1_000) throws -> [JSONValue] {
        var items: [JSONValue] = []
        var cursor: String?
        var seen: Set<String> = []
        repeat {
            var query = "\(path)\(path.contains("?") ? "&" : "?")limit=\(limit)"
            if let cursor { query += "&cursor=\(percentEncoded(cursor))" }
            let page = try json(query)
            guard let part = page["items"].array else {
                throw UnexpectedAnswer("GET \(query)", "no items in \(page)")
            }
            items += part
            cursor = page["next"].string
            if let cursor, !seen.insert(cursor).inserted {
                throw UnexpectedAnswer("GET \(query)", "the pages lead in a circle")
            }
        } while cursor != nil
        return items
    }

    /// Empty for an account that the daemon has never seen.
    func balances(of account: String) throws -> [String: Int128] {
        let path = "/v1/accounts/\(account)"
        let response = try get(path)
        if response.status == 404 { return [:] }
        guard response.status == 200 else { throw UnexpectedAnswer("GET \(path)", response) }
        guard let list = try response.json()["balances"].array else {
            throw UnexpectedAnswer("GET \(path)", "no balances in \(response.text.prefix(500))")
        }
        var balances: [String: Int128] = [:]
        for item in list {
            guard let asset = item["asset"].string, let balance = item["balance"].quantity else {
                throw UnexpectedAnswer("GET \(path)", "\(item) has no asset or no balance")
            }
            balances[asset] = balance
        }
        return balances
    }

    private func percentEncoded(_ text: String) -> String {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
    }
}

/// RFC 3339 in UTC, with any number of digits after the second.
private func parseTimestamp(_ text: String) -> Date? {
    let withFraction = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return (try? withFraction.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text))
}
