import FleetHarness
import Foundation
import Synchronization
import Testing
import Workload

extension IntegrationTests {
    @Suite struct LineStreamTests {
        private static let lines = 2_000

        @Test func `every line answered 2xx survives SIGKILL in the middle of a stream`()
            async throws
        {
            try await interrupt { agent, _ in agent.daemon.process.kill() }
        }

        @Test func `a client that breaks off loses nothing that was answered`() async throws {
            try await interrupt { _, stream in stream.cut() }
        }

        /// Streams lines, interrupts at a random moment, asks for what was promised, and sends all of it again.
        private func interrupt(
            _ body: @Sendable (AgentNode, LineStream) throws -> Void
        ) async throws {
            let seed = UInt64.random(in: 0 ... .max)
            print("lines: seed \(seed)")
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                var random = SplitMix64(seed: seed)
                var sent: [Workload.Operation] = []
                for round in 0..<2 {
                    let operations = (1...Self.lines).map {
                        Workload.Operation.sale(round * Self.lines + $0)
                    }
                    sent += operations
                    let stream = try LineStream(port: agent.daemon.port)
                    let client = StreamClient(stream, operations)
                    client.start()
                    let some = 1 + random.below(500)
                    try waitUntil(
                        "\(some) results", within: .seconds(20), every: .milliseconds(1)
                    ) { client.results.count >= some }
                    try body(agent, stream)
                    let results = try client.finish()
                    #expect(results.count >= some)
                    if !agent.daemon.process.isRunning { try agent.daemon.start() }
                    for index in results.indices where index % 50 == 0 || index + 1 == results.count
                    {
                        let shown = try agent.client.http.json("/v1/transactions/\(results[index])")
                        #expect(
                            operations[index].difference(from: shown) == nil, "line \(index + 1)")
                    }
                    let again = try sendAll(operations, to: agent)
                    #expect(Array(again.prefix(results.count)) == results, "round \(round)")
                    #expect(again.count == operations.count)
                }
                try fleet.expectConvergence(with: Oracle(sent))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        private func sendAll(
            _ operations: [Workload.Operation], to agent: AgentNode
        ) throws -> [String] {
            let client = StreamClient(try LineStream(port: agent.daemon.port), operations)
            client.start()
            return try client.finish()
        }

        @Test func `each line has its result, numbered, and a bad one harms no other`() async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let good = String(
                    decoding: try Workload.Operation.sale(1).transactionJSON(), as: UTF8.self)
                let zero = good.replacing("\"amount\":101", with: "\"amount\":0")
                let long = String(repeating: "x", count: 64 << 10)
                let lines = [
                    good, "", zero, "{", long + "x", "\"\(long.dropLast(2))\"", good + "\r",
                ]
                let response = try agent.client.http.post(
                    "/v1/transactions/batch", Array(lines.joined(separator: "\n").utf8),
                    headers: ["Content-Type": "application/x-ndjson; charset=utf-8"])
                #expect(response.status == 200)
                #expect(response.headers["content-type"] == "application/x-ndjson")
                let results = try response.text.split(separator: "\n").map {
                    try JSONValue(parsing: Array($0.utf8))
                }
                #expect(results.map { $0["line"].int } == [1, 3, 4, 5, 6, 7])
                #expect(results.map { $0["status"].int } == [201, 400, 400, 413, 400, 201])
                let details = results.map { $0["problem"]["detail"].string ?? "" }
                #expect(details[1].hasPrefix("line 3: postings[0].amount must be"), "\(details)")
                #expect(
                    results[1]["problem"]["errors"][0]["path"].string == "postings[0].amount")
                #expect(results[2]["problem"]["code"].string == "malformed_json")
                #expect(details[2].hasPrefix("line 4: "))
                #expect(results[3]["problem"]["limit_bytes"].int == 64 << 10)
                #expect(details[3].contains("65536"), "\(details[3])")
                #expect(details[4].hasPrefix("line 6: the document must be an object"))
                #expect(try agent.client.sync().json["head"].int == 2)
            }
        }

        @Test func `a type that is none of the two is refused by their names`() async throws {
            try await withFleet { fleet in
                try fleet.agents[0].daemon.start()
                let response = try fleet.agents[0].client.http.post(
                    "/v1/transactions/batch", [], headers: ["Content-Type": "text/csv"])
                #expect(response.status == 415)
                #expect(response.headers["accept"] == "application/json, application/x-ndjson")
                let detail = try response.json()["detail"].string
                #expect(detail?.contains("application/json or application/x-ndjson") == true)
            }
        }
    }
}

/// Sends on one thread, reads on another, and keeps the ids that were answered 2xx.
private final class StreamClient: Sendable {
    private struct State {
        var ids: [String] = []
        var refusals: [String] = []
    }

    private let stream: LineStream
    private let operations: [Workload.Operation]
    private let state = Mutex(State())
    private let working = DispatchGroup()

    init(_ stream: LineStream, _ operations: [Workload.Operation]) {
        self.stream = stream
        self.operations = operations
    }

    var results: [String] { state.withLock { $0.ids } }

    func start() {
        for work in [send, receive] {
            working.enter()
            Thread.detachNewThread { [working] in
                work()
                working.leave()
            }
        }
    }

    /// The ids, in the order of the lines, when the stream has ended in whatever way.
    func finish() throws -> [String] {
        guard working.wait(timeout: .now() + 30) == .success else {
            throw TimedOut(what: "the stream's end", limit: .seconds(30))
        }
        let state = state.withLock { $0 }
        #expect(state.refusals == [])
        return state.ids
    }

    @Sendable private func send() {
        // A stream that was interrupted cannot be written to: what it answered is what counts.
        for start in stride(from: 0, to: operations.count, by: 40) {
            let part = operations[start..<min(start + 40, operations.count)]
            guard let bytes = try? part.linesJSON(), (try? stream.send(bytes)) != nil else {
                return
            }
        }
        try? stream.end()
    }

    @Sendable private func receive() {
        try? stream.results { line in
            let result = try JSONValue(parsing: Array(line))
            state.withLock { state in
                let isNext = result["line"].int == state.ids.count + 1
                if isNext, [200, 201].contains(result["status"].int),
                    let id = result["transaction"]["id"].string
                {
                    state.ids.append(id)
                } else {
                    state.refusals.append(String(decoding: line.prefix(300), as: UTF8.self))
                }
            }
        }
    }
}
