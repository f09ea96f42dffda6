import Foundation
import LedgerCore

/// Writes the rows of an answer as they come, in bounded memory.
struct RowPrinter {
    enum Form {
        case table
        /// An object a line.
        case json
        /// RFC 4180, with a line of names.
        case csv
    }

    private enum Layout {
        case lines(widths: [Int])
        case columns
    }

    /// Between the columns of a table.
    private static let gap = 2
    /// Rows that a table's widths are taken from; a later cell that is wider moves its line.
    private static let sampleMax = 500
    /// Written at once, in bytes.
    private static let chunkBytes = 64 * 1024

    private let form: Form
    private let columns: [String]
    private let terminal: Terminal
    private var sample: [[SQLValue]] = []
    /// Set once the sample is written. Where a line of a table would be wider than the window, each row is shown with
    /// a column a line instead: nothing is cut.
    private var layout: Layout?
    private var pending: [UInt8] = []
    private(set) var rows: UInt64 = 0

    init(_ form: Form, columns: [String], _ terminal: Terminal) {
        self.form = form
        self.columns = form == .json ? RowPrinter.distinct(columns) : columns
        self.terminal = terminal
        if form == .csv { write(columns.map(RowPrinter.quoted).joined(separator: ","), "\r\n") }
    }

    mutating func add(_ row: [SQLValue]) {
        rows += 1
        switch form {
        case .csv: write(row.map { RowPrinter.quoted($0.csv) }.joined(separator: ","), "\r\n")
        case .json: write(object(row))
        case .table:
            if let layout {
                write(row, layout)
            } else {
                sample.append(row)
                if sample.count == RowPrinter.sampleMax { writeSample() }
            }
        }
    }

    mutating func finish() {
        if form == .table, layout == nil { writeSample() }
        flush()
    }

    // MARK: Table

    private mutating func writeSample() {
        var widths = columns.map(\.count)
        for row in sample {
            for (index, value) in row.enumerated() {
                widths[index] = max(widths[index], value.shown.count)
            }
        }
        let width = widths.reduce(0, +) + RowPrinter.gap * (widths.count - 1)
        let layout: Layout =
            terminal.width.map { width > $0 } ?? false ? .columns : .lines(widths: widths)
        self.layout = layout
        if case .lines = layout { write(terminal.bold(line(columns.map { ($0, false) }, widths))) }
        for row in sample { write(row, layout) }
        sample = []
    }

    private mutating func write(_ row: [SQLValue], _ layout: Layout) {
        switch layout {
        case .lines(let widths): write(line(row.map { ($0.shown, $0.isNumber) }, widths))
        case .columns:
            let width = (columns.map(\.count).max() ?? 0) + RowPrinter.gap
            for (name, value) in zip(columns, row) {
                write(terminal.wrap(name.padded(width) + value.shown, hanging: width))
            }
            write("")
        }
    }

    private func line(_ cells: [(text: String, isNumber: Bool)], _ widths: [Int]) -> String {
        let parts = zip(cells, widths).map { cell, width in
            let space = String(repeating: " ", count: max(0, width - cell.text.count))
            return cell.isNumber ? space + cell.text : cell.text + space
        }
        var line = parts.joined(separator: String(repeating: " ", count: RowPrinter.gap))
        while line.last == " " { line.removeLast() }
        return line
    }

    // MARK: JSON and CSV

    private func object(_ row: [SQLValue]) -> String {
        let members = zip(columns, row).map { name, value in
            "\(RowPrinter.json(name)):\(value.json)"
        }
        return "{\(members.joined(separator: ","))}"
    }

    static func json(_ text: String) -> String {
        // A string has no part that JSON cannot write.
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let bytes = try? encoder.encode(text) else {
            preconditionFailure("a string that is no JSON: \(text.debugDescription)")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A name that comes again gets a number, so that no member hides another.
    private static func distinct(_ names: [String]) -> [String] {
        var seen: [String: Int] = [:]
        return names.map { name in
            seen[name, default: 0] += 1
            let count = seen[name, default: 1]
            return count == 1 ? name : "\(name)_\(count)"
        }
    }

    private static func quoted(_ text: String) -> String {
        guard text.contains(where: { ",\"\n\r\r\n".contains($0) }) else { return text }
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }

    // MARK: Output

    private mutating func write(_ line: String, _ end: String = "\n") {
        pending += line.utf8
        pending += end.utf8
        if pending.count >= RowPrinter.chunkBytes { flush() }
    }

    private mutating func flush() {
        FileHandle.standardOutput.write(Data(pending))
        pending.removeAll(keepingCapacity: true)
    }
}

extension SQLValue {
    var isNumber: Bool {
        switch self {
        case .integer, .real: true
        case .null, .text, .blob: false
        }
    }

    /// In a table, on one line.
    var shown: String {
        switch self {
        case .null: "NULL"
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .text(let text):
            text.contains(where: \.isNewline) ? text.debugDescription : text
        case .blob(let bytes): "x'\(bytes.hexadecimal)'"
        }
    }

    var csv: String {
        switch self {
        case .null: ""
        case .text(let text): text
        default: shown
        }
    }

    /// A blob as hexadecimal; what is no number of JSON as null.
    var json: String {
        switch self {
        case .null: "null"
        case .integer(let number): "\(number)"
        case .real(let number): number.isFinite ? "\(number)" : "null"
        case .text(let text): RowPrinter.json(text)
        case .blob(let bytes): "\"\(bytes.hexadecimal)\""
        }
    }
}
