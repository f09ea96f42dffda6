import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What clients send is theirs: it stands in the ledger, and in no log.
    @Suite struct LogTests {
        /// Stands in every field that a client can fill. Small letters and digits may stand
        /// everywhere.
        private static let marker = "zq7marker"
        private static let amount = "771234567891234"

        @Test(arguments: ["text", "json"])
        func `no log holds what a client sent, at the most talkative level`(format: String)
            async throws
        {
            try await withHome { home in
                let talkative = ["--log-level", "trace", "--log-format", format]
                var plan = FleetPlan(
                    home: home, binaries: try FleetPlan.binariesBesideThis(), agents: ["till-1"])
                plan.agentArguments = talkative
                plan.aggregatorArguments = talkative
                let fleet = try Fleet(plan)
                defer { fleet.end() }
                try fleet.start()
                let agent = fleet.agents[0]
                try record(at: agent.client.http)
                try misuse(agent.client.http)
                try fleet.waitUntilDrained()
                try misuse(fleet.aggregator.client.http)
                // What is said about lost and found connections, and new sessions.
                agent.link.cut()
                try record(at: agent.client.http)
                agent.link.heal()
                try fleet.aggregator.daemon.killAndRestart()
                try fleet.waitUntilDrained()
                fleet.expectCleanEnds()
                for daemon in fleet.daemons { try expectSilence(of: daemon, format) }
            }
        }

        /// Good ones, with the marker wherever text of a client can stand.
        private func record(at http: HTTPClient) throws {
            let headers = ["Idempotency-Key": "\"\(Self.marker)-\(UInt32.random(in: 0 ... .max))\""]
            let response = try http.post(
                "/v1/transactions", Array(transaction().utf8), headers: headers)
            #expect(response.status == 201, "\(response.text)")
            let batch = #"{"transactions":[\#(transaction()),\#(transaction(amount: "0"))]}"#
            #expect(try http.post("/v1/transactions/batch", Array(batch.utf8)).status == 200)
            // The same key for another request.
            let other = Array(transaction(reference: "another").utf8)
            #expect(try http.post("/v1/transactions", other, headers: headers).status == 422)
        }

        private func transaction(reference: String = Self.marker, amount: String = Self.amount)
            -> String
        {
            #"""
            {"postings":[{"source":"\#(Self.marker):a","destination":"\#(Self.marker):b",
            "asset":"EUR/2","amount":\#(amount)}],"reference":"\#(reference)",
            "metadata":{"\#(Self.marker)":"\#(Self.marker)"}}
            """#
        }

        /// Bad ones of each kind: a daemon refuses them, and may quote them to their sender alone.
        private func misuse(_ http: HTTPClient) throws {
            let marker = Self.marker
            let posting = #"{"source":"a","destination":"b","asset":"EUR/2","amount":1}"#
            let bodies = [
                marker, "{\"\(marker)", "[\"\(marker)\"]", #"{"\#(marker)":1}"#,
                #"{"postings":"\#(marker)"}"#, transaction(amount: "\"\(marker)\""),
                transaction(amount: "-\(Self.amount)"), transaction(amount: "\(Self.amount).5"),
                transaction(amount: Self.amount + Self.amount),
                #"{"postings":[{"source":"\#(marker)::","destination":"b","asset":"E","amount":1}]}"#,
                #"{"postings":[{"source":"a","destination":"b","asset":"\#(marker)","amount":1}]}"#,
                #"{"postings":[\#(posting)],"kind":"\#(marker)"}"#,
                #"{"postings":[\#(posting)],"occurred_at":"\#(marker)"}"#,
                #"{"postings":[\#(posting)],"related":"\#(marker)"}"#,
                #"{"postings":[\#(posting)],"reference":"\#(String(repeating: marker, count: 99))"}"#,
                #"{"postings":[\#(posting)],"metadata":{"\#(marker)":1}}"#,
                #"{"transactions":["\#(marker)"]}"#,
            ]
            for body in bodies {
                for path in ["/v1/transactions", "/v1/transactions/batch"] {
                    _ = try http.post(path, Array(body.utf8))
                }
            }
            for headers in [
                ["Content-Type": "text/\(marker)"], ["Idempotency-Key": "\"\(marker)"],
                ["Accept": marker, "X-\(marker)": marker], ["traceparent": marker],
            ] {
                _ = try http.post("/v1/transactions", Array("{}".utf8), headers: headers)
            }
            for path in [
                "/v1/transactions/\(marker)", "/v1/accounts/\(marker)", "/v1/accounts/\(marker)::",
                "/v1/agents/\(marker)", "/v1/transactions/\(marker)/journey", "/\(marker)",
                "/v1/transactions?account=\(marker)", "/v1/transactions?account=\(marker):a",
                "/v1/transactions?reference=\(marker)", "/v1/transactions?cursor=\(marker)",
                "/v1/transactions?\(marker)=1", "/v1/accounts?prefix=\(marker)",
                "/v1/transactions?limit=\(marker)", "/problems/\(marker)",
            ] {
                _ = try http.get(path)
                _ = try http.send("DELETE", path)
            }
        }

        /// Expects a log of whole lines, none of which holds anything of the client's.
        private func expectSilence(of daemon: Daemon, _ format: String) throws {
            let log = try String(contentsOfFile: daemon.process.log, encoding: .utf8)
            let lines = log.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            #expect(lines.count >= 3, "\(daemon.name) says what it does")
            for line in lines {
                #expect(!line.lowercased().contains(Self.marker), "\(daemon.name): \(line)")
                #expect(!line.contains(Self.amount), "\(daemon.name): \(line)")
                if format == "json" {
                    let json = try JSONValue(parsing: Array(line.utf8))
                    for name in ["time", "level", "logger", "message"] {
                        #expect(json[name].string?.isEmpty == false, "\(name) of \(line)")
                    }
                } else {
                    let head = #/^\d{4}-\d\d-\d\dT[0-9:.]+Z [a-z]+ [\w.-]+: \S/#
                    #expect(line.firstMatch(of: head) != nil, "\(line)")
                }
            }
        }
    }
}
