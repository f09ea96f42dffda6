import Foundation
import GRDBSQLite

/// What SQLite does alone, with the settings of our stores: WAL, a sync before each commit returns.
enum RawSQLite {
    static func measure(_ plan: Plan) throws -> [Figure] {
        let folder = try plan.folder("raw-sqlite")
        let rows = try commitsPerSecond("\(folder)/rows.db", byteCount: 40, plan)
        let blobs = try commitsPerSecond("\(folder)/blobs.db", byteCount: 16_000, plan)
        return [
            Figure(
                .rawSQLite, "commits of one row", rows, "commit/s",
                note: "40 bytes, synchronous=FULL"),
            Figure(
                .rawSQLite, "commits of a blob", blobs, "commit/s",
                note: "16,000 bytes, what 1,000 transactions take"),
            Figure(.rawSQLite, "transactions in blobs", blobs * 1_000, "tx/s"),
        ]
    }

    private static func commitsPerSecond(
        _ path: String, byteCount: Int, _ plan: Plan
    ) throws -> Double {
        let database = try SQLiteConnection(path)
        defer { database.close() }
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        try database.execute("CREATE TABLE log (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        let insert = try database.prepare("INSERT INTO log (bytes) VALUES (?)")
        defer { sqlite3_finalize(insert) }
        let bytes = (0..<byteCount).map { _ in UInt8.random(in: 0...255) }
        var commits = 0
        let start = monotonicNanoseconds()
        let measuredFrom = start + plan.warmUp.nanoseconds
        let end = measuredFrom + plan.measured.nanoseconds / 2
        while true {
            let now = monotonicNanoseconds()
            if now >= end { break }
            try database.insert(bytes, with: insert)
            if now >= measuredFrom { commits += 1 }
        }
        return Double(commits) / (Double(end - measuredFrom) / 1e9)
    }
}

/// As little as there can be around a connection.
private struct SQLiteConnection {
    private let handle: OpaquePointer

    init(_ path: String) throws {
        var opened: OpaquePointer?
        guard sqlite3_open(path, &opened) == SQLITE_OK, let opened else {
            throw Implausible("SQLite cannot open \(path)")
        }
        handle = opened
    }

    func close() {
        sqlite3_close(handle)
    }

    func execute(_ sql: String) throws {
        try check(sqlite3_exec(handle, sql, nil, nil, nil))
    }

    func prepare(_ sql: String) throws -> OpaquePointer? {
        var statement: OpaquePointer?
        try check(sqlite3_prepare_v2(handle, sql, -1, &statement, nil))
        return statement
    }

    /// One row, in a commit of its own.
    func insert(_ bytes: [UInt8], with statement: OpaquePointer?) throws {
        try bytes.withUnsafeBytes {
            try check(sqlite3_bind_blob64(statement, 1, $0.baseAddress, UInt64($0.count), nil))
            guard sqlite3_step(statement) == SQLITE_DONE else {
                return try check(sqlite3_errcode(handle))
            }
        }
        try check(sqlite3_reset(statement))
    }

    private func check(_ code: CInt) throws {
        guard code == SQLITE_OK else {
            throw Implausible("SQLite: \(String(cString: sqlite3_errmsg(handle)))")
        }
    }
}
