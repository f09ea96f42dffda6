import ArgumentParser

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs the production cores in a world that fails, seed by seed.",
        discussion: """
            A seed is a run: agents, a broker, an aggregator and clients in virtual time, with a network, disks
            and clocks that fail as the seed says. When the faults stop, every invariant must hold and every
            backlog must reach zero.

              simulate --count 1000 --jobs 2        a thousand seeds
              simulate --seed 17 --trace            every step of one, in words
              simulate --seed 17 --minimise         the fewest faults and steps that still fail
              simulate merge a.json b.json          the parts of a long run as one
              simulate exhaust --events 3           every history of so many events, without a seed
            """,
        subcommands: [
            RunCommand.self, ExhaustCommand.self, MergeCommand.self, WorkerCommand.self,
        ],
        defaultSubcommand: RunCommand.self)
}
