import GRDB

/// Whose data folder this is.
struct Identity: Sendable {
    var agent: String
    var ledger: String
    var stream: Int64
    var lastSession: UInt64

    /// False in a database whose first opening was interrupted before it had any table.
    static func isThere(_ database: Database) throws -> Bool {
        try database.tableExists("identity")
    }

    static func find(_ database: Database) throws -> Identity? {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT agent, ledger, stream, last_session FROM identity")
        else { return nil }
        return Identity(
            agent: row[0], ledger: row[1], stream: row[2],
            lastSession: UInt64(bitPattern: row[3] as Int64))
    }

    func insert(_ database: Database) throws {
        try database.execute(
            sql:
                "INSERT INTO identity (only_row, agent, ledger, stream, last_session) VALUES (1, ?, ?, ?, ?)",
            arguments: [agent, ledger, stream, Int64(bitPattern: lastSession)])
    }

    static func lastSession(_ database: Database) throws -> UInt64 {
        try find(database)?.lastSession ?? 0
    }

    static func setLastSession(_ session: UInt64, _ database: Database) throws {
        try database.execute(
            sql: "UPDATE identity SET last_session = ?", arguments: [Int64(bitPattern: session)])
    }
}
