import ArgumentParser
import Foundation
import Simulator

struct ExhaustCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exhaust",
        abstract: "Looks at every history of a few agents and an aggregator, within bounds.",
        discussion: """
            The machines of both sides of a session are the production's. Every order is tried in which what is on \
            its way may arrive, and everything that may go wrong, at every step. Prints the number of states, and \
            the shortest way to one that must never be, if there is any.
            """)

    @Option(help: "Agents, each with one folder.") var agents = 1
    @Option(help: "Events that clients bring.") var events = 2
    @Option(help: "Crashes, of an agent or of the aggregator.") var crashes = 1
    @Option(help: "Copies of a folder that are put back, or begin to run beside it.") var copies = 1
    @Option(help: "What becomes of copies: restore, clone or either.")
    var copying = Exhaustion.Bounds.Copying.either
    @Option(help: "Messages that are lost.") var losses = 1
    @Option(help: "Messages that are delivered twice.") var duplicates = 1
    @Option(help: "Waits that end although nothing was lost.") var timeouts = 1
    @Option(help: "Connections beside the first of each agent.") var reconnections = 1
    @Option(help: "Messages of segments of one session under way.") var inFlight = 2
    @Option(help: "Ends there, whatever is left.") var statesMax = Int.max
    @Option(help: "States after which the search goes on in depth; before, it finds shortest ways.")
    var breadthMax = 20_000
    @Option(help: "Breaks the world on purpose, to see that it is noticed.")
    var breakage: Breakage?

    func run() throws {
        let start = ProcessInfo.processInfo.systemUptime
        var search = Exhaustion(
            bounds, breakage, statesMax: statesMax, breadthMax: breadthMax
        ) { result in
            let seconds = ProcessInfo.processInfo.systemUptime - start
            Progress.show(
                "\(result.states) states, \(result.transitions) transitions, depth "
                    + "\(result.depthMax), \(Int(Double(result.states) / seconds)) states/s")
        }
        let result = search.run()
        Progress.end()
        report(result, ProcessInfo.processInfo.systemUptime - start)
        if result.violation != nil { throw ExitCode(1) }
        if result.isCut { throw ExitCode(2) }
    }

    private var bounds: Exhaustion.Bounds {
        var bounds = Exhaustion.Bounds()
        bounds.agents = agents
        bounds.events = events
        bounds.crashes = crashes
        bounds.copies = copies
        bounds.copying = copying
        bounds.losses = losses
        bounds.duplicates = duplicates
        bounds.timeouts = timeouts
        bounds.reconnections = reconnections
        bounds.messagesInFlight = inFlight
        return bounds
    }

    private func report(_ result: Exhaustion.Result, _ seconds: Double) {
        Output.line(
            "within: agents \(agents), events \(events), crashes \(crashes), copies \(copies) "
                + "(\(copying.rawValue)), losses \(losses), duplicates \(duplicates), timeouts "
                + "\(timeouts), reconnections \(reconnections), messages in flight \(inFlight)")
        Output.line("states: \(result.states)\(result.isCut ? ", cut" : ", all there are")")
        Output.line("transitions: \(result.transitions)")
        Output.line("depth: \(result.depthMax)")
        Output.line("quiet states: \(result.quiet), settled: \(result.settled)")
        let rate = Int(Double(result.states) / max(seconds, 0.001))
        Output.line("time: \(String(format: "%.1f", seconds)) s, \(rate) states/s")
        guard let violation = result.violation else { return Output.line("violations: 0") }
        Output.line("violation: \(violation.sentence)")
        let length = violation.trace.count
        Output.line(
            violation.isShortest ? "the shortest way, \(length) steps:" : "\(length) steps:")
        for (index, words) in violation.trace.enumerated() {
            Output.line("  \(index + 1). \(words)")
        }
    }
}

extension Exhaustion.Bounds.Copying: ExpressibleByArgument {}
extension Breakage: ExpressibleByArgument {}
