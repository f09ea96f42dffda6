import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// Tracing from the client's header to the drawing, with real processes.
    @Suite struct TracingTests {
        private static let client = "00f067aa0ba902b7"
        private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        private static let batch: JSONValue = "POST /v1/transactions/batch"
        /// The spans, each with the one that it is a child of.
        private static let parents: [String: String?] = [
            "POST /v1/transactions": nil, "create transaction": "POST /v1/transactions",
            "commit segment": nil, "sync batch": nil, "send up": "sync batch",
            "process up": "send up", "merge": "process up", "send ack": "process up",
            "settle": "send ack",
        ]

        private struct Span {
            let name: String
            let id: String
            let trace: String
            let service: String
            let json: JSONValue

            func references(_ kind: String) -> [(trace: String, span: String)] {
                (json["references"].array ?? []).filter { $0["refType"].string == kind }.map {
                    ($0["traceID"].string ?? "", $0["spanID"].string ?? "")
                }
            }

            func tag(_ key: String) -> JSONValue {
                (json["tags"].array ?? []).first { $0["key"].string == key }?["value"] ?? .null
            }
        }

        @Test func `a traced sale is found as nine spans in three traces, which are linked`()
            async throws
        {
            try await withRunningFleet(agentArguments: ["--tracing-sample", "0"]) { fleet in
                let agent = fleet.agents[0]
                let http = fleet.aggregator.client.http
                let answer = try agent.client.http.post(
                    "/v1/transactions", Workload.Operation.sale(1).transactionJSON(),
                    headers: [
                        "traceparent": "00-\(Self.trace)-\(Self.client)-01",
                        "tracestate": "vendor=1",
                    ])
                #expect(answer.status == 201, "\(answer.text)")
                let id = try #require(try answer.json()["id"].string)
                #expect(try answer.json()["trace_id"].string == Self.trace)
                let again = try agent.client.http.json("/v1/transactions/\(id)")
                #expect(again["trace_id"].string == Self.trace)
                try fleet.waitUntilDrained()
                #expect(
                    try fleet.aggregator.client.transaction(id)["trace_id"].string == Self.trace)

                let spans = try self.spans(of: id, http)
                try expectTree(spans, id)
                try expectDrawing(id, fleet)

                let unknown = try http.get(
                    "/api/traces/\(Self.trace.reversed().map { "\($0)" }.joined())")
                #expect(unknown.status == 404)
                #expect(try unknown.json()["errors"][0]["code"].int == 404)
                #expect(try http.get("/api/traces/what").status == 400)
            }
        }

        @Test
        func
            `a trace that its caller does not record is passed on, and a header that is none is not`()
            async throws
        {
            try await withRunningFleet(agentArguments: ["--tracing-sample", "0"]) { fleet in
                let agent = fleet.agents[0].client.http
                func post(_ n: Int, _ traceparent: String) throws -> JSONValue {
                    let answer = try agent.post(
                        "/v1/transactions", Workload.Operation.sale(n).transactionJSON(),
                        headers: ["traceparent": traceparent])
                    #expect(answer.status == 201)
                    return try answer.json()
                }
                let quiet = try post(1, "00-\(Self.trace)-\(Self.client)-00")
                #expect(quiet["trace_id"].string == Self.trace)
                let none = try post(2, "00-\(Self.trace)-\(Self.client)")
                #expect(none["trace_id"] == .null)
                try fleet.waitUntilDrained()
                let id = try #require(quiet["id"].string)
                let merged = try fleet.aggregator.client.transaction(id)
                #expect(merged["trace_id"].string == Self.trace)
                let http = fleet.aggregator.client.http
                let found = try http.json("/v1/transactions/\(id)/traces")
                #expect(found["traces"].array == [])
                #expect(try http.get("/api/traces/\(Self.trace)").status == 404)
            }
        }

        @Test func `spans of a batch, and what waited for its aggregator, come in the end`()
            async throws
        {
            try await withRunningFleet(
                agentArguments: ["--tracing-sample", "1", "--tracing-limit", "1000"]
            ) { fleet in
                let agent = fleet.agents[0]
                agent.link.cut()
                let ids = try agent.client.accept((1...20).map { .sale($0) })
                let shown = try agent.client.http.json("/v1/transactions/\(ids[0])")
                let trace = try #require(shown["trace_id"].string)
                let last = try agent.client.http.json("/v1/transactions/\(ids[19])")
                #expect(last["trace_id"].string == trace, "one span a request")
                // What is recorded outlives the process that recorded it.
                agent.daemon.stop()
                try agent.daemon.start()
                agent.link.heal()
                try fleet.waitUntilDrained()
                let spans = try self.spans(of: ids[10], fleet.aggregator.client.http)
                let create = try #require(spans.first { $0.name == "create transaction" })
                #expect(create.trace == trace)
                #expect(create.tag("tributary.events").int == 20)
                // The process that sent it had to look for the trace in the segment.
                let send = try #require(spans.first { $0.name == "send up" })
                #expect(send.references("FOLLOWS_FROM").contains { $0.span == create.id })
            }
        }

        @Test func `the span of a stream of lines ends behind all that it recorded`() async throws {
            try await withRunningFleet(agentArguments: ["--tracing-sample", "0"]) { fleet in
                let lines = try (1...6_000).map {
                    try Workload.Operation.sale($0).transactionJSON()
                }
                let answer = try fleet.agents[0].client.http.post(
                    "/v1/transactions/batch", Array(lines.joined(separator: [UInt8(ascii: "\n")])),
                    headers: [
                        "Content-Type": "application/x-ndjson",
                        "traceparent": "00-\(Self.trace)-\(Self.client)-01",
                    ])
                #expect(answer.status == 200)
                let http = fleet.aggregator.client.http
                func end(_ span: JSONValue) -> Int {
                    (span["startTime"].int ?? 0) + (span["duration"].int ?? 0)
                }
                let spans = try wait(for: "the spans of the batch", within: .seconds(20)) {
                    let data = try http.json("/api/traces/\(Self.trace)")["data"][0]
                    let spans = data["spans"].array ?? []
                    // It ends last, and is sent last.
                    let isWhole = spans.contains { $0["operationName"] == Self.batch }
                    return isWhole ? spans : nil
                }
                let server = try #require(
                    spans.first { $0["operationName"] == Self.batch })
                let parts = spans.filter { $0["operationName"] == "create transaction" }
                #expect(parts.count > 1 && parts.count == spans.count - 1)
                for part in parts {
                    #expect(part["startTime"].int ?? 0 >= server["startTime"].int ?? .max)
                    #expect(end(part) <= end(server))
                }
            }
        }

        // MARK: Spans

        private func spans(of id: String, _ http: HTTPClient) throws -> [Span] {
            try wait(for: "the spans of \(id)", within: .seconds(20)) {
                let list = try http.json("/v1/transactions/\(id)/traces")["traces"].array ?? []
                let spans = try list.compactMap(\.string).flatMap { trace in
                    let data = try http.json("/api/traces/\(trace)")["data"][0]
                    return (data["spans"].array ?? []).map { span in
                        let process = data["processes"][span["processID"].string ?? ""]
                        return Span(
                            name: span["operationName"].string ?? "",
                            id: span["spanID"].string ?? "", trace: trace,
                            service: process["serviceName"].string ?? "", json: span)
                    }
                }
                let isWhole = Set(spans.map(\.name)).isSuperset(
                    of: Self.parents.keys.filter { !$0.hasPrefix("POST") })
                return isWhole && spans.contains { $0.name.hasPrefix("POST") } ? spans : nil
            }
        }

        private func expectTree(_ spans: [Span], _ id: String) throws {
            // Where a message had to be sent again, the attempt that was acknowledged.
            let settled = try #require(spans.first { $0.name == "settle" }).trace
            let named = Dictionary(
                grouping: spans.filter {
                    $0.trace == settled || !["sync batch", "send up"].contains($0.name)
                }, by: \.name)
            #expect(named.mapValues(\.count) == Self.parents.mapValues { _ in 1 })
            func span(_ name: String) throws -> Span { try #require(named[name]?.first) }
            for (name, parent) in Self.parents {
                let child = try span(name)
                guard let parent else { continue }
                let expected = try span(parent)
                #expect(child.references("CHILD_OF").map(\.span) == [expected.id], "\(name)")
                #expect(child.trace == expected.trace, "\(name)")
            }
            let create = try span("create transaction")
            let server = try span("POST /v1/transactions")
            #expect(server.references("CHILD_OF").map(\.span) == [Self.client])
            #expect(server.trace == Self.trace && server.tag("w3c.tracestate").string == "vendor=1")
            #expect(create.tag("tributary.transaction.id").string == id)
            // From the batch, from the merge and from the commit to the transaction's trace.
            for name in ["send up", "process up", "commit segment"] {
                let links = try span(name).references("FOLLOWS_FROM")
                #expect(links.map(\.span) == [create.id], "\(name)")
                #expect(links.map(\.trace) == [Self.trace], "\(name)")
                #expect(try span(name).trace != Self.trace)
            }
            #expect(Set(spans.map(\.trace)).count == 3)
            #expect(try span("commit segment").tag("db.system.name").string == "sqlite")
            #expect(try span("send up").tag("messaging.system").string == "mqtt")
            let kinds = [
                "POST /v1/transactions": "server", "create transaction": "producer",
                "commit segment": "client", "sync batch": "internal", "send up": "client",
                "process up": "consumer", "merge": "internal", "send ack": "producer",
                "settle": "consumer",
            ]
            for (name, kind) in kinds {
                #expect(try span(name).tag("span.kind").string == kind, "\(name)")
            }
            let central = ["process up", "merge", "send ack"]
            for name in Self.parents.keys {
                let service = central.contains(name) ? "tributary-aggregator" : "tributary-agent"
                #expect(try span(name).service == service, "\(name)")
            }
        }

        private func expectDrawing(_ id: String, _ fleet: Fleet) throws {
            let arguments = ["journey", id, "--aggregator", fleet.aggregator.daemon.url, "--trace"]
            let words = try Program.run(
                "tributary-trace", arguments, in: fleet.home, environment: ["COLUMNS": "80"])
            #expect(words.exit == .status(0), "\(words.output)")
            for name in Self.parents.keys {
                #expect(words.output.contains(name), "\(name) in \(words.output)")
            }
            #expect(words.output.contains("trace \(Self.trace)"))
            #expect(
                words.output.contains("link to create transaction of 4bf92f35"), "\(words.output)")
            let lines = words.output.split(separator: "\n")
            #expect(lines.allSatisfy { $0.count <= 80 }, "\(words.output)")
            let json = try Program.trace(arguments + ["--json"], in: fleet.home).json()
            #expect(json["id"].string == id)
            let drawn = (json["traces"].array ?? []).flatMap { $0["spans"].array ?? [] }
            #expect(Set(drawn.compactMap { $0["name"].string }) == Set(Self.parents.keys))
            let agent = ["journey", id, "--agent", fleet.agents[0].daemon.url, "--trace"]
            let usage = try Program.trace(agent, in: fleet.home)
            #expect(usage.exit == .status(2) && usage.output.contains("--aggregator"))
        }
    }
}
