import ArgumentParser
import Foundation
import LedgerCore
import Synchronization
import TextFormats
import Workers

/// `follow`
struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Merges, and changes of the fleet, as they happen; until Ctrl-C.",
        usage: "tributary-trace follow [<options>]",
        discussion: """
            When the aggregator is gone it is asked again, sooner at first and then more seldom, and told from the \
            same place on: no merge is left out or shown twice. With --json, one object a line. Ctrl-C ends it with a \
            count.
            """)

    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Option(help: "Only what this agent accepted, as in till-042.")
    var agent: String?

    @Option(help: "Only transactions that touch this account.")
    var account: String?

    @Option(help: "Begin behind this place, as --json shows it, instead of now.")
    var after: String?

    @Option(help: "End after so many merges.")
    var count: Int?

    @Flag(help: "As JSON, one object a line.")
    var json = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count takes at least 1, not \(count)") }
    }

    func run() async throws {
        let api = try DaemonAPI(aggregator, option: "--aggregator")
        let base = api.base
        var query: [URLQueryItem] = []
        do throws(InvalidValue) {
            if let agent {
                query.append(.init(name: "agent", value: try AgentID(agent).description))
            }
            if let account {
                let address = try AccountAddress(account)
                query.append(.init(name: "account", value: address.description))
            }
        } catch {
            throw TraceFailure.usage(error.description)
        }
        guard
            var address = URLComponents(
                url: base.appendingPathComponent("v1/events"), resolvingAgainstBaseURL: true)
        else { throw TraceFailure.usage("\(base) makes no address") }
        if !query.isEmpty { address.queryItems = query }
        guard let url = address.url else { throw TraceFailure.usage("\(base) makes no address") }
        // For its check of the address.
        _ = try EventStreamConnection(url, lastEventID: nil)
        try await api.expect(.aggregator)
        let merges = MergeCount()
        // At once, also while a terminal that is held takes nothing.
        let interrupts = Interrupts {
            merges.say()
            Foundation.exit(Outcome.fine.rawValue)
        }
        defer { interrupts.stop() }
        var follower = Follower(
            url: url, after: after, merges: merges, mergesMax: count, json: json)
        try await follower.run()
        merges.say()
    }
}

/// How many merges were shown.
private final class MergeCount: Sendable {
    private let shown = Atomic<Int>(0)

    var value: Int { shown.load(ordering: .relaxed) }
    func add() { shown.add(1, ordering: .relaxed) }
    func say() { standardError(Wording.count(UInt64(value), "merge") + ".") }
}

/// Reads the stream, again and again, and prints what comes.
private struct Follower {
    private static let pauseBase: Double = 0.5
    private static let pauseMax: Double = 15

    private let url: URL
    private let merges: MergeCount
    private let mergesMax: Int?
    private let json: Bool
    private var parser: EventStreamParser
    private var failures = 0
    private var wasOpen = false

    init(url: URL, after: String?, merges: MergeCount, mergesMax: Int?, json: Bool) {
        self.url = url
        self.merges = merges
        self.mergesMax = mergesMax
        self.json = json
        parser = EventStreamParser(lastEventID: after)
    }

    mutating func run() async throws {
        while true {
            let reason = try await readOnce()
            if isDone { return }
            guard wasOpen else {
                throw TraceFailure.unreachable("cannot reach \(url.absoluteString): \(reason)")
            }
            failures += 1
            let longest = min(
                Follower.pauseMax, Follower.pauseBase * Double(1 << min(failures, 10)))
            let pause = Double.random(in: longest / 2...longest)
            say("\(reason); trying again in \(Wording.span(Int64(pause * 1_000_000)))")
            try await Task.sleep(for: .seconds(pause))
        }
    }

    private var isDone: Bool { mergesMax.map { merges.value >= $0 } ?? false }

    /// - Returns: why it ended.
    private mutating func readOnce() async throws -> String {
        parser = EventStreamParser(lastEventID: parser.lastEventID)
        let connection = try EventStreamConnection(url, lastEventID: parser.lastEventID)
        var refusal: (status: Int, body: Data)?
        do {
            try await connection.read { item in
                switch item {
                case .opened(200): opened()
                case .opened(let status): refusal = (status, Data())
                case .bytes(let data) where refusal != nil: refusal?.body.append(data)
                case .bytes(let data):
                    for event in try parsed(data) where !isDone { show(event) }
                }
                return !isDone
            }
        } catch let failure as EventStreamConnection.Failure {
            return failure.sentence
        }
        if let refusal { return try reason(of: refusal.status, refusal.body) }
        return "the aggregator ended the stream"
    }

    private mutating func opened() {
        say(
            wasOpen
                ? "connected again" : "following \(url.absoluteString); Ctrl-C ends it")
        wasOpen = true
        failures = 0
    }

    private mutating func parsed(_ data: Data) throws -> [ServerSentEvent] {
        do throws(EventStreamParser.Failure) { return try parser.read(data) } catch {
            throw TraceFailure.failed("\(url.absoluteString) is no event stream: \(error)")
        }
    }

    /// A daemon that has too much to do is asked again; one that does not understand is not.
    private func reason(of status: Int, _ body: Data) throws -> String {
        let detail = ProblemBody.sentence(of: body)
        if status == 503 || status == 429 { return "it answers \(status): \(detail)" }
        if status == 404 {
            throw TraceFailure.failed("\(url.absoluteString) does not exist")
        }
        throw TraceFailure.failed("\(url.absoluteString) answers \(status): \(detail)")
    }

    private mutating func show(_ event: ServerSentEvent) {
        if event.name == "merged" { merges.add() }
        let line = json ? jsonLine(event) : EventLine(event).text(Terminal.standardOutput)
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    /// The data is JSON already, and stays as the aggregator wrote it.
    private func jsonLine(_ event: ServerSentEvent) -> String {
        "{\"event\":\"\(event.name)\",\"place\":\"\(event.id ?? "")\",\"data\":\(event.data)}"
    }

    private func say(_ text: String) {
        standardError("tributary-trace: \(text)")
    }
}

/// An event as a line for people.
private struct EventLine {
    private struct Body: Decodable {
        var id: String?
        var agent: String?
        var mergedAt: Moment?
        var at: Moment?
        var postings: [TransactionAnswer.Posting]?
        var reference: String?
        var reason: String?
        var change: String?
        var stream: String?
        var detail: String?
    }

    private let name: String
    private let body: Body?

    init(_ event: ServerSentEvent) {
        name = event.name
        body = try? DaemonAPI.decoder.decode(Body.self, from: Data(event.data.utf8))
    }

    func text(_ terminal: Terminal) -> String {
        let time = (body?.mergedAt ?? body?.at).map { Wording.time($0) + "  " } ?? ""
        guard let body else { return terminal.fit("\(name): not understood") }
        switch name {
        case "merged":
            return terminal.fit(time + merged(body))
        case "set_aside":
            return terminal.bad(
                terminal.fit(
                    "\(time)\(body.id ?? "")  set aside, without effect: \(body.reason ?? "")"))
        case "fleet" where body.agent != nil:
            let line = terminal.fit("\(time)\(body.agent ?? "")  \(change(body))")
            return body.stream == nil ? terminal.faint(line) : terminal.bad(line)
        default: return terminal.fit(body.detail ?? name)
        }
    }

    private func merged(_ body: Body) -> String {
        var parts = [body.id ?? ""]
        if let first = body.postings?.first { parts.append(first.sentence) }
        if let count = body.postings?.count, count > 1 { parts.append("and \(count - 1) more") }
        if let reference = body.reference { parts.append("\"\(reference)\"") }
        return parts.joined(separator: "  ")
    }

    private func change(_ body: Body) -> String {
        body.stream.map { "stream \($0) is \(body.change ?? "stopped")" } ?? body.change ?? ""
    }
}
