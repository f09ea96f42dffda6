import ArgumentParser
import Workers

/// `fleet`
struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "The agents, as the aggregator sees them: state, backlog, last acknowledgement.")

    @Option(help: "The aggregator's address.")
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
        let needing = agents.filter(\.needsSomebody)
        if json {
            try printJSON(["agents": agents])
        } else {
            FleetTable(agents, now: Moment(microseconds: WallClock.now().microseconds)).show(
                Terminal.standardOutput)
            let verb = needing.count == 1 ? "needs" : "need"
            print(
                "\(needing.count) of \(Wording.count(UInt64(agents.count), "agent")) \(verb) you.")
        }
        if !needing.isEmpty { throw Outcome.notFine }
    }
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

/// The fleet as a table, as wide as the window.
private struct FleetTable {
    private let rows: [[String]]
    private static let head = [
        "AGENT", "STATE", "BACKLOG", "LAST ACK", "LAST SEEN", "CLOCK", "STREAM", "NOTE",
    ]

    init(_ agents: [FleetAnswer.Agent], now: Moment) {
        func ago(_ moment: Moment?) -> String {
            moment.map { "\(Wording.span(max(0, now - $0))) ago" } ?? "—"
        }
        rows = agents.map { agent in
            let clock = agent.clockOffsetSeconds.map { offset in
                (offset > 0 ? "+" : "") + Wording.span(Int64(offset * 1_000_000))
            }
            return [
                agent.id, agent.state, Wording.count(agent.backlog), ago(agent.lastAckAt),
                ago(agent.lastSeenAt),
                clock ?? "—", agent.streams.last?.stream ?? "—", agent.note,
            ]
        }
    }

    func show(_ terminal: Terminal) {
        let all = [FleetTable.head] + rows
        let widths = FleetTable.head.indices.map { column in
            (all.map { $0[column].count }.max() ?? 0) + 2
        }
        for (index, row) in all.enumerated() {
            let line = zip(row, widths).map { $0.padded($1) }.joined()
            let fitting = terminal.fit(line)
            print(index == 0 ? terminal.bold(fitting) : fitting)
        }
    }
}
