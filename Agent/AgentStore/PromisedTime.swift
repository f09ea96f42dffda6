import GRDB
import LedgerCore

/// The time of the last watermark that this agent made up its mind to say: the clock of the stream
/// goes on behind it after a new start, whatever the device's own clock shows then.
enum PromisedTime {
    static let table = """
        CREATE TABLE promised_time (
            only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
            time INTEGER NOT NULL                 -- hybrid: 52 bits of microseconds, 12 of counter
        ) STRICT;
        """

    static func find(_ database: Database) throws -> HybridTimestamp {
        let time = try Int64.fetchOne(database, sql: "SELECT time FROM promised_time")
        return HybridTimestamp(rawValue: UInt64(bitPattern: time ?? 0))
    }

    static func save(_ time: HybridTimestamp, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO promised_time (only_row, time) VALUES (1, ?)")
        try statement.execute(arguments: [Int64(bitPattern: time.rawValue)])
    }
}
