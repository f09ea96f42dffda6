import GRDB

/// Whose data folder this is.
struct Identity: Sendable {
    var agent: String
    var ledger: String
    /// The stream that is written, by its row.
    var stream: Int64

    /// False in a database whose first opening was interrupted before it had any table.
    static func isThere(_ database: Database) throws -> Bool {
        try database.tableExists("identity")
    }

    static func find(_ database: Database) throws -> Identity? {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT agent, ledger, stream FROM identity")
        else { return nil }
        return Identity(agent: row[0], ledger: row[1], stream: row[2])
    }

    func insert(_ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO identity (only_row, agent, ledger, stream) VALUES (1, ?, ?, ?)",
            arguments: [agent, ledger, stream])
    }

    static func setStream(_ stream: Int64, _ database: Database) throws {
        try database.execute(sql: "UPDATE identity SET stream = ?", arguments: [stream])
    }
}
