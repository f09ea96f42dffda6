import Foundation
import GRDB
import GRDBSQLite

/// A value of an answer.
enum SQLValue {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

/// One statement that only reads, run on the raw handle: SQLite says there at which byte a text is wrong.
final class Query {
    let columns: [String]
    private let handle: OpaquePointer
    private let connection: OpaquePointer

    /// - Throws: `TraceFailure.usage` showing the place.
    init(_ sql: String, _ database: Database) throws {
        guard let connection = database.sqliteConnection else {
            preconditionFailure("GRDB hands out an open connection")
        }
        // No other file may be reached from here.
        sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0)
        var handle: OpaquePointer?
        let rest = try sql.withCString { text in
            var tail: UnsafePointer<CChar>?
            let code = sqlite3_prepare_v2(connection, text, -1, &handle, &tail)
            guard code == SQLITE_OK else { throw Query.failure(connection, sql) }
            return tail.map { String(cString: $0) } ?? ""
        }
        guard let handle else { throw TraceFailure.usage("there is no statement in the text") }
        self.handle = handle
        self.connection = connection
        columns = (0..<sqlite3_column_count(handle)).map { column in
            sqlite3_column_name(handle, column).map { String(cString: $0) } ?? "?"
        }
        try check(rest)
    }

    deinit { sqlite3_finalize(handle) }

    private func check(_ rest: String) throws {
        let isOver = rest.allSatisfy { $0.isWhitespace || $0 == ";" }
        guard isOver else {
            throw TraceFailure.usage(
                "one statement at a time: what follows the first `;` is another")
        }
        guard sqlite3_stmt_readonly(handle) != 0, !columns.isEmpty else {
            throw TraceFailure.usage(
                "only statements that read are run here, as SELECT: a log is never written")
        }
    }

    /// Hands out each row in turn.
    func rows(_ body: ([SQLValue]) throws -> Void) throws {
        while true {
            switch sqlite3_step(handle) {
            case SQLITE_ROW: try body(columns.indices.map { value(Int32($0)) })
            case SQLITE_DONE: return
            default: throw Query.failure(connection, nil)
            }
        }
    }

    private func value(_ column: Int32) -> SQLValue {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(handle, column))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(handle, column))
        case SQLITE_TEXT:
            guard let characters = sqlite3_column_text(handle, column) else { return .text("") }
            let count = Int(sqlite3_column_bytes(handle, column))
            return .text(
                String(
                    decoding: UnsafeBufferPointer(start: characters, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(handle, column))
            guard count > 0, let start = sqlite3_column_blob(handle, column) else {
                return .blob([])
            }
            return .blob(Array(UnsafeRawBufferPointer(start: start, count: count)))
        default: return .null
        }
    }

    private static func failure(_ connection: OpaquePointer, _ sql: String?) -> TraceFailure {
        let message = String(cString: sqlite3_errmsg(connection))
        let hint = "Tables and columns: tributary-trace sql --schema"
        let offset = Int(sqlite3_error_offset(connection))
        guard let sql, offset >= 0, let place = place(in: sql, at: offset) else {
            return .usage("\(message)\n\(hint)")
        }
        return .usage("\(message)\n\(place)\n\(hint)")
    }

    /// The line of the text that the byte is on, and a mark below it.
    private static func place(in sql: String, at offset: Int) -> String? {
        let bytes = Array(sql.utf8)
        guard offset <= bytes.count else { return nil }
        let newline = UInt8(ascii: "\n")
        let start = bytes[..<offset].lastIndex(of: newline).map { $0 + 1 } ?? 0
        let end = bytes[offset...].firstIndex(of: newline) ?? bytes.count
        let before = String(decoding: bytes[start..<offset], as: UTF8.self)
        let line = String(decoding: bytes[start..<end], as: UTF8.self)
        // Of a long line what lies around the place.
        let dropped = line.count > placeWidth ? max(0, before.count - placeWidth / 2) : 0
        let shown = line.dropFirst(dropped).prefix(placeWidth)
        let mark = String(repeating: " ", count: before.count - dropped) + "^"
        return "  \(shown)\n  \(mark)"
    }

    private static let placeWidth = 72
}
