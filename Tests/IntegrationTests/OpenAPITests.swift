import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// Every route of both daemons, asked for what its description promises. To cover a new one:
    /// describe it where it is added; a GET without parameters, or with those of ``values``, is then
    /// asked by itself. What needs a body or has more answers gets a line in the tests below.
    @Suite struct OpenAPITests {
        /// For a path parameter, by the schema that it refers to or its own name: one that is
        /// known, one that is unknown, and one that is none at all.
        private struct Value {
            let known: String
            let unknown: String
            var malformed: String?
        }

        /// What a test could only provoke by breaking the machine, or in another test: the queues
        /// full, the disk full or failed, the daemon stopping.
        private static let unprovoked: Set = [500, 503, 507]
        /// What only another version can: it reads what this one cannot.
        private static let ofOtherVersions = ["releaseQuarantined": Set([200])]

        @Test func `every route of an agent answers as its document says`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                _ = try fleet.makeFork()
                let conflict = try wait(for: "the fork is told", within: .seconds(20)) {
                    try agent.client.http.items("/v1/conflicts").first?["id"].string
                }
                let id = try agent.client.accept((41...43).map { .sale($0) })[0]
                try fleet.waitUntilDrained()
                try waitUntil("the receipt is written", within: .seconds(15)) {
                    try agent.client.http.json("/v1/transactions/\(id)/journey")["receipt"] != .null
                }
                let api = try DescribedAPI(agent.client.http)
                try recordEverything(with: api)
                try walk(
                    api, values: values(id, conflict),
                    queries: [
                        "account": "customers:1", "reference": "r", "kind": "fork",
                        "status": "open",
                        "last_event_id": "\(id.split(separator: ".")[1])-0",
                    ])
                fleet.expectCleanEnds()
            }
        }

        @Test func `every route of an aggregator answers as its document says`() async throws {
            try await withRunningFleet(aggregatorArguments: ["--streams-approval", "operator"]) {
                fleet in
                _ = try fleet.makePoison()
                let id = try fleet.agents[0].client.accept((4...6).map { .sale($0) })[0]
                _ = try fleet.agents[0].client.http.post(
                    "/v1/transactions", Workload.Operation.sale(7).transactionJSON(),
                    headers: ["traceparent": "00-\(Self.trace)-00f067aa0ba902b7-01"])
                try fleet.waitUntilDrained()
                _ = try fleet.aggregator.client.auditedLedger()
                let http = fleet.aggregator.client.http
                try waitUntil("the spans are kept", within: .seconds(15)) {
                    try http.get("/api/traces/\(Self.trace)").status == 200
                }
                try waitUntil("the rows have followed the log", within: .seconds(15)) {
                    let ledger = try http.json("/v1/ledger")
                    return ledger["indexed_through"] == ledger["position"]
                }
                let api = try DescribedAPI(http)
                let lines = try api.ask(
                    "searchTransactions", "/v1/transactions", status: 200,
                    headers: ["Accept": "application/x-ndjson"])
                #expect(lines.text.split(separator: "\n").count == 6)
                let conflict = try decideEverything(with: api, fleet)
                try walk(
                    api, values: values(id, conflict),
                    queries: [
                        "account": "customers:1", "agent": "till-1", "reference": "r",
                        "prefix": "customers", "kind": "transfer", "status": "merged",
                        "listConflicts kind": "quarantined", "listConflicts status": "open",
                        "from": "2026-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z",
                        "last_event_id": "1-0-1",
                    ])
                fleet.expectCleanEnds()
            }
        }

        private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

        private func values(_ id: String, _ conflict: String) -> [String: Value] {
            [
                "ConflictID": Value(
                    known: conflict, unknown: conflict.replacing(#/\d+$/#, with: "999"),
                    malformed: "what"),
                "TransactionID": Value(
                    known: id, unknown: id.replacing(#/\d+$/#, with: "999"), malformed: "what"),
                "Account": Value(
                    known: "customers:1", unknown: "customers:none", malformed: "a::b"),
                "AgentID": Value(known: "till-1", unknown: "till-999", malformed: "Till"),
                "TraceID": Value(
                    known: Self.trace, unknown: String(repeating: "1", count: 32),
                    malformed: "what"),
                "name": Value(known: "not-found", unknown: "nothing"),
            ]
        }

        // MARK: What needs a body

        private func recordEverything(with api: DescribedAPI) throws {
            let posting =
                #"{"source":"customers:1","destination":"stores:1","asset":"EUR/2","amount":1}"#
            let all = #"""
                {"postings":[\#(posting)],"kind":"transfer","reference":"r","metadata":{"a":"b"},
                "occurred_at":"2026-11-20T10:00:00Z","related":"till-9.k3f9qa2m.1"}
                """#
            let path = "/v1/transactions"
            let key = ["Idempotency-Key": "\"openapi\""]
            try api.ask("recordTransaction", path, status: 201, headers: key, body: all)
            let replayed = try api.ask(
                "recordTransaction", path, status: 200, headers: key, body: all)
            #expect(replayed.headers["idempotency-replayed"] == "true")
            let one = #"{"postings":[\#(posting)]}"#
            try api.ask("recordTransaction", path, status: 422, headers: key, body: one)
            let large = one.replacing(":1}]", with: ":9007199254740993}]")
            let answer = try api.ask("recordTransaction", path, status: 201, body: large)
            #expect(try answer.json()["postings"][0]["amount"] == "9007199254740993")
            let batch = #"{"transactions":[\#(all),\#(one),{"postings":[]}]}"#
            try api.ask("recordBatch", "\(path)/batch", status: 200, body: batch)
            let group =
                #"{"transactions":[\#(all),\#(one)],"atomic":true,"idempotency_key":"g"}"#
            try api.ask("recordBatch", "\(path)/batch", status: 200, body: group)
            let repeated = try api.ask("recordBatch", "\(path)/batch", status: 200, body: group)
            #expect(repeated.headers["idempotency-replayed"] == "true")
            let other = group.replacing("\(all),", with: "")
            try api.ask("recordBatch", "\(path)/batch", status: 422, body: other)
            let lines = try api.ask(
                "recordBatch", "\(path)/batch", status: 200,
                headers: ["Content-Type": "application/x-ndjson"], body: "\(one)\n{}\n\(one)")
            #expect(lines.text.split(separator: "\n").count == 3)
            for (id, path) in [("recordTransaction", path), ("recordBatch", "\(path)/batch")] {
                for bad in ["{", "{}", "[]"] { try api.ask(id, path, status: 400, body: bad) }
                let long = String(repeating: " ", count: 3 << 20)
                try api.ask(id, path, status: 413, body: long)
                let type = ["Content-Type": "text/csv"]
                try api.ask(id, path, status: 415, headers: type, body: one)
            }
        }

        /// What an operator decides, and what is refused.
        ///
        /// - Returns: a conflict.
        private func decideEverything(with api: DescribedAPI, _ fleet: Fleet) throws -> String {
            let agent = fleet.agents[0]
            let good = #"{"operator":"ada","reason":"a test"}"#
            let id = try #require(try fleet.aggregator.client.conflicts().first?["id"].string)
            let conflict = "/v1/conflicts/\(id)/resolve"
            let quarantine = "/v1/quarantine/\(id)/release"
            let agents = "/v1/agents/till-1"
            try api.ask("releaseQuarantined", quarantine, status: 409, body: good)
            try api.ask("resolveConflict", conflict, status: 200, body: good)
            try api.ask("resolveConflict", conflict, status: 409, body: good)
            try api.ask("approveStream", "\(agents)/approve", status: 409, body: good)
            try agent.daemon.replaceData(with: nil)
            try agent.daemon.start()
            let stream = try #require(try agent.client.sync().json["stream"].string)
            try waitUntil("it waits for approval", within: .seconds(30)) {
                try fleet.aggregator.client.agents()[0]["state"] == "unapproved"
            }
            try api.ask("approveStream", "\(agents)/approve", status: 200, body: good)
            let named = #"{"operator":"ada","reason":"a test","stream":"\#(stream)"}"#
            try api.ask("closeStream", "\(agents)/close-stream", status: 200, body: named)
            try api.ask("closeStream", "\(agents)/close-stream", status: 409, body: named)
            try api.ask("declareLost", "\(agents)/declare-lost", status: 200, body: named)
            try api.ask("declareLost", "\(agents)/declare-lost", status: 409, body: named)
            let foreign = #"{"operator":"ada","reason":"a test","stream":"00000000"}"#
            for (name, path) in [
                ("approveStream", "approve"), ("closeStream", "close-stream"),
                ("declareLost", "declare-lost"),
            ] {
                try api.ask(name, "\(agents)/\(path)", status: 404, body: foreign)
                try api.ask(name, "/v1/agents/till-9/\(path)", status: 404, body: good)
                try refuseEverything(name, "\(agents)/\(path)", with: api)
            }
            for (name, path) in [("resolveConflict", conflict), ("releaseQuarantined", quarantine)]
            {
                let unknown = path.replacing(id, with: "hub.00000000.1")
                try api.ask(name, unknown, status: 404, body: good)
                try refuseEverything(name, path, with: api)
                try api.ask(name, path, status: 400, body: named)
            }
            return id
        }

        private func refuseEverything(
            _ name: String, _ path: String, with api: DescribedAPI
        ) throws {
            for bad in ["{", "{}", #"{"operator":"","reason":"a"}"#, #"{"operator":"a"}"#] {
                try api.ask(name, path, status: 400, body: bad)
            }
            let long = String(repeating: " ", count: 1 << 20)
            try api.ask(name, path, status: 413, body: long)
            try api.ask(name, path, status: 415, headers: ["Content-Type": "text/csv"], body: "{}")
        }

        // MARK: What can be asked without

        private func walk(
            _ api: DescribedAPI, values: [String: Value], queries: [String: String]
        ) throws {
            #expect(api.document["openapi"] == "3.1.1")
            try api.expectUsableSchemas()
            for operation in api.operations where operation.method == "GET" {
                try read(operation, of: api, values, queries)
            }
            for operation in api.operations {
                let missing = operation.statuses.subtracting(api.seen[operation.id] ?? [])
                    .subtracting(Self.unprovoked)
                    .subtracting(Self.ofOtherVersions[operation.id] ?? [])
                #expect(missing.isEmpty, "\(operation.id) was never made to answer \(missing)")
            }
            try api.expectOtherMethodsRefused()
        }

        private func read(
            _ operation: DescribedAPI.Operation, of api: DescribedAPI, _ values: [String: Value],
            _ queries: [String: String]
        ) throws {
            if operation.isStream { return try follow(operation, of: api, queries) }
            var paths = [(path: operation.template, status: 200)]
            for parameter in operation.parameters(in: "path") {
                let name = try #require(parameter["name"].string)
                let type = parameter["schema"]["$ref"].string?.split(separator: "/").last
                let value = try #require(
                    values[type.map(String.init) ?? name], "\(operation.id): a value for \(name)")
                let choices =
                    [(text: value.known, status: 200), (text: value.unknown, status: 404)]
                    + (value.malformed.map { [(text: $0, status: 400)] } ?? [])
                let described = choices.filter { operation.statuses.contains($0.status) }
                paths = paths.flatMap { known in
                    described.map { choice in
                        (
                            path: known.path.replacing("{\(name)}", with: choice.text),
                            status: max(known.status, choice.status)
                        )
                    }
                }
            }
            for (path, status) in paths { try api.ask(operation.id, path, status: status) }
            let known = paths[0].path
            try api.expectQueryParametersDescribed(operation, path: known)
            for parameter in operation.parameters(in: "query") {
                let name = try #require(parameter["name"].string)
                let wished = queries["\(operation.id) \(name)"] ?? queries[name]
                guard let value = name == "limit" ? "1" : wished else {
                    #expect(name == "cursor", "\(operation.id): a value for \(name)")
                    continue
                }
                let page = try api.ask(operation.id, "\(known)?\(name)=\(value)", status: 200)
                guard name == "limit", let next = try page.json()["next"].string else { continue }
                #expect(page.headers["link"]?.contains("cursor=") == true)
                try api.ask(operation.id, "\(known)?limit=1&cursor=\(next)", status: 200)
            }
        }

        /// A stream of events has no end: the first of them are read, with each of its parameters.
        private func follow(
            _ operation: DescribedAPI.Operation, of api: DescribedAPI, _ queries: [String: String]
        ) throws {
            let begin = try #require(queries[LastPlace.parameter], "where \(operation.id) begins")
            let path = "\(operation.template)?\(LastPlace.parameter)=\(begin)"
            try api.follow(operation, path, events: 4)
            for parameter in operation.parameters(in: "query") {
                let name = try #require(parameter["name"].string)
                guard name != LastPlace.parameter else { continue }
                let value = try #require(queries[name], "\(operation.id): a value for \(name)")
                try api.follow(operation, "\(path)&\(name)=\(value)", events: 2)
            }
            try api.expectQueryParametersDescribed(operation, path: operation.template)
        }

        private enum LastPlace {
            static let parameter = "last_event_id"
        }
    }
}
