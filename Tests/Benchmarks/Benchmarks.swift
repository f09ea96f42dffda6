import ArgumentParser

/// The command. Without a subcommand it measures; the other one is what it starts itself as.
@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures Tributary on this machine, beside what its parts can do alone.",
        subcommands: [MeasureCommand.self, AgentSideCommand.self],
        defaultSubcommand: MeasureCommand.self)
}
