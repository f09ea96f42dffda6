import FleetHarness

/// Where everything listens, and commands to try.
struct Addresses {
    let fleet: Fleet
    let binaries: String
    let isKept: Bool
    let terminal: Terminal

    func show() {
        let aggregator = fleet.aggregator.daemon.url
        terminal.print("")
        let later = "To try by hand, run it with --keep; the ports will differ"
        terminal.print(terminal.style(isKept ? "To try by hand" : later, .bold))
        address("broker", fleet.broker.url)
        address("aggregator", aggregator)
        for agent in fleet.agents { address(agent.id, agent.daemon.url) }
        guard let agent = fleet.agents.first else { return }
        terminal.print("")
        command("curl -s \(aggregator)/v1/ledger")
        command("curl -s \(aggregator)/v1/accounts/world")
        command("curl -s \(agent.daemon.url)/v1/sync")
        command("curl -s \(agent.daemon.url)/v1/transactions -H 'Idempotency-Key: \"mine-1\"' \\")
        command("  -H 'Content-Type: application/json' -d '{\"postings\":[{\"source\":\"world\",")
        command("  \"destination\":\"customers:1\",\"asset\":\"EUR/2\",\"amount\":1250}]}'")
        command("\(binaries)/tributary-trace fleet --aggregator \(aggregator)")
    }

    private func address(_ name: String, _ url: String) {
        terminal.print("  \(name.left(14))\(url)")
    }

    private func command(_ text: String) {
        terminal.print("  \(text)")
    }
}
