import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// Every kind of bad input that the daemons promise to answer clearly, in one list. Requests are
    /// sent here, to a running agent or aggregator; for the rest, the row names the suites that do.
    @Suite struct BadInputTests {
        enum Row {
            case agent(String, BadRequest)
            case aggregator(String, BadRequest)
            case elsewhere(String, provedIn: [Any.Type])
        }

        static let rows: [Row] = [
            .agent("not JSON", body("{\"postings\"", "malformed_json", at: nil)),
            .agent("wrong types", body(#"{"postings":"all"}"#, at: "postings")),
            .agent("a zero amount", posting(amount: "0", at: "amount")),
            .agent("a negative amount", posting(amount: "-5", at: "amount")),
            .agent("a fractional amount", posting(amount: "0.5", at: "amount")),
            .agent(
                "an amount that is too large", posting(amount: "9223372036854775808", at: "amount")),
            .agent(
                "an unknown field, with its path", posting(more: #","colour":"red""#, at: "colour")),
            .agent("a bad account", posting(source: "no spaces", at: "source")),
            .agent("a bad asset", posting(asset: "euro", at: "asset")),
            .agent("65 postings", body(transaction(sales(65)), at: "postings")),
            .agent(
                "5 KiB of metadata",
                body(
                    transaction(
                        sales(1), #","metadata":{"a":"\#(text(2_560))","b":"\#(text(2_560))"}"#),
                    at: "metadata")),
            .agent(
                "a body of 3 MiB",
                body(
                    transaction(sales(1), #","reference":"\#(text(3 << 20))""#), "too_large", 413,
                    at: nil)),
            .agent(
                "the wrong media type",
                body(
                    transaction(sales(1)), "unsupported_media_type", 415, at: nil,
                    headers: ["Content-Type": "application/xml"])),
            .agent("an unknown id", read("/v1/transactions/till-9.k3f9qa2m.1", 404, "not_found")),
            .aggregator(
                "an unknown id", read("/v1/transactions/till-9.k3f9qa2m.1", 404, "not_found")),
            .agent("a bad cursor", read("/v1/transactions?cursor=x", at: "cursor")),
            .agent("a bad cursor of accounts", read("/v1/accounts?cursor=-1", at: "cursor")),
            .aggregator("a bad cursor", read("/v1/transactions?cursor=x", at: "cursor")),
            .aggregator("a bad cursor of accounts", read("/v1/accounts?cursor=-1", at: "cursor")),
            .elsewhere("a truncated segment on the wire", provedIn: [WireDamageTests.self]),
            .elsewhere("a bit-flipped segment on the wire", provedIn: [WireDamageTests.self]),
            .elsewhere("the same poison sent twice", provedIn: [WireDamageTests.self]),
            .elsewhere("a corrupted database file", provedIn: [StartTests.self]),
            .elsewhere("a full disk", provedIn: [FullDiskTests.self]),
            .elsewhere("a full quota", provedIn: [StorageTests.self, RetentionTests.self]),
            .elsewhere("a taken port", provedIn: [StartTests.self]),
            .elsewhere("an unreachable broker's name", provedIn: [BadInputTests.self]),
            .elsewhere("a YAML typo", provedIn: [ConfigurationTests.self]),
            .elsewhere("10,000 idle connections", provedIn: [HostileClientTests.self]),
            .elsewhere("a client that sends a byte a second", provedIn: [HostileClientTests.self]),
        ]

        @Test func `each request of the list has its problem, and leaves no trace`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0].client.http
                for row in Self.rows {
                    switch row {
                    case .agent(let name, let request):
                        try request.named("agent: \(name)").expectProblem(from: agent)
                    case .aggregator(let name, let request):
                        try request.named("aggregator: \(name)").expectProblem(
                            from: fleet.aggregator.client.http)
                    case .elsewhere: break
                    }
                }
                #expect(try fleet.agents[0].client.sync().json["head"].int == 0)
                #expect(try fleet.aggregator.client.ledger().transactions == 0)
            }
        }

        @Test func `a broker whose name nobody knows is named, and sales go on`() async throws {
            try await withFleet { fleet in
                for (name, port, identity) in [
                    ("tributary-agent", try FreePort.next(), ["--id", "till-1"]),
                    ("tributary-aggregator", try FreePort.next(), []),
                ] {
                    let process = ChildProcess(
                        name: name, executable: "\(try FleetPlan.binariesBesideThis())/\(name)",
                        arguments: ["run"] + identity + [
                            "--data", "\(fleet.home)/alone-\(name)", "--listen",
                            "127.0.0.1:\(port)",
                            "--broker", "mqtt://no-such-broker.invalid:1883",
                        ], log: "\(fleet.home)/\(name).log")
                    try process.start()
                    defer { process.terminate() }
                    let http = HTTPClient(port: port)
                    // Ready means: can durably accept. What it waits for is said all the same.
                    try waitUntil("\(name) says what it waits for", within: .seconds(30)) {
                        let ready = try http.get("/readyz")
                        let state =
                            identity.isEmpty ? ready.text : try http.get("/v1/sync").text
                        return ready.status == 200 && state.contains("no-such-broker.invalid")
                    }
                    guard !identity.isEmpty else { continue }
                    try AgentClient(port: port).accept([.sale(1)])
                }
            }
        }

        // MARK: Requests

        private static func body(
            _ text: String, _ code: String = "invalid_field", _ status: Int = 400,
            at path: String?, headers: [String: String] = [:]
        ) -> BadRequest {
            BadRequest(
                name: "", headers: headers, body: Array(text.utf8), status: status, code: code,
                at: path)
        }

        private static func posting(
            source: String = "a:1", asset: String = "EUR/2", amount: String = "1",
            more: String = "", at member: String
        ) -> BadRequest {
            body(
                transaction(sale(source: source, asset: asset, amount: amount, more: more)),
                at: "postings[0].\(member)")
        }

        private static func read(
            _ path: String, _ status: Int = 400, _ code: String = "invalid_field",
            at part: String? = nil
        ) -> BadRequest {
            BadRequest(
                name: "", method: "GET", path: path, status: status, code: code, at: part)
        }

        private static func transaction(_ postings: String, _ more: String = "") -> String {
            #"{"postings":[\#(postings)]\#(more)}"#
        }

        private static func sales(_ count: Int) -> String {
            Array(repeating: sale(), count: count).joined(separator: ",")
        }

        private static func sale(
            source: String = "a:1", asset: String = "EUR/2", amount: String = "1",
            more: String = ""
        ) -> String {
            #"{"source":"\#(source)","destination":"b:1","asset":"\#(asset)","amount":\#(amount)\#(more)}"#
        }

        private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }
    }
}

extension BadRequest {
    fileprivate func named(_ name: String) -> BadRequest {
        var named = self
        named.name = name
        return named
    }
}
