import HTTPSupport
import Hummingbird
import Testing
import TextFormats

private func text(_ problem: Problem, instance: String? = nil) -> String {
    var json = JSONWriter()
    problem.write(to: &json, instance: instance)
    return json.text
}

@Suite struct ProblemTests {
    @Test func `a problem has the members that RFC 9457 names, its code, and its own`() {
        var problem = Problem.invalid("postings[0].amount", "must be an integer, not a string")
        problem.members = [
            Problem.Member("decided_at", .time(microseconds: 0)),
            Problem.Member("left", .integer(1 << 54)),
            Problem.Member("final", .boolean(true)), Problem.Member("decision", .text("void")),
        ]
        #expect(
            text(problem, instance: "/v1/transactions")
                == #"{"type":"/problems/invalid-field","title":"A part of the request is invalid","status":400,"#
                + #""code":"invalid_field","detail":"postings[0].amount must be an integer, not a string","#
                + #""instance":"/v1/transactions","errors":[{"path":"postings[0].amount","#
                + #""message":"must be an integer, not a string"}],"retryable":false,"#
                + #""decided_at":"1970-01-01T00:00:00.000000Z","left":"18014398509481984","final":true,"decision":"void"}"#
        )
    }

    @Test func `a document that is not JSON is told from one with a wrong field`() {
        let malformed = Problem(
            JSONError(kind: .malformed, offset: 17, path: "a", message: "a value is expected here"))
        #expect(malformed.code == .malformedJSON)
        #expect(malformed.detail == "a value is expected here (at byte 17)")
        #expect(malformed.members == [Problem.Member("offset", .integer(17))])
        let invalid = Problem(
            JSONError(kind: .invalidField, offset: 17, path: "a[1]", message: "is given twice"))
        #expect(invalid.code == .invalidField)
        #expect(invalid.detail == "a[1] is given twice")
        #expect(invalid.errors == [Problem.Part(path: "a[1]", message: "is given twice")])
    }

    /// The table of the interface's description; codes are for programs, so none may change
    /// unnoticed.
    @Test func `each code has its status, and says whether to try again`() {
        let table = ProblemCode.allCases.map {
            "\($0.status.code) \($0.rawValue)\($0.isRetryable ? " again" : "")"
        }
        #expect(
            table == [
                "400 malformed_json", "400 invalid_field", "401 unauthenticated", "403 forbidden",
                "404 not_found",
                "405 method_not_allowed", "409 insufficient_rights again", "409 in_flight again",
                "409 already_decided",
                "409 already_reversed", "409 not_the_decider", "409 wrong_standing",
                "409 cannot_release", "413 too_large",
                "415 unsupported_media_type",
                "422 insufficient_funds", "422 idempotency_mismatch", "422 capture_exceeds_hold",
                "422 reversal_exceeds_transfer", "422 hold_expired", "422 out_of_scope",
                "429 rate_limited again",
                "500 internal_error again", "503 unavailable again", "503 overloaded again",
                "507 storage_full again",
            ])
    }

    @Test func `every type leads to a page of the daemon's own, and the list names them all`()
        async throws
    {
        let routes = Routes()
        let list = try await routes.ask(.get, "/problems").body
        for code in ProblemCode.allCases {
            let page = try await routes.ask(.get, code.type)
            #expect(page.status == 200)
            #expect(page.headers[.contentType]?.hasPrefix("text/plain") == true)
            #expect(
                page.body.contains(code.title) && page.body.contains(code.advice)
                    && page.body.contains(code.rawValue))
            #expect(list.contains("\(code.status.code)  \(code.type)  \(code.title)\n"))
        }
        #expect(Set(ProblemCode.allCases.map(\.type)).count == ProblemCode.allCases.count)
        let unknown = try await routes.ask(.get, "/problems/boredom")
        #expect(unknown.status == 404)
    }
}
