/// The fleet as a table, as wide as the window: what says least makes room first.
struct FleetTable {
    private struct Column {
        let title: String
        let isNumber: Bool
        let cells: [String]

        var width: Int { max(title.count, cells.map(\.count).max() ?? 0) }
    }

    /// Between columns.
    private static let gap = 2
    /// Columns that make room, in this order; then the names are cut.
    private static let dispensable = ["CLOCK", "STREAM", "LAST SEEN", "LAST ACK"]
    private static let nameWidthMin = 12

    private let columns: [Column]

    init(_ agents: [FleetAnswer.Agent], now: Moment) {
        func ago(_ moment: Moment?) -> String {
            moment.map { "\(Wording.age(now - $0)) ago" } ?? "—"
        }
        func clock(_ agent: FleetAnswer.Agent) -> String {
            agent.clockOffsetSeconds.map { offset in
                (offset > 0 ? "+" : "") + Wording.span(Int64(offset * 1_000_000))
            } ?? "—"
        }
        func column(
            _ title: String, isNumber: Bool = false, _ cell: (FleetAnswer.Agent) -> String
        ) -> Column {
            Column(title: title, isNumber: isNumber, cells: agents.map(cell))
        }
        columns = [
            column("AGENT", \.id),
            column("STATE", \.state),
            column("BACKLOG", isNumber: true) { Wording.count($0.backlog) },
            column("LAST ACK") { ago($0.lastAckAt) },
            column("LAST SEEN") { ago($0.lastSeenAt) },
            column("CLOCK", clock),
            column("STREAM") { $0.currentStream ?? "—" },
            column("NOTE", \.note),
        ]
    }

    func show(_ terminal: Terminal) {
        let (columns, nameWidth) = fitting(terminal.width)
        let widths = columns.map { $0.title == "AGENT" ? nameWidth : $0.width }
        func line(_ cells: [String]) -> String {
            let parts = zip(zip(cells, columns), widths).map { cell, width in
                let text = cell.0.count > width ? cell.0.prefix(width - 1) + "…" : cell.0
                let space = String(repeating: " ", count: max(0, width - text.count))
                return cell.1.isNumber ? space + text : text + space
            }
            var line = parts.joined(separator: String(repeating: " ", count: FleetTable.gap))
            while line.last == " " { line.removeLast() }
            return terminal.fit(line)
        }
        print(terminal.bold(line(columns.map(\.title))))
        for row in columns.first?.cells.indices ?? 0..<0 {
            print(line(columns.map { $0.cells[row] }))
        }
    }

    /// The columns for which there is room, and how wide the names may be.
    private func fitting(_ window: Int?) -> (columns: [Column], nameWidth: Int) {
        var columns = columns
        let wished = columns.first?.width ?? 0
        guard let window else { return (columns, wished) }
        func room() -> Int {
            window - columns.dropFirst().reduce(0) { $0 + $1.width + FleetTable.gap }
        }
        for title in FleetTable.dispensable where room() < wished {
            columns.removeAll { $0.title == title }
        }
        return (columns, min(wished, max(room(), FleetTable.nameWidthMin)))
    }
}
