import FleetHarness
import Testing

extension IntegrationTests {
    @Suite struct ProblemTests {
        @Test func `an agent answers every error with a problem, and records nothing of it`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                for request in Self.badTransactions + Self.badBatches + Self.badReads {
                    try request.expectProblem(from: agent.client.http)
                    // The next request on the same connection is understood: a POST is sent only once.
                    let next = try agent.client.http.post(
                        "/v1/transactions/batch", Array(#"{"transactions":[]}"#.utf8))
                    #expect(next.status == 200, "after \(request.name)")
                }
                #expect(try agent.client.sync().json["head"].int == 0)
                #expect(try agent.client.http.items("/v1/accounts") == [])
            }
        }

        @Test func `an aggregator answers every error with a problem`() async throws {
            try await withFleet { fleet in
                try fleet.aggregator.daemon.start()
                let http = fleet.aggregator.client.http
                try waitUntil("the rows are there", within: .seconds(15)) {
                    try http.get("/v1/transactions").status == 200
                }
                for request in Self.badReads + Self.badAggregatorReads {
                    try request.expectProblem(from: http)
                    #expect(try http.get("/healthz").status == 200, "after \(request.name)")
                }
            }
        }

        @Test func `in a batch the good items are recorded and each bad one has its problem`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let good = #"{"postings":[\#(posting())]}"#
                let bad = [
                    #"{"postings":[\#(posting(amount: "0"))]}"#, #"{"postings":[]}"#, "{}", "7",
                ]
                let items = bad.flatMap { [good, $0] }
                let batch = #"{"transactions":[\#(items.joined(separator: ","))]}"#
                let response = try agent.client.http.post(
                    "/v1/transactions/batch", Array(batch.utf8))
                #expect(response.status == 200)
                let results = try #require(try response.json()["results"].array)
                let statuses = results.map { $0["status"].int }
                #expect(statuses == bad.flatMap { _ in [201, 400] })
                let paths = results.compactMap { $0["problem"]["errors"][0]["path"].string }
                #expect(
                    paths == [
                        "transactions[1].postings[0].amount", "transactions[3].postings",
                        "transactions[5].postings", "transactions[7]",
                    ])
                #expect(try agent.client.sync().json["head"].int == bad.count)
            }
        }

        @Test func `a problem's type is served by the daemon itself`() async throws {
            try await withFleet { fleet in
                try fleet.agents[0].daemon.start()
                let http = fleet.agents[0].client.http
                let problem = try http.get("/v1/nothing").json()
                let type = try #require(problem["type"].string)
                let page = try http.get(type)
                #expect(page.status == 200)
                #expect(page.text.contains("not_found"))
            }
        }
    }
}

/// A request that a daemon must refuse, and how.
struct BadRequest {
    var name: String
    var method = "POST"
    var path = "/v1/transactions"
    var headers: [String: String] = [:]
    var body: [UInt8]?
    var status: Int
    var code: String
    /// What `errors` names; nil where it names nothing.
    var at: String?

    func expectProblem(from http: HTTPClient) throws {
        let response = try http.send(method, path, headers: headers, body: body)
        #expect(response.status == status, "\(name): \(response.text)")
        #expect(response.headers["content-type"] == "application/problem+json", "\(name)")
        let problem = try response.json()
        #expect(problem["code"].string == code, "\(name)")
        #expect(problem["status"].int == response.status, "\(name)")
        let type = "/problems/\(code.replacing("_", with: "-"))"
        #expect(problem["type"].string == type, "\(name)")
        #expect(problem["title"].string?.isEmpty == false, "\(name)")
        #expect(problem["detail"].string?.isEmpty == false, "\(name)")
        #expect(problem["retryable"].bool == false, "\(name)")
        #expect(problem["errors"][0]["path"].string == at, "\(name): \(response.text)")
        if at != nil {
            #expect(problem["errors"][0]["message"].string?.isEmpty == false, "\(name)")
        }
    }
}

extension IntegrationTests.ProblemTests {
    private static func transaction(
        _ name: String, _ text: String, _ code: String = "invalid_field", at path: String? = nil,
        status: Int = 400, headers: [String: String] = [:]
    ) -> BadRequest {
        BadRequest(
            name: name, headers: headers, body: Array(text.utf8), status: status, code: code,
            at: path)
    }

    private static func amount(_ text: String) -> BadRequest {
        transaction(
            "amount \(text)", #"{"postings":[\#(posting(amount: text))]}"#,
            at: "postings[0].amount")
    }

    private static func posted(_ members: String, at path: String) -> BadRequest {
        transaction(members, #"{"postings":[\#(posting())],\#(members)}"#, at: path)
    }

    fileprivate static var badTransactions: [BadRequest] {
        let many = Array(repeating: posting(), count: 65).joined(separator: ",")
        let pairs = (0..<17).map { #""k\#($0)":"v""# }.joined(separator: ",")
        let long = String(repeating: "x", count: 4_097)
        let large = #"{"postings":[],"reference":"\#(String(repeating: "x", count: 3 << 20))"}"#
        let good = #"{"postings":[\#(posting())]}"#
        return [
            transaction("not JSON", "{", "malformed_json"),
            transaction("nothing", "", "malformed_json"),
            transaction("a control character in a string", "\"\u{0}\"", "malformed_json"),
            transaction("half a surrogate pair", #"{"reference":"\ud800"}"#, "malformed_json"),
            BadRequest(
                name: "not UTF-8", headers: ["Content-Type": "application/json"],
                body: Array(#"{"reference":""#.utf8) + [0xFF] + Array(#""}"#.utf8), status: 400,
                code: "malformed_json"),
            transaction("more after the end", good + "}", "malformed_json"),
            transaction("another type", #"{"postings":7}"#, at: "postings"),
            transaction("an array", "[]", at: ""),
            transaction("nothing in it", "{}", at: "postings"),
            transaction("no posting", #"{"postings":[]}"#, at: "postings"),
            posted(
                #""metadata":{"a":"\#(long.prefix(2_560))","b":"\#(long.prefix(2_560))"}"#,
                at: "metadata"),
            transaction("65 postings", #"{"postings":[\#(many)]}"#, at: "postings"),
            amount("0"), amount("-1"), amount("1.5"), amount("1e3"), amount("\"1.5\""),
            amount("\"\""), amount("null"), amount("true"), amount("9223372036854775808"),
            amount("\"9223372036854775808\""), amount("99999999999999999999999999999999999999999"),
            transaction(
                "bad account", #"{"postings":[\#(posting(source: "a b"))]}"#,
                at: "postings[0].source"),
            transaction(
                "bad asset", #"{"postings":[\#(posting(asset: "eur"))]}"#,
                at: "postings[0].asset"),
            transaction(
                "unknown member of a posting",
                #"{"postings":[\#(posting()),\#(posting(more: #","note":"x""#))]}"#,
                at: "postings[1].note"),
            transaction(
                "a member twice", #"{"postings":[\#(posting(more: #","amount":2"#))]}"#,
                at: "postings[0].amount"),
            posted(#""note":"x""#, at: "note"),
            posted(#""kind":"hold""#, at: "kind"),
            posted(#""reference":"\#(long.prefix(256))""#, at: "reference"),
            posted(#""metadata":{\#(pairs)}"#, at: "metadata"),
            posted(#""metadata":{"k":"\#(long)"}"#, at: "metadata.k"),
            posted(#""metadata":{"k":7}"#, at: "metadata.k"),
            posted(#""occurred_at":"yesterday""#, at: "occurred_at"),
            posted(#""related":"what""#, at: "related"),
            posted(#""idempotency_key":"x""#, at: "idempotency_key"),
            transaction(
                "an empty key", good, at: "Idempotency-Key",
                headers: ["Idempotency-Key": "\"\""]),
            transaction(
                "a long key", good, at: "Idempotency-Key",
                headers: ["Idempotency-Key": "\"\(long.prefix(256))\""]),
            transaction(
                "half a quoted key", good, at: "Idempotency-Key",
                headers: ["Idempotency-Key": "\"half"]),
            transaction("3 MiB", large, "too_large", status: 413),
            transaction(
                "another media type", good, "unsupported_media_type", status: 415,
                headers: ["Content-Type": "text/plain"]),
            transaction(
                "another character set", good, "unsupported_media_type", status: 415,
                headers: ["Content-Type": "application/json; charset=latin1"]),
            transaction(
                "a compressed body", good, "unsupported_media_type", status: 415,
                headers: ["Content-Encoding": "gzip"]),
        ]
    }

    fileprivate static var badBatches: [BadRequest] {
        func batch(_ name: String, _ text: String, _ code: String, at path: String?) -> BadRequest {
            BadRequest(
                name: "batch: \(name)", path: "/v1/transactions/batch", body: Array(text.utf8),
                status: 400, code: code, at: path)
        }
        return [
            batch("not JSON", #"{"transactions":["#, "malformed_json", at: nil),
            batch("none", "{}", "invalid_field", at: "transactions"),
            batch(
                "atomic and empty", #"{"transactions":[],"atomic":true}"#, "invalid_field",
                at: "transactions"),
            batch(
                "atomic or not", #"{"transactions":[],"atomic":"yes"}"#, "invalid_field",
                at: "atomic"),
            batch("unknown", #"{"transactions":[],"x":1}"#, "invalid_field", at: "x"),
        ]
    }

    /// Of both daemons.
    fileprivate static var badReads: [BadRequest] {
        func read(
            _ path: String, _ status: Int, _ code: String, at part: String? = nil,
            method: String = "GET"
        ) -> BadRequest {
            BadRequest(
                name: "\(method) \(path)", method: method, path: path, status: status, code: code,
                at: part)
        }
        return [
            read("/v1/nothing", 404, "not_found"),
            read("/v1/transactions/till-9.k3f9qa2m.1", 404, "not_found"),
            read("/v1/transactions/what", 400, "invalid_field", at: "id"),
            read("/v1/accounts/nobody:1", 404, "not_found"),
            read("/v1/accounts/a%20b", 400, "invalid_field", at: "address"),
            read("/v1/transactions?cursor=what", 400, "invalid_field", at: "cursor"),
            read("/v1/accounts?cursor=%00", 400, "invalid_field", at: "cursor"),
            read("/v1/accounts?cursor=%ff", 400, "invalid_field", at: "query"),
            read("/v1/accounts?cursor=%e", 400, "invalid_field", at: "query"),
            read("/v1/transactions?limit=0", 400, "invalid_field", at: "limit"),
            read("/v1/transactions?limit=1001", 400, "invalid_field", at: "limit"),
            read("/v1/transactions?limit=many", 400, "invalid_field", at: "limit"),
            read("/v1/transactions?account=a%20b", 400, "invalid_field", at: "account"),
            read("/v1/transactions?color=red", 400, "invalid_field", at: "color"),
            read("/v1/accounts?limit=1&limit=2", 400, "invalid_field", at: "limit"),
            read("/v1/transactions", 405, "method_not_allowed", method: "DELETE"),
            read("/healthz", 405, "method_not_allowed", method: "PUT"),
        ]
    }

    private static func badSearch(_ query: String, at part: String) -> BadRequest {
        BadRequest(
            name: query, method: "GET", path: "/v1/transactions?\(query)", status: 400,
            code: "invalid_field", at: part)
    }

    fileprivate static var badAggregatorReads: [BadRequest] {
        [
            BadRequest(
                name: "an agent never seen", method: "GET", path: "/v1/agents/till-9", status: 404,
                code: "not_found"),
            BadRequest(
                name: "no agent's name", method: "GET", path: "/v1/agents/T_9", status: 400,
                code: "invalid_field", at: "id"),
            BadRequest(
                name: "no text", method: "GET", path: "/v1/accounts?prefix=%ff", status: 400,
                code: "invalid_field", at: "query"),
            badSearch("kind=gift", at: "kind"), badSearch("status=lost", at: "status"),
            badSearch("from=yesterday", at: "from"), badSearch("to=2026-11-20", at: "to"),
            badSearch("cursor=-1", at: "cursor"), badSearch("cursor=007", at: "cursor"),
            BadRequest(
                name: "a statement's cursor", method: "GET",
                path: "/v1/accounts/a:1/entries?cursor=what", status: 400, code: "invalid_field",
                at: "cursor"),
            BadRequest(
                name: "the statement of nobody", method: "GET",
                path: "/v1/accounts/nobody:1/entries",
                status: 404, code: "not_found"),
            BadRequest(
                name: "conflicts", method: "GET", path: "/v1/conflicts?limit=0", status: 400,
                code: "invalid_field", at: "limit"),
            BadRequest(
                name: "recording here", path: "/v1/transactions", body: Array("{}".utf8),
                status: 405, code: "method_not_allowed"),
        ]
    }
}

private func posting(
    source: String = "a:1", asset: String = "EUR/2", amount: String = "1", more: String = ""
) -> String {
    #"{"source":"\#(source)","destination":"b:1","asset":"\#(asset)","amount":\#(amount)\#(more)}"#
}
