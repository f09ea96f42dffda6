import AgentCore
import GRDB
import LedgerCore
import SegmentStore

/// The retention's clock, and each stream's marks.
enum RetentionTable {
    private enum Kept: Int64 {
        case segments = 1
        case keys = 2
    }

    static let ofSeveralStreams = """
        ALTER TABLE retention_marks RENAME TO retention_marks_of_one;
        CREATE TABLE retention_marks (
            stream INTEGER NOT NULL REFERENCES streams(id),
            kept INTEGER NOT NULL,                -- 1 segments, 2 keys
            through_seq INTEGER NOT NULL,
            elapsed INTEGER NOT NULL,
            PRIMARY KEY (stream, kept, through_seq)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO retention_marks (stream, kept, through_seq, elapsed)
        SELECT (SELECT stream FROM identity), kept, through_seq, elapsed FROM retention_marks_of_one;
        DROP TABLE retention_marks_of_one;
        """

    static func find(
        _ database: Database, _ streams: [StreamRow]
    ) throws -> Retention.Saved? {
        guard
            let row = try Row.fetchOne(database, sql: "SELECT elapsed, wall FROM retention_clock")
        else { return nil }
        let clock = RetentionClock.Saved(
            elapsed: row[0], wall: Timestamp(microseconds: row[1]))
        var marks: [StreamTag: Retention.Marks] = [:]
        for stream in streams {
            let found = Retention.Marks(
                segments: try self.marks(.segments, of: stream.id, database),
                keys: try self.marks(.keys, of: stream.id, database))
            if found != Retention.Marks() { marks[stream.tag] = found }
        }
        return Retention.Saved(clock: clock, marks: marks)
    }

    private static func marks(
        _ kept: Kept, of stream: StreamID, _ database: Database
    ) throws -> [RetentionMarks.Mark] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT through_seq, elapsed FROM retention_marks WHERE stream = ? AND kept = ?
                ORDER BY through_seq
                """, arguments: [stream.rawValue, kept.rawValue]
        ).map {
            RetentionMarks.Mark(through: UInt64(bitPattern: $0[0] as Int64), elapsed: $0[1])
        }
    }

    static func write(
        _ saved: Retention.Saved, _ streams: [StreamRow], _ database: Database
    ) throws {
        try database.execute(
            sql:
                "INSERT OR REPLACE INTO retention_clock (only_row, elapsed, wall) VALUES (1, ?, ?)",
            arguments: [saved.clock.elapsed, saved.clock.wall.microseconds])
        try database.execute(sql: "DELETE FROM retention_marks")
        for stream in streams {
            guard let marks = saved.marks[stream.tag] else { continue }
            try write(marks.segments, .segments, of: stream.id, database)
            try write(marks.keys, .keys, of: stream.id, database)
        }
    }

    private static func write(
        _ marks: [RetentionMarks.Mark], _ kept: Kept, of stream: StreamID, _ database: Database
    ) throws {
        let insert = try database.cachedStatement(
            sql: """
                INSERT INTO retention_marks (stream, kept, through_seq, elapsed) VALUES (?, ?, ?, ?)
                """)
        for mark in marks {
            try insert.execute(arguments: [
                stream.rawValue, kept.rawValue, Int64(bitPattern: mark.through), mark.elapsed,
            ])
        }
    }
}

/// What the agent does with the table of keys beside looking them up: their events' times, and
/// their end.
enum KeyTimes {
    static func find(_ key: IdempotencyKey, _ database: Database) throws -> HybridTimestamp? {
        let time = try Int64.fetchOne(
            database, sql: "SELECT time FROM idempotency_keys WHERE scope = ? AND key = ?",
            arguments: [key.scope, key.key])
        return time.map { HybridTimestamp(rawValue: UInt64(bitPattern: $0)) }
    }

    /// The last of the next so many keys; nil where there is none any more.
    static func cursor(
        _ database: Database, after cursor: KeyCursor?, keysMax: Int
    ) throws -> KeyCursor? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT scope, key FROM (
                    SELECT scope, key FROM idempotency_keys WHERE (scope, key) > (?, ?)
                    ORDER BY scope, key LIMIT ?
                ) ORDER BY scope DESC, key DESC LIMIT 1
                """, arguments: [cursor?.scope ?? "", cursor?.key ?? "", keysMax]
        ).map { KeyCursor(scope: $0[0], key: $0[1]) }
    }

    static func remove(
        _ database: Database, of stream: StreamID, through sequence: UInt64, after: KeyCursor?,
        upTo end: KeyCursor
    ) throws {
        try database.execute(
            sql: """
                DELETE FROM idempotency_keys
                WHERE (scope, key) > (?, ?) AND (scope, key) <= (?, ?)
                    AND stream = ? AND sequence <= ?
                """,
            arguments: [
                after?.scope ?? "", after?.key ?? "", end.scope, end.key, stream.rawValue,
                Int64(bitPattern: sequence),
            ])
    }
}
