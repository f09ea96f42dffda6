import ArgumentParser
import Foundation
import GRDB
import SegmentStore

/// `sql PATH "SELECT …"`
struct SQLCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql",
        abstract: "Asks a log in SQL: transactions, postings and segments as tables.",
        usage: "tributary-trace sql <path> <statement> [<options>]",
        discussion: """
            PATH is a data folder or database file of an agent or an aggregator, with its daemon running or not. It is \
            copied with its write-ahead log; the copy is read into temporary tables, and the statement is run on those. \
            The original is never written. --schema lists the tables and columns.

            Example, what moved in each asset:

              tributary-trace sql DIR "SELECT asset, sum(amount) FROM postings GROUP BY 1"
            """)

    @Argument(help: "A data folder or a database file.")
    var path: String?

    @Argument(help: "One statement that reads, in SQLite's dialect.")
    var statement: String?

    @Flag(help: "List the tables and columns, and end.")
    var schema = false

    @Flag(help: "As JSON, one object a row and line.")
    var json = false

    @Flag(help: "As CSV, with a line of names.")
    var csv = false

    @Option(
        help: ArgumentHelp(
            "The largest log that is loaded; each million takes some seconds, and a quarter of a GiB of temporary space.",
            valueName: "events"))
    var eventsMax: UInt64 = 5_000_000

    func validate() throws {
        guard !(json && csv) else { throw ValidationError("--json or --csv, not both") }
        guard schema || statement != nil else {
            throw ValidationError(
                "PATH and a statement are needed, as in: tributary-trace sql DIR \"SELECT count(*) FROM transactions\""
            )
        }
    }

    func run() throws {
        if schema { return try showSchema() }
        guard let path, let statement else { return }
        let file = try LogFile.find(path)
        try SQLCommand.check(statement)
        let loaded = try load(file.path, for: statement)
        try loaded.tables.read { database in
            let query = try Query(statement, database)
            let form: RowPrinter.Form = json ? .json : csv ? .csv : .table
            var printer = RowPrinter(form, columns: query.columns, Terminal.standardOutput)
            try query.rows { printer.add($0) }
            printer.finish()
            if form == .table { standardError(Wording.count(printer.rows, "row")) }
        }
        if loaded.setAside > 0 {
            standardError(
                "\(Wording.count(loaded.setAside, "event")) could not be read and stand in no table: see "
                    + "tributary-trace verify \(path)")
        }
    }

    /// Before a large log is loaded: whether the statement can be run on such tables at all.
    private static func check(_ statement: String) throws {
        let empty = try DatabaseQueue()
        try empty.write { database in
            for table in LogTable.all { try database.execute(sql: table.creation) }
        }
        try empty.read { _ = try Query(statement, $0) }
    }

    private func load(_ path: String, for statement: String) throws -> LoadedLog {
        do {
            let copy = try LogCopy(of: path, scratch: NSTemporaryDirectory())
            let loaded = try LoadedLog(
                copy: copy.path, for: statement, eventsMax: eventsMax, progress: progress())
            clearProgress()
            return loaded
        } catch let failure as TraceFailure {
            throw failure
        } catch let error as DatabaseError {
            clearProgress()
            throw TraceFailure.failed(
                "\(path) is no log of an agent or an aggregator: \(error.message ?? "no details")")
        } catch {
            clearProgress()
            throw TraceFailure.failed("\(error)")
        }
    }

    /// A line that overwrites itself, where somebody watches.
    private func progress() -> (UInt64, UInt64) -> Void {
        guard isatty(STDERR_FILENO) == 1 else { return { _, _ in } }
        return { loaded, total in
            let share = total > 0 ? loaded * 100 / total : 100
            FileHandle.standardError.write(Data("\r\u{1B}[Kloading the log \(share) %\r".utf8))
        }
    }

    private func clearProgress() {
        guard isatty(STDERR_FILENO) == 1 else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }

    private func showSchema() throws {
        if json {
            for table in LogTable.all { print(try jsonLine(table)) }
            return
        }
        let terminal = Terminal.standardOutput
        for (index, table) in LogTable.all.enumerated() {
            if index > 0 { print("") }
            print("\(terminal.bold(table.name)): \(table.about)")
            for column in table.columns {
                let type = column.type.prefix { $0 != " " }
                print(
                    terminal.fit(
                        "  \(column.name.padded(17))\(String(type).padded(9))\(column.about)"))
            }
        }
    }
}
