import FleetHarness
import Histogram
import TextFormats

import struct Workload.SplitMix64

/// How long a transaction takes from being accepted to being merged, at an easy rate.
///
/// Agent and aggregator read the same clock here, so that the agent's receipts, which hold the times of both, say it.
enum LatencyBenchmark {
    private static let perSecond = 1_000.0
    private static let connections = 8
    private static let samplesMax = 2_000

    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "latency")
        defer { site.end() }
        _ = try site.startAggregator()
        let agent = try site.startAgent()
        try agent.waitUntilStreaming()
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 3)
        let requests = try (0..<4_096).map { _ in
            httpRequest(path: "/v1/transactions", port: agent.port, body: try ledgers.json(&random))
        }
        var generator = try LoadGenerator(
            port: agent.port, connections: connections, requests: requests, expecting: 201)
        let load = try generator.run(.open(perSecond: perSecond), plan)
        try waitUntil("everything acknowledged", within: .seconds(30)) {
            try agent.http.json("/v1/sync")["backlog"]["count"].int == 0
        }
        let (merged, acknowledged) = try journeys(agent, behind: load)
        let note = "at \(Int(load.perSecond)) tx/s"
        return load.latencies.figures(
            .latency, "POST answered", note: "\(note), from when it was due")
            + merged.figures(
                .latency, "accepted → merged", goals: [50: "≤ 5", 99: "≤ 20"],
                note: "\(note), the aggregator's commit")
            + acknowledged.figures(.latency, "accepted → acked", note: "\(note), back at the agent")
    }

    /// Of the measured transactions, evenly picked.
    private static func journeys(
        _ agent: DaemonProcess, behind load: Load
    ) throws -> (merged: Histogram<UInt64>, acknowledged: Histogram<UInt64>) {
        var merged = Histogram<UInt64>.ofLatencies()
        var acknowledged = Histogram<UInt64>.ofLatencies()
        guard let stream = try agent.http.json("/v1/sync")["stream"].string else {
            throw Implausible("GET /v1/sync names no stream")
        }
        let first = load.answeredEver - load.answered + 1
        let step = max(1, load.answered / samplesMax)
        for sequence in stride(from: first, through: load.answeredEver, by: step) {
            let path = "/v1/transactions/bench.\(stream).\(sequence)/journey"
            let journey = try waitForReceipt(agent, path)
            let accepted = try time(journey["accepted_at"], path)
            let committed = try time(journey["receipt"]["committed_at"], path)
            let arrived = try time(journey["receipt"]["acknowledged_at"], path)
            merged.record(UInt64(max(0, committed - accepted)) * 1_000)
            acknowledged.record(UInt64(max(0, arrived - accepted)) * 1_000)
        }
        return (merged, acknowledged)
    }

    /// Receipts are written with the next commit, or after a second.
    private static func waitForReceipt(_ agent: DaemonProcess, _ path: String) throws -> JSONValue {
        try wait(for: "the receipt of \(path)", within: .seconds(10)) {
            let journey = try agent.http.json(path)
            return journey["receipt"] == .null ? nil : journey
        }
    }

    /// Microseconds since 1970.
    private static func time(_ value: JSONValue, _ path: String) throws -> Int64 {
        guard let text = value.string, let time = RFC3339.microseconds(text) else {
            throw Implausible("\(path) has no time in \(value)")
        }
        return time
    }
}
