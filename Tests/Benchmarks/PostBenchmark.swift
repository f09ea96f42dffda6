import FleetHarness
import Histogram

import struct Workload.SplitMix64

/// One transaction a request, durable before the answer, at a real agent.
///
/// The agent is connected to a broker and no aggregator answers: what is measured is accepting.
enum PostBenchmark {
    private static let connections = 64
    private static let distinctRequests = 8_192
    /// Of the closed loop's rate: busy, and not beyond what it can take.
    private static let openLoopShare = 0.7

    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "post")
        defer { site.end() }
        let agent = try site.startAgent()
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 1)
        let requests = try (0..<distinctRequests).map { _ in
            httpRequest(path: "/v1/transactions", port: agent.port, body: try ledgers.json(&random))
        }
        let processorBefore = try ProcessUse.processorSeconds(agent.pid())
        let closed = try load(.closed, agent, requests, plan)
        let processor = try ProcessUse.processorSeconds(agent.pid()) - processorBefore
        let rate = closed.perSecond * openLoopShare
        let open = try load(.open(perSecond: rate), agent, requests, plan)
        let accepted = closed.answeredEver + open.answeredEver
        guard try agent.head() == accepted else {
            throw Implausible(
                "\(accepted) requests were accepted, and the log has \(try agent.head())")
        }
        return [
            Figure(
                .post, "requests", closed.perSecond, "req/s", goal: "≥ 40000",
                note: "\(connections) connections, each answer durable")
        ]
            + closed.latencies.figures(
                .post, "closed loop", goals: [99: "≤ 10"], note: "without what would have waited")
            + [
                Figure(
                    .post, "open loop rate", open.perSecond, "req/s",
                    note: "due: \(Int(rate)) req/s")
            ]
            + open.latencies.figures(.post, "open loop", note: "from when the request was due")
            + [
                Figure(
                    .post, "agent processor time", processor / Double(closed.answeredEver) * 1e6,
                    "µs/req",
                    note:
                        "the load generator takes \(Int(closed.generatorSeconds / closed.seconds * 100)) % of a core"
                ),
                Figure(
                    .post, "agent RSS peak", try ProcessUse.residentPeak(agent.pid()) / 1e6, "MB"),
            ]
    }

    private static func load(
        _ pace: Pace, _ agent: DaemonProcess, _ requests: [[UInt8]], _ plan: Plan
    ) throws -> Load {
        var generator = try LoadGenerator(
            port: agent.port, connections: connections, requests: requests, expecting: 201)
        return try generator.run(pace, plan)
    }
}
