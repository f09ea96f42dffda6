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

    @Flag(help: "The spans too, as far as the transaction was traced; they are at the aggregator.")
    var trace = false

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let evidence = try await Evidence.gather(try EventID.argument(id), from: sources)
        let journey = Waterfall(evidence, now: Moment(microseconds: WallClock.now().microseconds))
        if trace {
            try await showTraced(journey)
        } else if json {
            try printJSON(journey)
        } else {
            journey.show(Terminal.standardOutput)
        }
        if !evidence.isMerged { throw Outcome.notFine }
    }

    private func showTraced(_ journey: Waterfall) async throws {
        guard let api = try sources.aggregatorAPI() else {
            throw TraceFailure.usage(
                "--trace needs the aggregator, where spans are kept: name it with --aggregator")
        }
        let trees = try await SpanTree.all(of: journey.id, from: api)
        if json { return try printJSON(TracedJourney(journey: journey, traces: trees)) }
        let terminal = Terminal.standardOutput
        journey.show(terminal)
        print("")
        for tree in trees { tree.show(terminal, among: trees) }
        if trees.isEmpty {
            print("no spans: the transaction was not traced, or they are not at the aggregator yet")
        }
    }
}

/// A journey with the spans behind it.
private struct TracedJourney: Encodable {
    let journey: Waterfall
    let traces: [SpanTree]

    enum CodingKeys: String, CodingKey {
        case traces
    }

    func encode(to encoder: any Encoder) throws {
        try journey.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(traces, forKey: .traces)
    }
}
