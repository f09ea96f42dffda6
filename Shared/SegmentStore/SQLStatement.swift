import GRDB
import GRDBSQLite
import LedgerCore

/// A statement from the connection's cache, run on the raw handle: bound and read without a copy
/// that is not needed, and without the observation that this log has no use for.
///
/// Parameters are bound in their order. It is reset when it goes out of scope, so no statement ever
/// holds a snapshot open.
package struct SQLStatement: ~Copyable {
    private let statement: Statement
    private let handle: OpaquePointer
    private let connection: OpaquePointer?
    private var bound: CInt = 0

    /// - Precondition: the same text is not being run on this connection already.
    package init(_ database: Database, _ sql: String) throws(StoreError) {
        do {
            statement = try database.cachedStatement(sql: sql)
        } catch {
            throw StoreError(error, at: database.place)
        }
        handle = statement.sqliteStatement
        connection = database.sqliteConnection
        precondition(sqlite3_stmt_busy(handle) == 0, "a statement is run inside itself: \(sql)")
    }

    deinit {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    // MARK: Parameters

    package mutating func bind(_ value: Int64) throws(StoreError) {
        bound += 1
        try check(sqlite3_bind_int64(handle, bound, value))
    }

    package mutating func bind(_ value: Int) throws(StoreError) {
        try bind(Int64(value))
    }

    package mutating func bind(_ value: String) throws(StoreError) {
        bound += 1
        var value = value
        // By its length: a client's key may contain a zero byte, and does not end there.
        let code = value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                characters.isEmpty
                    ? sqlite3_bind_text(handle, bound, "", 0, SQLStatement.transient)
                    : sqlite3_bind_text(
                        handle, bound, characters.baseAddress, CInt(characters.count),
                        SQLStatement.transient)
            }
        }
        try check(code)
    }

    /// NULL where there is none.
    package mutating func bind(ifPresent value: String?) throws(StoreError) {
        if let value { try bind(value) } else { try bindNull() }
    }

    /// NULL where there is none.
    package mutating func bind(ifPresent value: Int64?) throws(StoreError) {
        if let value { try bind(value) } else { try bindNull() }
    }

    private mutating func bindNull() throws(StoreError) {
        bound += 1
        try check(sqlite3_bind_null(handle, bound))
    }

    package mutating func bind(_ value: [UInt8]) throws(StoreError) {
        bound += 1
        let code = value.withUnsafeBytes { bytes in
            // A null pointer would bind NULL, not an empty blob.
            bytes.isEmpty
                ? sqlite3_bind_zeroblob(handle, bound, 0)
                : sqlite3_bind_blob64(
                    handle, bound, bytes.baseAddress, UInt64(bytes.count), SQLStatement.transient)
        }
        try check(code)
    }

    package mutating func bind(_ value: Hash256) throws(StoreError) {
        try bind(value.bytes)
    }

    /// A sequence number. SQLite's integers have a sign; nobody writes 2⁶³ events.
    package mutating func bind(sequence: UInt64) throws(StoreError) {
        guard let value = Int64(exactly: sequence) else {
            throw .corrupt(
                place: "a segment", detail: "the sequence number \(sequence) is beyond 2⁶³ − 1")
        }
        try bind(value)
    }

    // MARK: Rows

    /// - Returns: whether there is a row.
    package mutating func step() throws(StoreError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw failure(code)
        }
    }

    /// Runs a statement that returns no row.
    package consuming func run() throws(StoreError) {
        let hasRow = try step()
        precondition(!hasRow, "a statement run for its effect returned a row")
    }

    /// Runs a statement that returns no row, and makes it ready for the next one's parameters: for
    /// many rows in a row.
    package mutating func execute() throws(StoreError) {
        let hasRow = try step()
        precondition(!hasRow, "a statement run for its effect returned a row")
        reset()
    }

    /// Makes it ready for other parameters.
    package mutating func reset() {
        sqlite3_reset(handle)
        bound = 0
    }

    package func integer(_ column: CInt) -> Int64 { sqlite3_column_int64(handle, column) }

    package func isNull(_ column: CInt) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    package func text(_ column: CInt) -> String {
        guard let characters = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: characters, count: count), as: UTF8.self)
    }

    package func blob(_ column: CInt) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(handle, column))
        guard count > 0, let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// - Throws: `StoreError.corrupt` where the column does not hold 32 bytes.
    package func hash(_ column: CInt) throws(StoreError) -> Hash256 {
        let bytes = blob(column)
        guard bytes.count == Hash256.byteCount else {
            throw .corrupt(
                place: "a hash column",
                detail: "it has \(bytes.count) bytes, not \(Hash256.byteCount)")
        }
        return Hash256(bytes)
    }

    private func check(_ code: CInt) throws(StoreError) {
        guard code == SQLITE_OK else { throw failure(code) }
    }

    private func failure(_ code: CInt) -> StoreError {
        StoreError(
            code: code, message: String(cString: sqlite3_errmsg(connection)), at: statement.place)
    }

    /// SQLite's word for "copy it, it will be gone" (`SQLITE_TRANSIENT`, a macro that Swift does
    /// not import).
    private static var transient: sqlite3_destructor_type {
        unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }
}

extension Database {
    /// The database's file, for messages.
    package var place: String {
        let name = sqlite3_db_filename(sqliteConnection, "main").map { String(cString: $0) } ?? ""
        return name.isEmpty ? "the database" : name
    }
}

extension Statement {
    fileprivate var place: String {
        let name =
            sqlite3_db_filename(sqlite3_db_handle(sqliteStatement), "main").map {
                String(cString: $0)
            } ?? ""
        return name.isEmpty ? "the database" : name
    }
}
