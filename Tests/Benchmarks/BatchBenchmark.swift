import FleetHarness
import Histogram

import struct Workload.SplitMix64

/// A thousand transactions a request, as JSON, durable before the answer.
enum BatchBenchmark {
    private static let connections = 4
    private static let batch = 1_000
    private static let distinctRequests = 32

    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "batch")
        defer { site.end() }
        let agent = try site.startAgent()
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 2)
        let requests = try (0..<distinctRequests).map { _ in
            let items = try (0..<batch).map { _ in try ledgers.json(&random) }.joined(
                separator: ",")
            return httpRequest(
                path: "/v1/transactions/batch", port: agent.port,
                body: "{\"transactions\":[\(items)]}")
        }
        let processorBefore = try ProcessUse.processorSeconds(agent.pid())
        var generator = try LoadGenerator(
            port: agent.port, connections: connections, requests: requests, expecting: 200)
        let load = try generator.run(.closed, plan)
        let processor = try ProcessUse.processorSeconds(agent.pid()) - processorBefore
        // The answers are not read item by item: the log says what was accepted.
        let accepted = load.answeredEver * batch
        guard try agent.head() == accepted else {
            throw Implausible("\(accepted) were sent, and the log has \(try agent.head())")
        }
        return [
            Figure(
                .batch, "transactions", load.perSecond * Double(batch), "tx/s", goal: "≥ 300000",
                note: "\(batch) a request, \(connections) connections"),
            Figure(
                .batch, "agent processor time", processor / Double(accepted) * 1e6, "µs/tx",
                note:
                    "the load generator takes \(Int(load.generatorSeconds / load.seconds * 100)) % of a core"
            ),
        ]
            + load.latencies.figures(
                .batch, "closed loop", note: "a batch; without what would have waited")
    }
}
