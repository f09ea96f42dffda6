import ArgumentParser
import Foundation
import Workers

/// `forks`
struct ForksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forks",
        abstract:
            "Streams of which a copy has shown itself: how they stand, and where their branches end.",
        discussion: """
            Nothing of a fork is lost: all branches are merged, and each device goes on in a stream of its own.

            Exit status: 0 none is open, 1 somebody has to look at one, or the aggregator is cut off and does not know.
            """)

    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Option(help: "Only of this agent.")
    var agent: String?

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let api = try DaemonAPI(aggregator, option: "--aggregator")
        try await api.expect(.aggregator)
        let condition = try await AggregatorCondition.of(api)
        let agents = try await FleetAnswer.all(from: api).filter { agent == nil || $0.id == agent }
        if let agent, agents.isEmpty {
            throw TraceFailure.notFound("agent \(agent) has never greeted this aggregator")
        }
        let forks = agents.flatMap { agent in
            agent.streams.filter(\.isFork).map { Fork(agent: agent.id, stream: $0) }
        }
        let open = forks.count(where: \.stream.needsSomebody)
        if json {
            try printJSON(ForksView(warning: condition.warning, forks: forks))
        } else {
            show(forks, open: open, condition)
        }
        if open > 0 || !condition.isWell { throw Outcome.notFine }
    }

    private func show(_ forks: [Fork], open: Int, _ condition: AggregatorCondition) {
        let terminal = Terminal.standardOutput
        if let warning = condition.warning { print(terminal.bad(terminal.wrap(warning))) }
        let count = Wording.count(UInt64(forks.count), "stream")
        let headline =
            forks.isEmpty
            ? "No stream has forked."
            : "\(count) forked, \(open == 0 ? "and all are settled" : "\(open) of them open").\(open == 0 ? "" : " See tributary-trace conflicts --kind fork.")"
        print(open == 0 ? terminal.good(headline) : terminal.bad(terminal.wrap(headline)))
        for fork in forks {
            let name = "\(fork.agent), stream \(fork.stream.stream)"
            let state = fork.stream.needsSomebody ? "open" : "settled"
            print("\n" + terminal.bold(terminal.fit("\(name)  \(fork.stream.standing), \(state)")))
            for branch in fork.stream.branches {
                print("    a branch ends with \(branch.words)")
            }
        }
    }
}

private struct Fork: Encodable {
    var agent: String
    var stream: FleetAnswer.Stream
}

/// What `forks --json` prints.
private struct ForksView: Encodable {
    /// Nil where what follows is up to date.
    var warning: String?
    var forks: [Fork]
}

extension FleetAnswer.Stream {
    /// Whether a copy of it has shown itself.
    var isFork: Bool { ["forked", "rolled_back"].contains(standing) || branches.count > 1 }

    /// A stream that is closed needs nobody when its conflicts are settled.
    var needsSomebody: Bool {
        ["unapproved", "refused"].contains(standing) || openConflicts > 0 || lacking != nil
    }
}
