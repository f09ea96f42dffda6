import ArgumentParser
import LedgerCore
import Workers

/// `journey ID`
struct JourneyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journey",
        abstract: "The stages of a transaction, as a waterfall in which long waits are short.",
        usage: "tributary-trace journey <id> [<options>]")

    @Argument(help: "The transaction's id, as in till-042.k3f9qa2m.1051.")
    var id: String

    @OptionGroup var sources: Sources

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let evidence = try await Evidence.gather(try EventID.argument(id), from: sources)
        let journey = Waterfall(evidence, now: Moment(microseconds: WallClock.now().microseconds))
        if json { try printJSON(journey) } else { journey.show(Terminal.standardOutput) }
        if !evidence.isMerged { throw Outcome.notFine }
    }
}
