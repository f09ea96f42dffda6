import ArgumentParser
import Foundation
import Workers

/// `conflicts`
struct ConflictsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflicts",
        abstract: "What a person has to look at: forks, lost and unreadable events, wrong clocks.",
        discussion: """
            `conflicts list --help` names what it can be asked: --agent, --kind, --all, --json.

            Exit status: 0 nothing is open, 1 something is, or the aggregator is cut off and does not know.
            """,
        subcommands: [ConflictsList.self, ConflictsResolve.self],
        defaultSubcommand: ConflictsList.self)
}

/// `conflicts list`
struct ConflictsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows those that are open. This is what happens without a word.")

    @OptionGroup var place: ConflictPlace

    @Option(help: "Only of this kind: fork, gap_lost, quarantined, clock_suspect, reordered.")
    var kind: String?

    @Flag(help: "Those that are settled, too.")
    var all = false

    func run() async throws {
        let query = [kind.map { "kind=\($0)" }, all ? nil : "status=open"].compactMap { $0 }
        let report = try await place.report("/v1/conflicts", query)
        let open = report.conflicts.count { $0.status == "open" }
        try report.show(
            json: place.json,
            headline: open == 0
                ? "No conflict is open."
                : "\(Wording.count(UInt64(open), "conflict")) \(open == 1 ? "needs" : "need") you.",
            isGood: open == 0)
        if open > 0 || !report.isWell { throw Outcome.notFine }
    }
}

/// `conflicts resolve`
struct ConflictsResolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract:
            "Says that a conflict needs nobody any more. Your name and reason are kept for good.")

    @Argument(help: "The conflict's id, as in hub.k3f9qa2m.17.")
    var id: String

    @OptionGroup var decision: OperatorOptions

    func run() async throws {
        try await decision.send("/v1/conflicts/\(id)/resolve", of: id) { "Settled: \($0)" }
    }
}

/// `quarantine`
struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract:
            "Events that are kept and have no effect, because they cannot be read, or not yet.",
        discussion: """
            `quarantine list --help` names what it can be asked: --agent, --json.

            Exit status: 0 there are none, 1 there are some, or the aggregator is cut off and does not know.
            """,
        subcommands: [QuarantineList.self, QuarantineRelease.self],
        defaultSubcommand: QuarantineList.self)
}

/// `quarantine list`
struct QuarantineList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Shows them. This is what happens without a word.")

    @OptionGroup var place: ConflictPlace

    func run() async throws {
        // An agent has no list of its own; its conflicts say what is without effect.
        let path = place.agentURL == nil ? "/v1/quarantine" : "/v1/conflicts"
        var report = try await place.report(path, [])
        report.conflicts.removeAll { $0.withoutEffect.isEmpty }
        let events = report.conflicts.flatMap(\.withoutEffect).reduce(0) { $0 + $1.count }
        try report.show(
            json: place.json,
            headline: events == 0
                ? "Nothing is in quarantine."
                : "\(Wording.count(events, "event")) \(events == 1 ? "is" : "are") in quarantine.",
            isGood: events == 0)
        if events > 0 || !report.isWell { throw Outcome.notFine }
    }
}

/// `quarantine release`
struct QuarantineRelease: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Gives the events of a conflict their effect, where they can be read now.")

    @Argument(help: "The conflict's id, as in hub.k3f9qa2m.17.")
    var id: String

    @OptionGroup var decision: OperatorOptions

    func run() async throws {
        try await decision.send("/v1/quarantine/\(id)/release", of: id) { "Released: \($0)" }
    }
}

// MARK: What they share

/// Which daemon is asked, and of whom.
struct ConflictPlace: ParsableArguments {
    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Option(
        help: ArgumentHelp(
            "Only of this agent. Or an agent's address, as in http://127.0.0.1:7410: then the agent is asked.",
            valueName: "id|url"))
    var agent: String?

    @Flag(help: "As JSON.")
    var json = false

    var agentURL: String? { agent.flatMap { $0.contains("://") ? $0 : nil } }

    /// All pages.
    func report(_ path: String, _ query: [String]) async throws -> ConflictReport {
        let url = agentURL
        let api = try DaemonAPI(url ?? aggregator, option: url == nil ? "--aggregator" : "--agent")
        try await api.expect(url == nil ? .aggregator : .agent, takesBoth: true)
        var terms = query + ["limit=1000"]
        if url == nil, let agent { terms.append("agent=\(agent)") }
        let condition = url == nil ? try await AggregatorCondition.of(api) : nil
        var conflicts: [ConflictAnswer] = []
        var next: String? = "\(path)?\(terms.joined(separator: "&"))"
        while let page = next {
            guard let answer: ConflictsAnswer = try await api.get(page) else { break }
            conflicts += answer.items
            next = answer.next.map { "\(path)?\(terms.joined(separator: "&"))&cursor=\($0)" }
        }
        return ConflictReport(
            warning: condition?.warning, isWell: condition?.isWell ?? true, conflicts: conflicts)
    }
}

/// Who decides, and why.
struct OperatorOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Option(help: ArgumentHelp("Your name.", valueName: "name"))
    var by: String

    @Option(help: ArgumentHelp("Why, for those who look at it later.", valueName: "text"))
    var reason: String

    @Flag(help: "As JSON.")
    var json = false

    func send(_ path: String, of id: String, _ sentence: (String) -> String) async throws {
        let api = try DaemonAPI(aggregator, option: "--aggregator")
        try await api.expect(.aggregator)
        let answer: SettledAnswer = try await api.post(
            path, DecisionRequest(operator: by, reason: reason))
        if json { return try printJSON(answer) }
        let terminal = Terminal.standardOutput
        print(terminal.good(terminal.wrap(sentence("\(id), as event \(answer.event) of the hub."))))
    }
}

private struct DecisionRequest: Encodable {
    var `operator`: String
    var reason: String
}

private struct SettledAnswer: Codable {
    var event: String
    var conflict: ConflictAnswer
}

/// `GET /v1/conflicts` of either daemon.
private struct ConflictsAnswer: Decodable {
    var items: [ConflictAnswer]
    var next: String?
}
