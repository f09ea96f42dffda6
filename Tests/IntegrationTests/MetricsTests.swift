import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct MetricsTests {
        @Test func `both daemons tell what an operator needs, and promtool has nothing to say`()
            async throws
        {
            try await withRunningFleet(agentArguments: ["--limits-storage", "64MiB"]) { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept((1...20).map { .sale($0) })
                // A replay, and a refusal.
                try agent.client.accept([.sale(1)])
                _ = try agent.client.http.post("/v1/transactions", Array("{".utf8))
                _ = try agent.client.http.get("/v1/nothing")
                try fleet.waitUntilDrained()
                _ = try fleet.aggregator.client.auditedLedger()
                let agentMetrics = try Metrics(of: agent.client.http, saving: "agent", in: fleet)
                try agentMetrics.expect([
                    "tributary_agent_transactions_accepted_total": 20,
                    "tributary_agent_transactions_replayed_total": 1,
                    "tributary_agent_stream_head": 20, "tributary_agent_stream_acknowledged": 20,
                    "tributary_agent_backlog_transactions": 0,
                    "tributary_agent_backlog_bytes": 0,
                    "tributary_agent_backlog_oldest_age_seconds": 0,
                    "tributary_agent_storage_quota_bytes": 67_108_864, "tributary_agent_ready": 1,
                    "tributary_agent_connected": 1, "tributary_agent_connections_total": 1,
                    #"tributary_agent_session_state{state="streaming"}"#: 1,
                    #"tributary_agent_session_state{state="ended"}"#: 0,
                    #"tributary_http_problems_total{code="malformed_json"}"#: 1,
                    #"tributary_http_requests_total{method="POST",route="/v1/transactions",status="400"}"#:
                        1,
                    #"tributary_http_requests_total{method="any",route="none",status="404"}"#: 1,
                ])
                try agentMetrics.expectPositive([
                    "tributary_agent_commit_duration_seconds_count",
                    "tributary_agent_commit_duration_seconds_sum",
                    "tributary_agent_published_segments_total",
                    "tributary_agent_published_bytes_total",
                    "tributary_agent_acknowledgements_total", "tributary_agent_storage_bytes",
                    "tributary_agent_last_acknowledgement_timestamp_seconds",
                    #"tributary_http_request_duration_seconds_count{method="POST",route="/v1/transactions"}"#,
                ])
                #expect(agentMetrics.values["tributary_agent_commit_transactions_sum"] == 20)

                let hub = fleet.aggregator.client.http
                try waitUntil("the rows have followed the log", within: .seconds(15)) {
                    let values = try Metrics(of: hub).values
                    return values["tributary_aggregator_indexed_position"]
                        == values["tributary_aggregator_log_position"]
                }
                let hubMetrics = try Metrics(of: hub, saving: "aggregator", in: fleet)
                try hubMetrics.expect([
                    "tributary_aggregator_merged_transactions_total": 20,
                    "tributary_aggregator_set_aside_events_total": 0,
                    #"tributary_aggregator_agents{state="online"}"#: 1,
                    #"tributary_aggregator_agents{state="offline"}"#: 0,
                    "tributary_aggregator_stopped_streams": 0,
                    "tributary_aggregator_backlog_transactions": 0,
                    "tributary_aggregator_backlog_worst_transactions": 0,
                    "tributary_aggregator_lag_worst_seconds": 0,
                    "tributary_aggregator_conserved": 1, "tributary_aggregator_ready": 1,
                    "tributary_aggregator_connected": 1,
                    #"tributary_aggregator_dropped_total{reason="bad_signature"}"#: 0,
                ])
                try hubMetrics.expectPositive([
                    "tributary_aggregator_received_segments_total",
                    "tributary_aggregator_merged_segments_total",
                    "tributary_aggregator_commit_duration_seconds_count",
                    "tributary_aggregator_acknowledgements_total",
                    "tributary_aggregator_audited_position",
                    "tributary_aggregator_log_position",
                    "tributary_aggregator_indexed_position",
                    "tributary_aggregator_storage_bytes",
                ])
                fleet.expectCleanEnds()
            }
        }

        @Test func `an agent that is cut off tells its backlog and its age`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                agent.link.cut()
                try agent.client.accept((1...5).map { .sale($0) })
                try waitUntil("the cut is noticed", within: .seconds(15)) {
                    try Metrics(of: agent.client.http).values["tributary_agent_connected"] == 0
                }
                let metrics = try Metrics(of: agent.client.http)
                try metrics.expect([
                    "tributary_agent_backlog_transactions": 5,
                    #"tributary_agent_session_state{state="offline"}"#: 1,
                ])
                try metrics.expectPositive([
                    "tributary_agent_backlog_bytes", "tributary_agent_backlog_oldest_age_seconds",
                ])
                #expect(metrics.values["tributary_agent_storage_quota_bytes"] == nil)
            }
        }
    }
}

/// One scrape.
private struct Metrics {
    /// By name and labels, as they stand in the text.
    let values: [String: Double]

    init(of http: HTTPClient) throws {
        let response = try http.get("/metrics")
        #expect(response.status == 200)
        #expect(response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        values = Dictionary(
            uniqueKeysWithValues: try response.text.split(separator: "\n").filter {
                !$0.hasPrefix("#")
            }.map { line in
                let end = try #require(line.lastIndex(of: " "), "\(line)")
                let value = try #require(Double(line[line.index(after: end)...]), "\(line)")
                return (String(line[..<end]), value)
            })
    }

    /// As `init(of:)`, and lets `promtool check metrics` read it; what it says of a metric is a fault.
    init(of http: HTTPClient, saving name: String, in fleet: Fleet) throws {
        try self.init(of: http)
        let path = "\(fleet.home)/\(name).prom"
        try http.get("/metrics").text.write(toFile: path, atomically: true, encoding: .utf8)
        let promtool = ChildProcess(
            name: "promtool", executable: "/bin/sh",
            arguments: ["-c", "exec promtool check metrics < '\(path)'"], log: "\(path).checked")
        try promtool.start()
        let exit = promtool.waitUntilEnded(within: .seconds(30))
        #expect(exit == .status(0), "\(promtool.logTail(lines: 50))")
        #expect(promtool.logTail() == "", "promtool on \(name)")
        for process in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"] {
            #expect(try #require(values["process_\(process)"]) > 0)
        }
        let started = try #require(values["process_start_time_seconds"])
        #expect(abs(Date().timeIntervalSince1970 - started) < 300)
        #expect(values.keys.contains { $0.hasPrefix("tributary_build_info{version=") })
    }

    func expect(
        _ expected: [String: Double], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (name, value) in expected {
            let found = try #require(values[name], "\(name)", sourceLocation: sourceLocation)
            #expect(found == value, "\(name)", sourceLocation: sourceLocation)
        }
    }

    func expectPositive(
        _ names: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for name in names {
            let found = try #require(values[name], "\(name)", sourceLocation: sourceLocation)
            #expect(found > 0, "\(name)", sourceLocation: sourceLocation)
        }
    }
}
