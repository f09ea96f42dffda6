import FleetHarness
import Foundation
import Workload

/// The demonstration itself, from the first process to the last word.
struct Performance {
    let script: Script
    let home: Home
    let binaries: String
    let keep: Bool
    let terminal: Terminal

    /// True if everything came out as it must. Whatever happens, what was started is ended.
    func run() throws -> Bool {
        TerminationSignals.whenEnding { [home, terminal] in
            terminal.print("\nEverything that was started is stopped.")
            home.discard()
        }
        try checkBinaries()
        terminal.print(terminal.style("Tributary: \(script.title)", .bold))
        let plan = FleetPlan(
            home: home.path, binaries: binaries, agents: script.parts.map(\.agent))
        let isGood: Bool
        do {
            let fleet = try Fleet(plan)
            defer { fleet.end() }
            isGood = try play(fleet)
        } catch {
            if !TerminationSignals.isEnding { sayWhereTheLogsAre() }
            throw error
        }
        if isGood { home.discard() } else { sayWhereTheLogsAre() }
        return isGood
    }

    private func checkBinaries() throws {
        for name in ["tributary-aggregator", "tributary-agent", "tributary-trace"]
        where !FileManager.default.isExecutableFile(atPath: "\(binaries)/\(name)") {
            throw ScriptError("\(name) is not in \(binaries); Packaging/demo builds it")
        }
    }

    private func play(_ fleet: Fleet) throws -> Bool {
        try start(fleet)
        var day = Day(script: script, fleet: fleet, terminal: terminal)
        let outcome = try day.play()
        let reconciliation = try Reconciliation(fleet.aggregator.client, with: script.oracle)
        let report = Report(terminal: terminal, oracle: script.oracle)
        report.show(reconciliation, outcome)
        let isToldWell = try tell(outcome.delayedID, fleet)
        let isGood = outcome.findings.isEmpty && reconciliation.isClean && isToldWell
        sayVerdict(isGood)
        if isGood || keep {
            Addresses(fleet: fleet, binaries: binaries, isKept: keep, terminal: terminal).show()
        }
        if keep {
            terminal.print("\nEverything keeps running, data and logs in \(home.path).")
            terminal.print("Ctrl-C ends it.")
            waitForever()
        }
        return isGood
    }

    private func start(_ fleet: Fleet) throws {
        let began = ContinuousClock.now
        try fleet.start()
        let count = fleet.agents.count
        terminal.print(
            "A broker, an aggregator and \(count) agents run on 127.0.0.1 (started in "
                + "\(seconds(.now - began))).")
    }

    /// The journey of one transaction that had to wait, as the trace command tells it.
    private func tell(_ id: String?, _ fleet: Fleet) throws -> Bool {
        guard let id else {
            terminal.print("\nNo transaction was delayed, so there is no journey to tell.")
            return true
        }
        terminal.print(terminal.style("\nThe journey of a transaction that had to wait", .bold))
        // The device knows what it waited for, the aggregator what came of it.
        let agent = fleet.agents[script.victim].daemon.url
        let sources = ["--aggregator", fleet.aggregator.daemon.url, "--agent", agent]
        let arguments = ["journey", id] + sources
        let shown = "$ tributary-trace journey \(id) \\\n    \(sources.joined(separator: " "))"
        terminal.print(terminal.style(shown, .dim))
        let exit = try ChildProcess.runInForeground(
            "\(binaries)/tributary-trace", arguments, within: .seconds(20))
        if !exit.isClean {
            terminal.print(terminal.style("tributary-trace ended with \(exit)", .red))
        }
        return exit.isClean
    }

    private func sayVerdict(_ isGood: Bool) {
        let good = "Every backlog is 0, every balance is the oracle's, and the ledger is conserved."
        let bad = "This is not as it should be: see the lines marked with \"differs\" above."
        terminal.print("")
        terminal.print(
            isGood ? terminal.style(good, .green) : terminal.style(bad, .red))
    }

    private func sayWhereTheLogsAre() {
        terminal.print("Data and logs: \(home.path)")
    }
}
