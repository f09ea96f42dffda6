import FleetHarness
import Foundation

/// What is known of one agent at a moment.
struct AgentRow: Sendable {
    enum State: String {
        case inSync = "in sync"
        case sending
        case offline
        case silent = "no answer"
    }

    var agent: String
    var accepted: Int
    var total: Int
    /// Nil when the agent did not answer.
    var sync: SyncStatus?

    var state: State {
        guard let sync else { return .silent }
        if !sync.isConnected { return .offline }
        return sync.backlog == 0 ? .inSync : .sending
    }
}

/// Shows the fleet while it works: a table on a terminal, a line now and then elsewhere.
struct FleetView {
    /// How often a line is written where nothing can be drawn in place.
    private static let lineInterval: Duration = .seconds(2)

    let terminal: Terminal
    private var lastLine: ContinuousClock.Instant?

    init(terminal: Terminal) {
        self.terminal = terminal
    }

    /// - Parameter clock: the market's time of day, if it has one.
    mutating func show(_ rows: [AgentRow], clock: String?) {
        if terminal.isInteractive {
            terminal.draw(Self.table(rows, clock: clock))
        } else if lastLine.map({ $0 + Self.lineInterval <= .now }) ?? true {
            lastLine = .now
            terminal.print(Self.line(rows, clock: clock))
        }
    }

    /// The last state, which stays.
    func conclude(_ rows: [AgentRow]) {
        terminal.draw(Self.table(rows, clock: nil))
        terminal.keepBlock()
    }

    static func table(
        _ rows: [AgentRow], clock: String?
    ) -> [(text: String, style: Terminal.Style?)] {
        let width = max(12, rows.map(\.agent.count).max() ?? 0) + 2
        var lines: [(text: String, style: Terminal.Style?)] = [("", nil)]
        let heading =
            "  " + "AGENT".left(width) + "STATE".left(12) + "ACCEPTED".right(16)
            + "BACKLOG".right(10) + "LAST ACK".right(14)
        lines.append((heading, .bold))
        for row in rows {
            let accepted = "\(grouped(row.accepted)) of \(grouped(row.total))"
            let backlog = row.sync.map { grouped($0.backlog) } ?? "?"
            let text =
                "  " + row.agent.left(width) + row.state.rawValue.left(12) + accepted.right(16)
                + backlog.right(10) + ago(row.sync?.lastAckAt).right(14)
            lines.append((text, style(of: row.state)))
        }
        let all = "\(grouped(sum(rows, \.accepted))) of \(grouped(sum(rows, \.total)))"
        let foot =
            "  " + "all".left(width) + (clock ?? "").left(12) + all.right(16)
            + grouped(sum(rows) { $0.sync?.backlog ?? 0 }).right(10)
        lines.append((foot, .bold))
        return lines
    }

    static func line(_ rows: [AgentRow], clock: String?) -> String {
        let time = clock.map { "\($0)  " } ?? ""
        let accepted = "\(grouped(sum(rows, \.accepted))) of \(grouped(sum(rows, \.total)))"
        let backlog = grouped(sum(rows) { $0.sync?.backlog ?? 0 })
        let away = rows.filter { $0.state == .offline || $0.state == .silent }
        let names = away.map { "; \($0.agent) \($0.state.rawValue)" }
        // A line of 80 columns has room for one of them.
        let note = away.count > 1 ? "; \(away.count) agents away" : names.joined()
        return "  \(time)accepted \(accepted), backlog \(backlog)\(note)"
    }

    private static func style(of state: AgentRow.State) -> Terminal.Style? {
        switch state {
        case .inSync: .green
        case .sending: .yellow
        case .offline, .silent: .red
        }
    }

    private static func sum(_ rows: [AgentRow], _ value: (AgentRow) -> Int) -> Int {
        rows.reduce(0) { $0 + value($1) }
    }
}
