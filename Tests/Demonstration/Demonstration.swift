import ArgumentParser
import FleetHarness
import Foundation

/// The command: reads its options, and plays the day.
@main
struct Demonstration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demonstration",
        abstract: "A market day on five agents, one of them offline for a while.",
        discussion: """
            Starts a Mosquitto broker, an aggregator and five agents as real processes on free \
            ports of 127.0.0.1, and sends them a day of sales through their HTTP interface. One \
            agent is cut off, goes on accepting, and comes back. In the end the balances at the \
            aggregator are compared with those of an independent oracle. It takes about half a \
            minute, and ends everything that it started.

            The exit status is 0 only if nothing is left to send, every balance is the oracle's, \
            and the ledger says that it is conserved.

            A CSV file has the header node,source,destination,asset,amount,reference; amounts are \
            whole numbers of the asset's smallest unit (1250 in EUR/2 is 12.50). Lines that start \
            with # are skipped. Its nodes are spread over the five agents.
            """)

    @Option(help: ArgumentHelp("Another day: the same number gives the same day.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Replay this file instead of a market day.", valueName: "file"))
    var csv: String?

    @Option(
        help: ArgumentHelp(
            """
            A new folder for data and logs, which is kept. (default: a temporary one, removed \
            if all went well)
            """,
            valueName: "dir"))
    var data: String?

    @Option(
        help: ArgumentHelp(
            "Where the executables are. (default: beside this one)", valueName: "dir"))
    var bin: String?

    @Flag(help: "Leave everything running, to try by hand, until Ctrl-C.")
    var keep = false

    mutating func validate() throws {
        if let data, let entries = try? FileManager.default.contentsOfDirectory(atPath: data),
            !entries.isEmpty
        {
            throw ValidationError("--data \(data): the folder is not empty")
        }
    }

    mutating func run() throws {
        let terminal = Terminal()
        TerminationSignals.install()
        do {
            let script = try Script.load(csv: csv, seed: seed)
            let home = try Home(data)
            let binaries = try bin ?? FleetPlan.binariesBesideThis()
            let performance = Performance(
                script: script, home: home, binaries: binaries, keep: keep, terminal: terminal)
            guard try performance.run() else { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch {
            // What fails because we were told to end is no failure: the signal ends us in a moment.
            if TerminationSignals.isEnding { waitForever() }
            terminal.print("")
            terminal.print(terminal.style("Failed: \(error)", .red))
            throw ExitCode(1)
        }
    }
}

/// For as long as a signal takes to end us.
func waitForever() -> Never {
    while true { pause() }
}
