import FleetHarness
import Foundation
import Workload

/// The day as it is played: the feeding, the cut, the return, until nothing waits any more.
struct Day {
    /// What came of it.
    struct Outcome {
        /// What is not as it should be, a sentence each.
        var findings: [String] = []
        /// A transaction that was accepted while its agent was cut off.
        var delayedID: String?
    }

    private static let refresh: Duration = .milliseconds(200)
    /// From the end of the feeding to an empty backlog.
    private static let patience: Duration = .seconds(60)

    private enum Phase {
        case connected
        /// With what the victim had accepted last, when it was cut off.
        case cut(lastID: String?)
        case healed
    }

    let script: Script
    let fleet: Fleet
    let terminal: Terminal
    private let feeders: [Feeder]
    /// One for each agent, and less patient than those that feed: the table must not stand still.
    private let watchers: [AgentClient]
    private var view: FleetView
    private var phase = Phase.connected
    private var delayedID: String?

    init(script: Script, fleet: Fleet, terminal: Terminal) {
        self.script = script
        self.fleet = fleet
        self.terminal = terminal
        view = FleetView(terminal: terminal)
        watchers = fleet.agents.map { AgentClient(port: $0.daemon.port, timeout: .seconds(2)) }
        feeders = zip(fleet.agents, script.parts).map { agent, part in
            Feeder(agent.client, part.operations, batch: script.batch) { part.due[$0] }
        }
    }

    private var victim: AgentNode { fleet.agents[script.victim] }

    /// Plays it to its end. Whatever it finds is in the outcome; it throws only when it is told to end.
    mutating func play() throws -> Outcome {
        terminal.print("Their \(grouped(script.oracle.count)) transactions go to them over HTTP.\n")
        for feeder in feeders { feeder.start() }
        defer { for feeder in feeders { feeder.stop() } }
        let start = ContinuousClock.now
        var deadline: Deadline?
        let rows = try wait(for: "the end of the day", within: .seconds(3_600), every: Self.refresh)
        {
            let rows = look()
            let part = (.now - start) / Script.length
            if TerminationSignals.isEnding { waitForever() }
            // Nobody here ends a daemon: what has ended has failed, and there is nothing to wait for.
            if !endedDaemons().isEmpty { return rows }
            act(at: part, rows)
            view.show(rows, clock: script.clock(at: part))
            guard feeders.allSatisfy({ $0.progress.isOver }), case .healed = phase else {
                return nil as [AgentRow]?
            }
            deadline = deadline ?? Deadline(in: Self.patience)
            let isSettled = rows.allSatisfy { $0.state == .inSync }
            return isSettled || deadline?.isPast == true ? rows : nil
        }
        view.conclude(rows)
        return outcome(rows)
    }

    /// Cuts the victim off, and brings it back, when it is time.
    private mutating func act(at part: Double, _ rows: [AgentRow]) {
        let row = rows[script.victim]
        switch phase {
        case .connected where part >= Script.cutAt:
            victim.link.cut()
            phase = .cut(lastID: feeders[script.victim].progress.lastID)
            say("\(victim.id) is cut off from the broker. Its customers go on buying.")
        case .cut(let lastID):
            let newID = feeders[script.victim].progress.lastID
            if delayedID == nil, row.state == .offline, newID != lastID { delayedID = newID }
            guard part >= Script.healAt else { return }
            let backlog = row.sync?.backlog ?? 0
            victim.link.heal()
            phase = .healed
            say(
                "The network of \(victim.id) is back. \(grouped(backlog)) transactions wait there for "
                    + "its next try.")
        default: break
        }
    }

    /// Asks every agent. One that does not answer shows as such.
    private func look() -> [AgentRow] {
        fleet.agents.indices.map { index in
            let feeder = feeders[index]
            return AgentRow(
                agent: fleet.agents[index].id, accepted: feeder.progress.accepted,
                total: feeder.total, sync: try? watchers[index].sync())
        }
    }

    private func endedDaemons() -> [Daemon] {
        ([fleet.aggregator.daemon] + fleet.agents.map(\.daemon)).filter { $0.process.exit != nil }
    }

    private func say(_ text: String) {
        terminal.print(terminal.style("* \(text)", .yellow))
    }

    private func outcome(_ rows: [AgentRow]) -> Outcome {
        var outcome = Outcome(delayedID: delayedID)
        for daemon in endedDaemons() {
            let exit = daemon.process.exit.map { "\($0)" } ?? "unknown"
            outcome.findings.append("\(daemon.name) ended by itself, with \(exit)")
        }
        for (row, feeder) in zip(rows, feeders) {
            let progress = feeder.progress
            if let failure = progress.failure {
                outcome.findings.append("\(row.agent): the feeding stopped: \(failure)")
            }
            if progress.refused > 0 {
                let first = progress.refusals.first ?? ""
                outcome.findings.append(
                    "\(row.agent) refused \(grouped(progress.refused)) transactions, first \(first)"
                )
            }
            if row.sync?.backlog != 0 {
                let backlog = row.sync.map { grouped($0.backlog) } ?? "unknown"
                let reason = row.sync?.reason.map { ": \($0)" } ?? ""
                outcome.findings.append("\(row.agent) still has a backlog of \(backlog)\(reason)")
            }
        }
        return outcome
    }
}
