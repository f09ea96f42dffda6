import FleetHarness
import Foundation

/// What an agent and an aggregator take while nothing happens.
enum MemoryBenchmark {
    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "memory")
        defer { site.end() }
        let aggregator = try site.startAggregator()
        let agent = try site.startAgent()
        try agent.waitUntilStreaming()
        let rest = plan.isQuick ? 1.0 : 10
        Thread.sleep(forTimeInterval: rest)
        let note = "connected, after \(Int(rest)) s"
        return [
            Figure(
                .memory, "idle agent RSS", try ProcessUse.resident(agent.pid()) / 1e6, "MB",
                goal: "≤ 32",
                note: note),
            Figure(
                .memory, "idle aggregator RSS", try ProcessUse.resident(aggregator.pid()) / 1e6,
                "MB",
                note: note),
        ]
    }
}
