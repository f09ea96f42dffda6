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
        try await api.expect(.aggregator)
        let condition = try await AggregatorCondition.of(api)
        let agents = try await FleetAnswer.all(from: api)
        let completeness: CompletenessAnswer? = try await api.get("/v1/ledger/completeness")
        if json {
            try printJSON(
                FleetView(
                    warning: condition.warning, aggregator: condition, agents: agents,
                    completeness: completeness))
        } else {
            show(agents, condition, completeness)
        }
        if !condition.isWell || needing(agents, completeness) > 0 { throw Outcome.notFine }
    }

    private func needing(
        _ agents: [FleetAnswer.Agent], _ completeness: CompletenessAnswer?
    ) -> Int {
        let replaced = Set(completeness?.heldBackBy.filter(\.isReplaced).map(\.agent) ?? [])
        return agents.count { $0.needsSomebody || replaced.contains($0.id) }
    }

    private func show(
        _ agents: [FleetAnswer.Agent], _ condition: AggregatorCondition,
        _ completeness: CompletenessAnswer?
    ) {
        let terminal = Terminal.standardOutput
        let now = Moment(microseconds: WallClock.now().microseconds)
        if let warning = condition.warning { print(terminal.bad(terminal.wrap(warning))) }
        FleetTable(agents, now: now).show(terminal)
        let needing = needing(agents, completeness)
        let verb = needing == 1 ? "needs" : "need"
        print(
            needing == 0
                ? "No agent needs you."
                : "\(needing) of \(Wording.count(UInt64(agents.count), "agent")) \(verb) you.")
        for lacking in agents.flatMap(\.lacking) {
            print(terminal.wrap(lacking.sentence, hanging: 4))
        }
        for line in completeness?.sentences(now: now) ?? [] {
            print(terminal.wrap(line, hanging: 4))
        }
    }
}

/// What `fleet --json` prints.
private struct FleetView: Encodable {
    /// Nil where what follows is up to date.
    var warning: String?
    var aggregator: AggregatorCondition
    var agents: [FleetAnswer.Agent]
    var completeness: CompletenessAnswer?
}

extension FleetAnswer {
    /// Page by page.
    static func all(from api: DaemonAPI) async throws -> [Agent] {
        var agents: [Agent] = []
        var path: String? = "/v1/agents?limit=1000"
        while let next = path {
            guard let page: FleetAnswer = try await api.get(next) else { break }
            agents += page.items
            path = page.next.map { "/v1/agents?limit=1000&cursor=\($0)" }
        }
        return agents
    }
}

extension FleetAnswer.Agent {
    /// Offline with something left to send, or stopped, or unable to send what the ledger lacks.
    var needsSomebody: Bool {
        streams.contains(where: \.needsSomebody) || (!online && backlog > 0)
    }

    var note: String {
        if let stopped = streams.first(where: { $0.needsSomebody && $0.standing != "open" }) {
            return "stream \(stopped.stream) is \(stopped.standing)"
        }
        if let lacking = lacking.first {
            return "lost: events \(lacking.first) to \(lacking.through)"
        }
        let open = streams.reduce(0) { $0 + $1.openConflicts }
        return open > 0 ? Wording.count(open, "open conflict") : ""
    }

    /// What neither the ledger nor the device has any more.
    var lacking: [LackingRange] {
        streams.compactMap { stream in
            stream.lacking.map {
                LackingRange(
                    agent: id, stream: stream.stream, first: $0.first, through: $0.through,
                    count: $0.through - $0.first + 1, cause: $0.cause)
            }
        }
    }
}

/// Events that neither the ledger nor their device has any more. Either they were merged and acknowledged once, the device
/// has pruned them since, and the aggregator was restored from an older backup; or the device's disk has spoilt them.
struct LackingRange: Encodable {
    let agent: String
    let stream: String
    let first: UInt64
    let through: UInt64
    let count: UInt64
    let cause: String

    static func history(_ cause: String) -> String {
        cause == "unreadable"
            ? "The device cannot read them from its disk, and had not sent them before."
            : "They were merged and acknowledged once, and pruned on the device; then this aggregator was restored from "
                + "an older backup."
    }

    static func advice(_ cause: String) -> String {
        cause == "unreadable"
            ? "replace the device's disk, and look for a backup of it: what that has is merged when it comes."
            : "restore a later backup of the aggregator. The devices keep, and send then, what it lacks after that."
    }

    var sentence: String {
        "\(agent).\(stream): neither the ledger nor the device has events \(first) to \(through) any more (\(cause)). "
            + "Next: \(LackingRange.advice(cause))"
    }
}
