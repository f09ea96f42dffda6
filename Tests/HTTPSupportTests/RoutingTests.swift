import HTTPSupport
import HTTPTypes
import Hummingbird
import LedgerCore
import NIOCore
import Testing
import TextFormats

private struct Failure: Error {}

private let echo: @Sendable (APIRouter<BasicRequestContext>) -> Void = { router in
    router.get("/v1/things/:id") { _, context in context.parameters.get("id") ?? "" }
    router.put("/v1/things/:id") { _, _ in "put" }
    router.post("/v1/numbers") { request, _ in
        let number = try await JSONBody.read(request, bytesMax: 16) { (json) throws(JSONError) in
            try json.integer()
        }
        return Response.object { $0.member("number", number) }
    }
    router.get("/fails") { _, _ -> Response in throw Failure() }
    router.get("/full") { _, _ -> Response in
        throw Problem(.storageFull, "the disk is full", retryAfter: 60)
    }
    router.get("/json") { _, _ -> Response in
        throw JSONError(kind: .malformed, offset: 3, path: "", message: "a value is expected here")
    }
    router.get("/http") { _, _ -> Response in throw HTTPError(.conflict, message: "a message") }
}

@Suite struct RoutingTests {
    @Test func `an address that is nothing answers 404 as a problem`() async throws {
        let answer = try await Routes(echo).ask(.get, "/v1/nothing?a=b")
        #expect(answer.status == 404)
        #expect(answer.headers[.contentType] == "application/problem+json")
        #expect(
            answer.body
                == #"{"type":"/problems/not-found","title":"There is no such thing","status":404,"code":"not_found","#
                + #""detail":"nothing is at /v1/nothing; /openapi.json lists what is here","instance":"/v1/nothing","retryable":false}"#
        )
    }

    @Test func `a method that an address does not have answers 405 with those that it has`()
        async throws
    {
        let routes = Routes(echo)
        for method in [HTTPRequest.Method.post, .delete, .patch, .options] {
            let answer = try await routes.ask(method, "/v1/things/7")
            #expect(answer.status == 405)
            #expect(answer.headers[.allow] == "GET, HEAD, PUT")
            #expect(
                answer.body.contains(
                    #""detail":"\#(method.rawValue) is not for this address; GET, HEAD and PUT are""#
                ))
        }
        #expect(try await routes.ask(.post, "/problems").headers[.allow] == "GET, HEAD")
        #expect(try await routes.ask(.get, "/v1/things/7").body == "7")
        #expect(try await routes.ask(.put, "/v1/things/7").body == "put")
    }

    @Test(arguments: ProblemCode.allCases)
    func `a problem has its page under its type and under its code`(code: ProblemCode) async throws
    {
        let page = try await Routes(echo).ask(.get, code.type)
        #expect(page.status == 200)
        let other = try await Routes(echo).ask(.get, "/problems/\(code.rawValue)")
        #expect(other.status == 200 && other.body == page.body)
    }

    @Test func `a HEAD is answered as its GET, without the body`() async throws {
        let answer = try await Routes(echo).ask(.head, "/v1/things/seven")
        #expect(answer.status == 200)
        #expect(answer.headers[.contentLength] == "5")
        #expect(answer.body.isEmpty)
    }

    @Test func `what nobody expected is 500: the log has the reason, the client the request's id`()
        async throws
    {
        let routes = Routes(echo)
        let answer = try await routes.ask(.get, "/fails")
        #expect(answer.status == 500)
        #expect(answer.headers[.retryAfter] == "1")
        #expect(
            answer.body.contains(#""code":"internal_error""#)
                && answer.body.contains(#""request_id":"r1""#))
        #expect(!answer.body.contains("Failure"))
        #expect(
            routes.log.lines == [
                "error request failed error.detail=Failure() http.request.id=r1 http.route=/fails"
            ])
    }

    @Test
    func
        `problems, refused documents and errors of the server library are all answered as problems`()
        async throws
    {
        let routes = Routes(echo)
        let full = try await routes.ask(.get, "/full")
        #expect(full.status == 507)
        #expect(full.headers[.retryAfter] == "60")
        let json = try await routes.ask(.get, "/json")
        #expect(
            json.status == 400 && json.body.contains(#""code":"malformed_json""#)
                && json.body.contains(#""offset":3"#))
        let http = try await routes.ask(.get, "/http")
        #expect(http.status == 400 && http.body.contains(#""detail":"a message""#))
        #expect(routes.log.lines.isEmpty)
    }

    @Test(arguments: [
        ("application/json", 200), ("application/json; charset=utf-8", 200),
        ("Application/JSON ;x=y", 200),
        ("text/plain", 415), ("application/jsonp", 415), ("application/problem+json", 415),
        ("", 415),
    ])
    func `a body must say that it is JSON`(type: String, status: Int) async throws {
        let answer = try await Routes(echo).post("/v1/numbers", "1", headers: [.contentType: type])
        #expect(answer.status == status)
    }

    @Test func `a body without a type is refused in so many words`() async throws {
        let answer = try await Routes(echo).post("/v1/numbers", "1", headers: [:])
        #expect(answer.status == 415)
        #expect(
            answer.body.contains(
                #""detail":"the request has no Content-Type; send application/json""#))
    }

    @Test
    func `a body over the limit is refused with the limit, whether it says its length or not`()
        async throws
    {
        let routes = Routes(echo)
        let expected = #""detail":"the body has more than 16 bytes, the limit for JSON""#
        let announced = try await routes.post(
            "/v1/numbers", "1", headers: [.contentType: "application/json", .contentLength: "17"])
        let streamed = try await routes.post("/v1/numbers", String(repeating: "1", count: 17))
        for answer in [announced, streamed] {
            #expect(answer.status == 413)
            #expect(answer.body.contains(expected) && answer.body.contains(#""limit_bytes":16"#))
        }
        #expect(
            try await routes.post("/v1/numbers", String(repeating: "1", count: 16)).status == 200)
    }

    @Test func `a body that breaks off is no failure of ours`() async throws {
        let routes = Routes(echo)
        let broken = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish(throwing: Failure()) }
        let answer = try await routes.ask(
            .post, "/v1/numbers", headers: [.contentType: "application/json"],
            body: RequestBody(asyncSequence: broken))
        #expect(answer.status == 400)
        #expect(routes.log.lines.isEmpty)
    }

    @Test func `an empty body is not JSON`() async throws {
        let answer = try await Routes(echo).post("/v1/numbers", "")
        #expect(answer.status == 400)
        #expect(
            answer.body.contains(#""detail":"the text ends where a value is expected (at byte 0)""#)
        )
    }
}

@Suite struct QueryParametersTests {
    private func routes() -> Routes {
        Routes { router in
            router.get("/list") { request, _ in
                let query = try QueryParameters(request, known: ["account", "limit", "cursor"])
                let account = try query.value("account") { (text) throws(InvalidValue) in
                    try AccountAddress(text)
                }
                return "\(account.map(\.description) ?? "all") \(try query.limit())"
            }
            router.get("/pages") { request, _ in
                Response.page([1, 2], next: "a/b=", of: request) { $0.value($1) }
            }
            router.get("/last") { request, _ in
                Response.page([Int](), next: nil, of: request) { $0.value($1) }
            }
        }
    }

    @Test(arguments: [
        ("", "all 100"), ("?limit=1", "all 1"),
        ("?limit=1000&account=stores:042", "stores:042 1000"),
        ("?account=stores%3A042", "stores:042 100"),
    ])
    func `known parameters are read`(query: String, expected: String) async throws {
        let answer = try await routes().ask(.get, "/list\(query)")
        #expect(answer.status == 200)
        #expect(answer.body == expected)
    }

    @Test(arguments: [
        ("?limit=0", "limit is 1 to 1000, not \\\"0\\\""),
        ("?limit=1001", "limit is 1 to 1000, not \\\"1001\\\""),
        ("?limit=ten", "limit is 1 to 1000, not \\\"ten\\\""),
        ("?limit=", "limit is 1 to 1000, not \\\"\\\""),
        ("?lmit=1", "lmit is not known here; known are account, limit, cursor"),
        ("?limit=1&limit=2", "limit stands twice"),
        (
            "?\(String(repeating: "x", count: 65))=1",
            "a parameter with a long name is not known here; known are account, limit, cursor"
        ),
    ])
    func `any other is refused by its name`(query: String, expected: String) async throws {
        let answer = try await routes().ask(.get, "/list\(query)")
        #expect(answer.status == 400)
        #expect(answer.body.contains("\"detail\":\"\(expected)\""), "\(answer.body)")
    }

    @Test func `the link to the next page keeps what was asked for`() async throws {
        let answer = try await routes().ask(.get, "/pages?account=stores%3A042&cursor=old&limit=2")
        #expect(answer.body == #"{"items":[1,2],"next":"a/b="}"#)
        let link = try #require(HTTPField.Name("Link"))
        #expect(
            answer.headers[link]
                == "</pages?account=stores%3A042&limit=2&cursor=a%2Fb%3D>; rel=\"next\"")
        let last = try await routes().ask(.get, "/last")
        #expect(last.body == #"{"items":[],"next":null}"#)
        #expect(last.headers[link] == nil)
    }
}

@Suite struct IdempotencyKeyHeaderTests {
    private func ask(_ values: [String]) async throws -> Answer {
        let name = try #require(HTTPField.Name("Idempotency-Key"))
        var headers: HTTPFields = [:]
        headers[values: name] = values
        return try await Routes { router in
            router.get("/key") { request, _ in
                try IdempotencyKeyHeader.key(of: request).map { "<\($0)>" } ?? "none"
            }
        }.ask(.get, "/key", headers: headers)
    }

    @Test(arguments: [
        ("\"8812\"", "<8812>"), ("8812", "<8812>"), ("\"a b\"", "<a b>"), ("a b", "<a b>"),
        ("\"\\\"\\\\\"", "<\"\\>"),
        ("a\"b", "<a\"b>"),
        (String(repeating: "x", count: 255), "<\(String(repeating: "x", count: 255))>"),
    ])
    func `a key is the same quoted and bare`(value: String, expected: String) async throws {
        let answer = try await ask([value])
        #expect(answer.status == 200)
        #expect(answer.body == expected)
    }

    @Test func `a request without the header has no key`() async throws {
        #expect(try await ask([]).body == "none")
    }

    @Test(arguments: [
        (["\"\""], "has 1 to 255 bytes, not 0"), ([""], "has 1 to 255 bytes, not 0"),
        ([String(repeating: "x", count: 256)], "has 1 to 255 bytes, not 256"),
        (["\"abc"], "begins with a quote and does not end with one"),
        (["\""], "begins with a quote and does not end with one"),
        (["\"a\"b\""], "has something behind its closing quote"),
        (["\"a\"; p=1"], "has something behind its closing quote"),
        (["\"a\\b\""], "has a backslash before something other than a quote or a backslash"),
        (["\"a\\"], "has a backslash before something other than a quote or a backslash"),
        (["é"], "may only have printable ASCII characters"),
        (["\"é\""], "may only have printable ASCII characters"),
        (["a", "b"], "is given 2 times"),
    ])
    func `any other header is refused`(values: [String], message: String) async throws {
        let answer = try await ask(values)
        #expect(answer.status == 400)
        #expect(answer.body.contains("\"detail\":\"Idempotency-Key \(message)\""), "\(answer.body)")
    }
}
