import ArgumentParser
import Workers

/// `fleet`
struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "The agents, as the aggregator sees them: state, backlog, last acknowledgement.")

    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let api = try DaemonAPI(aggregator, option: "--aggregator")
        var agents: [FleetAnswer.Agent] = []
        var path: String? = "/v1/agents?limit=1000"
        while let next = path {
            guard let page: FleetAnswer = try await api.get(next) else {
                throw TraceFailure.failed("\(aggregator) has no /v1/agents: is it an aggregator?")
            }
            agents += page.items
            path = page.next.map { "/v1/agents?limit=1000&cursor=\($0)" }
        }
        let completeness: CompletenessAnswer? = try await api.get("/v1/ledger/completeness")
        let needing = agents.filter(\.needsSomebody)
        let now = Moment(microseconds: WallClock.now().microseconds)
        if json {
            try printJSON(FleetView(agents: agents, completeness: completeness))
        } else {
            FleetTable(agents, now: now).show(Terminal.standardOutput)
            let verb = needing.count == 1 ? "needs" : "need"
            print(
                "\(needing.count) of \(Wording.count(UInt64(agents.count), "agent")) \(verb) you.")
            if let completeness {
                for line in completeness.sentences(now: now) {
                    print(Terminal.standardOutput.wrap(line, hanging: 4))
                }
            }
        }
        if !needing.isEmpty { throw Outcome.notFine }
    }
}

/// What `fleet --json` prints.
private struct FleetView: Encodable {
    var agents: [FleetAnswer.Agent]
    var completeness: CompletenessAnswer?
}

extension FleetAnswer.Agent {
    /// Offline with something left to send, or stopped.
    var needsSomebody: Bool {
        streams.contains { $0.standing != "open" } || setAside > 0 || (!online && backlog > 0)
    }

    var note: String {
        if let stopped = streams.first(where: { $0.standing != "open" }) {
            return "stream \(stopped.stream) is \(stopped.standing)"
        }
        return setAside > 0 ? Wording.count(setAside, "event") + " set aside" : ""
    }
}
