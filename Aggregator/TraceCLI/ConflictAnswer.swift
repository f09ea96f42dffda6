import Foundation
import Workers

/// A conflict as both daemons show it.
struct ConflictAnswer: Codable {
    struct Range: Codable {
        var first: UInt64
        var last: UInt64
        var count: UInt64
        var segment: String?
    }

    struct Evidence: Codable {
        var head: UInt64
        var hash: String
        var session: UInt64
        var passesAnnounced: Bool
        var hasLeft: Bool
        var challenge: String
        var greeting: String
        var signature: String
    }

    struct Former: Codable {
        var hub: String
        var position: UInt64
    }

    struct Resolution: Codable {
        var event: String
        var what: String
        var at: Moment
        var `operator`: String?
        var reason: String?
    }

    var id: String
    var kind: String
    var cause: String?
    var status: String
    var agent: String?
    var stream: String
    var standing: String?
    var summary: String
    var advice: String
    var recordedAt: Moment
    var repeats: UInt64
    var events: [Range]
    var withoutEffect: [Range]
    var branches: [BranchAnswer]
    var evidence: Evidence?
    var hashBefore: String?
    var resumesBehind: String?
    var eventKind: UInt64?
    var offsetSeconds: Double?
    var former: Former?
    var resolution: Resolution?
}

/// Where a branch of a stream ends.
struct BranchAnswer: Codable, Hashable {
    var head: UInt64
    var hash: String

    var words: String { "event \(Wording.count(head)) (\(hash.prefix(8)))" }
}

/// What `conflicts`, `quarantine` and `forks` show of conflicts.
struct ConflictReport {
    /// Nil where what follows is up to date.
    var warning: String?
    var isWell: Bool
    var conflicts: [ConflictAnswer]

    private struct View: Encodable {
        var warning: String?
        var conflicts: [ConflictAnswer]
    }

    func show(json: Bool, headline: String, isGood: Bool) throws {
        if json { return try printJSON(View(warning: warning, conflicts: conflicts)) }
        let terminal = Terminal.standardOutput
        let now = Moment(microseconds: WallClock.now().microseconds)
        if let warning { print(terminal.bad(terminal.wrap(warning))) }
        print(isGood ? terminal.good(headline) : terminal.bad(headline))
        for conflict in conflicts {
            print("")
            conflict.show(terminal, now: now)
        }
    }
}

extension ConflictAnswer {
    func show(_ terminal: Terminal, now: Moment) {
        let name = cause.map { "\(kind) (\($0))" } ?? kind
        let whose = agent.map { "\($0), stream \(stream)" } ?? "stream \(stream)"
        let since = Wording.time(recordedAt, sameDayAs: now)
        print(terminal.bold(terminal.fit("\(id)  \(name)  \(whose), since \(since)")))
        for line in lines { print(terminal.wrap("    \(line)", hanging: 6)) }
    }

    private var lines: [String] {
        var lines = [summary]
        if branches.count > 1 {
            lines.append("Branches end with \(branches.map(\.words).joined(separator: " and ")).")
        }
        if let evidence {
            let head = BranchAnswer(head: evidence.head, hash: evidence.hash)
            lines.append("Evidence: \(head.words), signed in session \(evidence.session).")
        }
        if !withoutEffect.isEmpty {
            let ranges = withoutEffect.map {
                $0.count == 1 ? "\($0.first)" : "\($0.first) to \($0.last)"
            }
            lines.append("Without effect: \(ranges.joined(separator: ", ")).")
        }
        guard let resolution else {
            lines.append("Next: \(advice)")
            let isQuarantine = !withoutEffect.isEmpty
            if isQuarantine {
                lines.append("tributary-trace quarantine release \(id) --by NAME --reason WHY")
            }
            lines.append("tributary-trace conflicts resolve \(id) --by NAME --reason WHY")
            return lines
        }
        let by = resolution.operator.map { " by \($0)" } ?? ""
        let why = resolution.reason.map { ": \($0)" } ?? ""
        lines.append("Settled \(Wording.dayAndTime(resolution.at))\(by)\(why)")
        return lines
    }
}
