import ArgumentParser
import Workers

/// `gaps`
struct GapsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gaps",
        abstract: "What devices have recorded and the ledger has not, and what to do.",
        discussion: """
            Shows the events that are known to exist, because a device announced them or a later one came, and that \
            have not come for some seconds. What no device has announced cannot be missed by anyone.

            Exit status: 0 nothing is missing, 1 something is, or the aggregator is cut off and does not know.
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
        let filter = agent.map { "&agent=\($0)" } ?? ""
        var gaps: [GapsAnswer.Gap] = []
        var path: String? = "/v1/gaps?limit=1000\(filter)"
        while let next = path {
            guard let page: GapsAnswer = try await api.get(next) else { break }
            // What nobody has any more is told by itself, of the fleet.
            gaps += page.items.filter { !["pruned", "unreadable"].contains($0.evidence) }
            path = page.next.map { "/v1/gaps?limit=1000\(filter)&cursor=\($0)" }
        }
        let lacking = try await FleetAnswer.all(from: api)
            .filter { agent == nil || $0.id == agent }.flatMap(\.lacking)
        if json {
            try printJSON(
                GapsView(
                    warning: condition.warning, aggregator: condition, gaps: gaps, lacking: lacking)
            )
        } else {
            let now = Moment(microseconds: WallClock.now().microseconds)
            GapsReport(condition, gaps, lacking, now: now).show(Terminal.standardOutput)
        }
        if !condition.isWell || !gaps.isEmpty || !lacking.isEmpty { throw Outcome.notFine }
    }
}

/// What `gaps --json` prints.
private struct GapsView: Encodable {
    /// Nil where what follows is up to date.
    var warning: String?
    var aggregator: AggregatorCondition
    var gaps: [GapsAnswer.Gap]
    /// What neither the ledger nor a device has any more.
    var lacking: [LackingRange]
}

/// `GET /v1/gaps` of an aggregator.
struct GapsAnswer: Codable {
    struct Gap: Codable {
        var agent: String
        var stream: String
        var first: UInt64
        var last: UInt64
        var count: UInt64
        var since: Moment
        var online: Bool
        var standing: String
        var merged: UInt64
        var evidence: String
        var successorFirst: UInt64?
        var successorNames: String?
        var announced: UInt64?
    }

    var items: [Gap]
    var next: String?
}

/// The gaps, stream by stream: the range, how it is known, and what comes next.
private struct GapsReport {
    private let condition: AggregatorCondition
    private let gaps: [GapsAnswer.Gap]
    private let lacking: [LackingRange]
    private let now: Moment

    init(
        _ condition: AggregatorCondition, _ gaps: [GapsAnswer.Gap], _ lacking: [LackingRange],
        now: Moment
    ) {
        self.condition = condition
        self.gaps = gaps
        self.lacking = lacking
        self.now = now
    }

    func show(_ terminal: Terminal) {
        if let warning = condition.warning { print(terminal.bad(terminal.wrap(warning))) }
        showLacking(terminal)
        guard !gaps.isEmpty else {
            guard lacking.isEmpty else { return }
            let was = "Nothing was missing: all that had been announced was merged."
            let isNot = "Nothing is missing: all that was announced is merged."
            return print(condition.isWell ? terminal.good(isNot) : was)
        }
        let events = Wording.count(gaps.reduce(0) { $0 + $1.count }, "event")
        let ranges = Wording.count(UInt64(gaps.count), "range")
        print(terminal.bad("Missing: \(events) in \(ranges)."))
        var before: String?
        for gap in gaps {
            if gap.stream != before {
                print("\n" + terminal.bold(terminal.fit("\(gap.agent), stream \(gap.stream)")))
            }
            before = gap.stream
            show(gap, terminal)
        }
    }

    private func showLacking(_ terminal: Terminal) {
        guard !lacking.isEmpty else { return }
        let events = Wording.count(lacking.reduce(0) { $0 + $1.count }, "event")
        print(terminal.bad("Lost: \(events) that neither the ledger nor a device has any more."))
        for cause in Set(lacking.map(\.cause)).sorted() {
            print(terminal.wrap(LackingRange.history(cause)))
            for range in lacking where range.cause == cause {
                let name = "\(range.agent), stream \(range.stream)"
                print(terminal.wrap("  \(name)  \(range.first) to \(range.through)", hanging: 4))
            }
            print(terminal.wrap("Next: \(LackingRange.advice(cause))", hanging: 6))
        }
    }

    private func show(_ gap: GapsAnswer.Gap, _ terminal: Terminal) {
        let range =
            gap.count == 1 ? "\(gap.first)" : "\(gap.first) to \(gap.last)"
        let span = Wording.span(max(0, now - gap.since))
        print(
            terminal.wrap(
                "  \(range)  \(Wording.count(gap.count, "event")), since "
                    + "\(Wording.time(gap.since, sameDayAs: now)), for \(span)", hanging: 4))
        let isHeld = lacking.contains { $0.stream == gap.stream }
        let next =
            isHeld
            ? ["The device keeps what follows, until the ledger has what is lost."] : gap.nextLines
        for line in gap.evidenceLines + next {
            print(terminal.wrap("    \(line)", hanging: 4))
        }
    }
}

extension GapsAnswer.Gap {
    fileprivate var evidenceLines: [String] {
        let presence = online ? "online" : "offline"
        if let successorFirst, let successorNames {
            return [
                "Event \(successorFirst) is here, and names the segment before it: "
                    + "\(successorNames.prefix(8))….",
                "The device is \(presence).",
            ]
        }
        let head = announced.map { "up to \(Wording.count($0))" } ?? ""
        return ["The device announced events \(head), and is \(presence)."]
    }

    fileprivate var nextLines: [String] {
        guard standing == "open" else {
            return [
                "The stream is \(standing): what its writer has recorded is still merged.",
                "Next: keep the data folders, and see tributary-trace conflicts --agent \(agent)",
            ]
        }
        guard online else {
            return [
                "Next: bring the device back to the network; it sends them by itself.",
                "If it is lost, read its folder: tributary-trace verify FOLDER",
            ]
        }
        return [
            "Next: nothing, if this goes on shrinking: they are asked for again and again.",
            "Else: tributary-trace why \(agent).\(stream).\(first) --agent http://DEVICE:7410",
        ]
    }
}
