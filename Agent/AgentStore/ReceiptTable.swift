import AgentCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// The acknowledgements that came, each with the events that it covered.
enum ReceiptTable {
    static let ofSeveralStreams = """
        ALTER TABLE receipts RENAME TO receipts_of_one;
        CREATE TABLE receipts (
            id INTEGER PRIMARY KEY,               -- in the order in which they came
            stream INTEGER NOT NULL REFERENCES streams(id),
            first_seq INTEGER NOT NULL,
            through_seq INTEGER NOT NULL,
            through_hash BLOB NOT NULL,
            hub INTEGER NOT NULL,
            hub_position INTEGER,
            published_at INTEGER,
            attempt INTEGER NOT NULL,
            acknowledged_at INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            committed_at INTEGER NOT NULL,
            waited_for TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX receipts_stream ON receipts(stream, first_seq);
        INSERT INTO receipts (
            stream, first_seq, through_seq, through_hash, hub, hub_position, published_at, attempt,
            acknowledged_at, received_at, committed_at, waited_for
        ) SELECT (SELECT stream FROM identity), first_seq, through_seq, through_hash, hub,
            hub_position, published_at, attempt, acknowledged_at, received_at, committed_at,
            waited_for
        FROM receipts_of_one ORDER BY first_seq;
        DROP TABLE receipts_of_one;
        """

    static func insert(
        _ receipt: Receipt, of stream: StreamID, _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO receipts (
                    stream, first_seq, through_seq, through_hash, hub, hub_position, published_at,
                    attempt, acknowledged_at, received_at, committed_at, waited_for
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        try statement.execute(arguments: [
            stream.rawValue, Int64(bitPattern: receipt.first),
            Int64(bitPattern: receipt.through.sequence),
            Data(receipt.through.hash.bytes), Int64(bitPattern: receipt.hub.rawValue),
            receipt.position.map { Int64(bitPattern: $0) }, receipt.publishedAt?.microseconds,
            Int64(receipt.attempt),
            receipt.acknowledgedAt.microseconds, receipt.receivedAt.microseconds,
            receipt.committedAt.microseconds,
            receipt.waitedFor,
        ])
    }

    /// The last event of a stream that an acknowledgement covered; 0 for none.
    static func acknowledged(_ stream: StreamID, _ database: Database) throws -> UInt64 {
        let through = try Int64.fetchOne(
            database,
            sql: """
                SELECT through_seq FROM receipts WHERE stream = ? ORDER BY first_seq DESC LIMIT 1
                """, arguments: [stream.rawValue])
        return UInt64(bitPattern: through ?? 0)
    }

    /// Forgets the receipts of a stream's events up to there, but the last one, which says how far
    /// they reach.
    static func prune(
        _ stream: StreamID, through sequence: UInt64, _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: """
                DELETE FROM receipts WHERE stream = ?1 AND first_seq <= ?2 AND through_seq <= ?2
                    AND first_seq < (SELECT max(first_seq) FROM receipts WHERE stream = ?1)
                """)
        try statement.execute(arguments: [stream.rawValue, Int64(bitPattern: sequence)])
    }

    static func find(
        covering sequence: UInt64, of stream: StreamRow, _ database: Database
    ) throws -> Receipt? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT first_seq, through_seq, through_hash, hub, hub_position, published_at, attempt,
                    acknowledged_at, received_at, committed_at, waited_for
                FROM receipts WHERE stream = ? AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1
                """)
        guard
            let row = try Row.fetchOne(
                statement, arguments: [stream.id.rawValue, Int64(clamping: sequence)])
        else { return nil }
        let receipt = try Receipt(row, of: stream.tag)
        return receipt.through.sequence >= sequence ? receipt : nil
    }
}

extension Receipt {
    fileprivate init(_ row: Row, of stream: StreamTag) throws {
        let hash: Data = row[2]
        guard let hub = StreamTag(rawValue: UInt64(bitPattern: row[3] as Int64)) else {
            throw StoreError.corrupt(
                place: "table receipts", detail: "a hub's tag has more than 40 bits")
        }
        let position: Int64? = row[4]
        let publishedAt: Int64? = row[5]
        self.init(
            stream: stream, first: UInt64(bitPattern: row[0] as Int64),
            through: ChainPoint(sequence: UInt64(bitPattern: row[1] as Int64), hash: Hash256(hash)),
            hub: hub, position: position.map { UInt64(bitPattern: $0) },
            publishedAt: publishedAt.map { Timestamp(microseconds: $0) },
            attempt: UInt32(row[6] as Int64),
            acknowledgedAt: Timestamp(microseconds: row[7]),
            receivedAt: Timestamp(microseconds: row[8]),
            committedAt: Timestamp(microseconds: row[9]), waitedFor: row[10])
    }
}
