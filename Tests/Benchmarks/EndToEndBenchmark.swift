import FleetHarness
import Foundation

/// The whole path: accepted by an embedded agent, durable there, through a real broker, merged by a real aggregator in its
/// default configuration, durable there, acknowledged.
enum EndToEndBenchmark {
    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "end-to-end")
        defer { site.end() }
        let aggregator = try site.startAggregator()
        let warmUp = plan.isQuick ? 20_000 : 200_000
        let (result, aggregatorSeconds) = try run(warmUp, site, aggregator, plan)
        let client = AggregatorClient(port: aggregator.port)
        let ledger = try client.auditedLedger(within: .seconds(300))
        let total = warmUp + plan.transactions
        guard ledger.transactions == total, ledger.isConserved == true else {
            throw Implausible(
                "\(total) were acked, and the ledger says \(ledger.transactions), conserved: "
                    + "\(ledger.isConserved.map(String.init) ?? "unknown")")
        }
        return figures(result, aggregatorSeconds, plan)
            + [
                Figure(
                    .endToEnd, "aggregator RSS peak",
                    try ProcessUse.residentPeak(aggregator.pid()) / 1e6, "MB",
                    goal: "≤ 256", note: "audit included")
            ]
    }

    /// The agent is in a process of its own, so that its memory and its processor time are its own.
    private static func run(
        _ warmUp: Int, _ site: Site, _ aggregator: DaemonProcess, _ plan: Plan
    ) throws -> (AgentSideResult, aggregatorSeconds: Double) {
        let file = "\(site.home)/result.json"
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let agent = ChildProcess(
            name: "agent side", executable: executable,
            arguments: [
                AgentSideCommand.configuration.commandName ?? "", "--data", "\(site.home)/agent",
                "--broker",
                site.broker.url, "--warm-up", "\(warmUp)", "--transactions", "\(plan.transactions)",
                "--result", file,
            ],
            log: "\(site.home)/agent.log")
        let before = try ProcessUse.processorSeconds(aggregator.pid())
        try agent.start()
        guard let exit = agent.waitUntilEnded(within: .seconds(600)), exit.isClean,
            let data = FileManager.default.contents(atPath: file)
        else {
            agent.kill()
            throw Implausible("the agent side did not end well\n\(agent.logTail())")
        }
        let seconds = try ProcessUse.processorSeconds(aggregator.pid()) - before
        return (try JSONDecoder().decode(AgentSideResult.self, from: data), seconds)
    }

    private static func figures(
        _ result: AgentSideResult, _ aggregatorSeconds: Double, _ plan: Plan
    ) -> [Figure] {
        let count = Double(plan.transactions)
        let total = count + Double(result.warmUp)
        func figure(
            _ name: String, _ value: Double, _ unit: String, _ goal: String? = nil,
            _ note: String? = nil
        )
            -> Figure
        { Figure(.endToEnd, name, value, unit, goal: goal, note: note) }
        return [
            figure(
                "accepted and acked", count / result.acknowledgedAfter, "tx/s", "≥ 1500000",
                "\(plan.transactions) transactions, \(Ledgers.accountCount) accounts"),
            figure("accepted", count / result.acceptedAfter, "tx/s"),
            figure("transactions a segment", result.transactionsPerSegment, "tx"),
            figure(
                "acks behind, p50", result.lagMedian * 1_000, "ms", nil,
                "from accepted to acked, sampled"),
            figure("acks behind, most", result.lagMost * 1_000, "ms"),
            figure("backlog, most", Double(result.backlogMost), "tx"),
            figure(
                "on the wire", Double(result.wireBytes) / count, "B/tx", "≤ 24",
                "TCP payload to the broker"),
            figure(
                "agent's log", Double(result.logBytes) / total, "B/tx", "≤ 32", "the database file"),
            figure(
                "agent processor time", result.processorSeconds / count * 1e6, "µs/tx", nil,
                "making them included"),
            figure("aggregator processor time", aggregatorSeconds / total * 1e6, "µs/tx"),
            figure(
                "agent RSS peak", result.residentPeak / 1e6, "MB", nil,
                String(format: "%.0f before the runtime was made", result.residentBefore / 1e6)),
        ]
    }
}
