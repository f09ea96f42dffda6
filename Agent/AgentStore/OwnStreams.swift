import AgentCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// The streams that a folder has written, the last of them now.
enum OwnStreams {
    static let tables = """
        CREATE TABLE own_streams (
            stream INTEGER PRIMARY KEY REFERENCES streams(id),
            last_session INTEGER NOT NULL,        -- the highest that was made ready to be proved
            ended_at INTEGER,                     -- microseconds since 1970, this device's clock; NULL for the one that is written
            end_cause TEXT,                       -- restored, rolled_back, forked, lost, closed
            end_detail TEXT,                      -- for people
            confirmed_hub INTEGER,                -- the hub that acknowledged last; NULL before any did
            confirmed_position INTEGER,           -- where the last of it stands in that hub's log, or before
            confirmed_seq INTEGER,                -- how far that hub had come
            confirmed_hash BLOB,
            finished_hub INTEGER                  -- the hub that has all of it and knows that no more comes
        ) STRICT;
        INSERT INTO own_streams (stream, last_session) SELECT stream, last_session FROM identity;
        CREATE TABLE must_draw (
            only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
            detail TEXT NOT NULL                  -- why, for people
        ) STRICT;
        """

    struct Entry: Sendable {
        let row: StreamRow
        let lastSession: UInt64
        let end: StreamEnd?
        let confirmed: (through: ChainPoint, at: LogPlace)?
        let finishedFor: StreamTag?
    }

    /// In the order in which they were written.
    static func all(_ database: Database) throws -> [Entry] {
        let rows = try SegmentLog.streams(database)
        let found = try Row.fetchAll(
            database,
            sql: """
                SELECT stream, last_session, ended_at, end_cause, end_detail, confirmed_hub,
                    confirmed_position, confirmed_seq, confirmed_hash, finished_hub
                FROM own_streams ORDER BY stream
                """)
        return try found.map { entry in
            let id: Int64 = entry[0]
            guard let row = rows.first(where: { $0.id.rawValue == id }) else {
                throw StoreError.corrupt(
                    place: "table own_streams", detail: "stream \(id) is not in table streams")
            }
            return Entry(
                row: row, lastSession: UInt64(bitPattern: entry[1] as Int64), end: try end(entry),
                confirmed: confirmed(entry), finishedFor: tag(entry[9]))
        }
    }

    private static func end(_ row: Row) throws -> StreamEnd? {
        guard let at = row[2] as Int64?, let name = row[3] as String? else { return nil }
        guard let cause = StreamEnd.Cause(rawValue: name) else {
            throw StoreError.corrupt(
                place: "table own_streams", detail: "\(name.quotedForMessage) is no cause")
        }
        return StreamEnd(
            cause, detail: row[4] as String? ?? "", at: Timestamp(microseconds: at))
    }

    private static func tag(_ value: Int64?) -> StreamTag? {
        value.flatMap { StreamTag(rawValue: UInt64(bitPattern: $0)) }
    }

    private static func confirmed(_ row: Row) -> (through: ChainPoint, at: LogPlace)? {
        guard let hub = tag(row[5]), let position = row[6] as Int64?,
            let sequence = row[7] as Int64?, let hash = row[8] as Data?,
            hash.count == Hash256.byteCount
        else { return nil }
        return (
            ChainPoint(sequence: UInt64(bitPattern: sequence), hash: Hash256(hash)),
            LogPlace(hub: hub, position: UInt64(bitPattern: position))
        )
    }

    static func setConfirmed(
        _ through: ChainPoint, at place: LogPlace, of stream: StreamID, _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: """
                UPDATE own_streams SET confirmed_hub = ?, confirmed_position = ?,
                    confirmed_seq = ?, confirmed_hash = ? WHERE stream = ?
                """)
        try statement.execute(arguments: [
            Int64(bitPattern: place.hub.rawValue), Int64(bitPattern: place.position),
            Int64(bitPattern: through.sequence), Data(through.hash.bytes), stream.rawValue,
        ])
    }

    static func setFinished(
        for hub: StreamTag, _ stream: StreamID, _ database: Database
    ) throws {
        try database.execute(
            sql: "UPDATE own_streams SET finished_hub = ? WHERE stream = ?",
            arguments: [Int64(bitPattern: hub.rawValue), stream.rawValue])
    }

    static func insert(_ stream: StreamID, _ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO own_streams (stream, last_session) VALUES (?, 0)",
            arguments: [stream.rawValue])
    }

    static func setEnd(_ end: StreamEnd, of stream: StreamID, _ database: Database) throws {
        try database.execute(
            sql:
                "UPDATE own_streams SET ended_at = ?, end_cause = ?, end_detail = ? WHERE stream = ?",
            arguments: [end.at.microseconds, end.cause.rawValue, end.detail, stream.rawValue])
    }

    static func setLastSession(
        _ session: UInt64, of stream: StreamID, _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: "UPDATE own_streams SET last_session = max(last_session, ?) WHERE stream = ?")
        try statement.execute(arguments: [Int64(bitPattern: session), stream.rawValue])
    }

    // MARK: The mark of a backup

    /// Why the next start must begin a new stream; nil where it need not.
    static func mustDraw(_ database: Database) throws -> String? {
        try String.fetchOne(database, sql: "SELECT detail FROM must_draw")
    }

    static func setMustDraw(_ detail: String?, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM must_draw")
        guard let detail else { return }
        try database.execute(
            sql: "INSERT INTO must_draw (only_row, detail) VALUES (1, ?)", arguments: [detail])
    }
}
