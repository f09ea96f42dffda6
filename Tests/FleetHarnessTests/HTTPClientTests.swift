import FleetHarness
import Foundation
import Synchronization
import Testing

@Suite struct HTTPClientTests {
    static let answers: [(raw: String, status: Int, body: String)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", 404, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", 201,
            "x"
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                + "a;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n", 200, "abc0123456789"
        ),
    ]

    @Test(arguments: answers)
    func `an answer is read by its length or in its chunks, and the connection is kept`(
        raw: String, status: Int, body: String
    ) async throws {
        try await onThread {
            let count = Count()
            let server = try StubServer.http { head, _ in
                count.increment()
                return head.hasPrefix("GET /raw ") ? raw : StubServer.response(200, "next")
            }
            let client = HTTPClient(port: server.port, timeout: .seconds(20))
            let answer = try client.get("/raw")
            #expect(answer.status == status)
            #expect(answer.text == body)
            #expect(try client.get("/other").text == "next")
            #expect(count.value == 2)
        }
    }

    static let malformed = [
        "FTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 x OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ]

    @Test(arguments: malformed)
    func `an answer that is none is no answer`(raw: String) async throws {
        try await onThread {
            let server = try StubServer.http { _, _ in raw }
            let client = HTTPClient(port: server.port, timeout: .seconds(20))
            #expect(throws: NoAnswer.self) { try client.post("/", []) }
        }
    }

    @Test func `a POST that gets no answer is sent once, and a GET on a stale connection again`()
        async throws
    {
        try await onThread {
            let count = Count()
            // Every second request finds its connection closed.
            let server = try StubServer.http { _, _ in
                count.increment()
                return count.value.isMultiple(of: 2) ? nil : StubServer.response(200, "{}")
            }
            let client = HTTPClient(port: server.port, timeout: .seconds(20))
            #expect(try client.get("/").status == 200)
            #expect(try client.get("/").status == 200)
            #expect(count.value == 3)
            #expect(throws: NoAnswer.self) { try client.post("/", []) }
            #expect(count.value == 4)
        }
    }

    @Test func `pages are followed to the last, and a circle is an error`() async throws {
        try await onThread {
            let server = try StubServer.http { head, _ in
                let body =
                    if head.contains("cursor=b%2F2") {
                        #"{"items":[3]}"#
                    } else if head.contains("/circle") {
                        #"{"items":[1],"next":"same"}"#
                    } else {
                        #"{"items":[1,2],"next":"b/2"}"#
                    }
                return StubServer.response(200, body)
            }
            let client = HTTPClient(port: server.port, timeout: .seconds(20))
            #expect(try client.items("/list") == [.integer(1), .integer(2), .integer(3)])
            #expect(throws: UnexpectedAnswer.self) { try client.items("/circle") }
        }
    }

    @Test func `JSON keeps what Foundation mixes up apart`() throws {
        let text =
            #"{"t":true,"one":1,"big":9007199254740993,"half":0.5,"s":"170141183460469231731","n":null,"l":[false,0]}"#
        let json = try JSONValue(parsing: Array(text.utf8))
        #expect(json["t"] == .bool(true))
        #expect(json["one"] == .integer(1))
        #expect(json["big"].quantity == 9_007_199_254_740_993)
        #expect(json["half"].double == 0.5)
        #expect(json["s"].quantity == 170_141_183_460_469_231_731)
        #expect(json["n"] == .null)
        #expect(json["l"] == .array([.bool(false), .integer(0)]))
        #expect(json["absent"]["deeper"][3] == .null)
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: Array("{".utf8)) }
    }
}

/// A number that several threads count up.
final class Count: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func increment() { number.withLock { $0 += 1 } }
}
