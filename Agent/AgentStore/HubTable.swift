import AgentCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// The hubs that this agent has followed, what they told it, and where they placed its segments.
enum HubTable {
    static let tables = """
        CREATE TABLE hubs (
            id INTEGER PRIMARY KEY,               -- in the order in which they were followed
            tag INTEGER NOT NULL UNIQUE,
            genesis BLOB NOT NULL
        ) STRICT;
        CREATE TABLE hub_events (
            hub INTEGER NOT NULL REFERENCES hubs(id),
            number INTEGER NOT NULL,              -- in the hub's stream
            bytes BLOB NOT NULL,                  -- as signed
            signature BLOB NOT NULL,
            origin_hub INTEGER,                   -- tag of the hub whose event it repeats
            origin_number INTEGER,
            PRIMARY KEY (hub, number)
        ) STRICT, WITHOUT ROWID;
        -- Beside the receipts, which say where the first hub that acknowledged placed a segment.
        CREATE TABLE placements (
            stream INTEGER NOT NULL REFERENCES streams(id),
            hub INTEGER NOT NULL,                 -- its tag
            first_seq INTEGER NOT NULL,
            through_seq INTEGER NOT NULL,
            position INTEGER NOT NULL,            -- of the first segment, in the hub's log
            PRIMARY KEY (stream, hub, first_seq)
        ) STRICT, WITHOUT ROWID;
        """

    // MARK: Hubs

    /// In the order in which they were followed.
    static func all(_ database: Database) throws -> [HubRecord] {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT h.tag, e.bytes, e.signature, h.genesis FROM hubs h LEFT JOIN hub_events e
                    ON e.hub = h.id AND e.number = (SELECT max(number) FROM hub_events WHERE hub = h.id)
                ORDER BY h.id
                """)
        var found: [HubRecord] = []
        while let row = try rows.next() {
            let tag = try tag(row)
            let last = try row.hasNull(atIndex: 1) ? nil : signed(row)
            do throws(WireError) {
                let genesis = try Genesis(decoding: Array(row[3] as Data))
                found.append(HubRecord(tag: tag, genesis: genesis, last: last))
            } catch {
                throw StoreError.corrupt(place: "table hubs", detail: "hub \(tag): \(error)")
            }
        }
        return found
    }

    static func follow(_ hub: HubRecord, _ database: Database) throws {
        try database.execute(
            sql: "INSERT OR IGNORE INTO hubs (tag, genesis) VALUES (?, ?)",
            arguments: [Int64(bitPattern: hub.tag.rawValue), Data(hub.genesis.encoded())])
    }

    // MARK: Events

    static func keep(_ signed: SignedHubEvent, _ database: Database) throws {
        let insert = try database.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO hub_events
                    (hub, number, bytes, signature, origin_hub, origin_number)
                SELECT id, ?2, ?3, ?4, ?5, ?6 FROM hubs WHERE tag = ?1
                """)
        let origin = signed.event.content.origin
        let hub = Int64(bitPattern: signed.hub.rawValue)
        let number = Int64(bitPattern: signed.event.sequence)
        try insert.execute(arguments: [
            hub, number, Data(signed.bytes), Data(signed.signature.bytes),
            origin.map { Int64(bitPattern: $0.hub.rawValue) },
            origin.map { Int64(bitPattern: $0.sequence) },
        ])
    }

    /// All that hubs have told, in the order in which the hubs were followed, each hub's in its order.
    static func events(
        _ database: Database
    ) throws -> [(hub: StreamTag, event: HubEvent)] {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT h.tag, e.bytes, e.signature FROM hub_events e JOIN hubs h ON h.id = e.hub
                ORDER BY h.id, e.number
                """)
        return try events(rows).map { ($0.hub, $0.event) }
    }

    /// What hubs have told in so far as no other hub has repeated it, by the hubs.
    static func events(
        besides hub: StreamTag, _ database: Database
    ) throws -> [StreamTag: [SignedHubEvent]] {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT h.tag, e.bytes, e.signature FROM hub_events e JOIN hubs h ON h.id = e.hub
                WHERE h.tag != ? AND NOT EXISTS (
                    SELECT 1 FROM hub_events o
                    WHERE o.origin_hub = h.tag AND o.origin_number = e.number)
                ORDER BY h.id, e.number
                """, arguments: [Int64(bitPattern: hub.rawValue)])
        return Dictionary(grouping: try events(rows), by: \.hub)
    }

    private static func events(_ rows: RowCursor) throws -> [SignedHubEvent] {
        var found: [SignedHubEvent] = []
        while let row = try rows.next() { found.append(try signed(row)) }
        return found
    }

    /// Of a row that begins with the hub's tag, the event's bytes and their signature.
    private static func signed(_ row: Row) throws -> SignedHubEvent {
        let tag = try tag(row)
        let signature: Data = row[2]
        guard signature.count == Signature.byteCount else {
            throw StoreError.corrupt(
                place: "table hub_events",
                detail: "a signature of hub \(tag) has \(signature.count) bytes")
        }
        do throws(WireError) {
            return try SignedHubEvent(
                hub: tag, bytes: Array(row[1] as Data),
                signature: Signature(bytes: Array(signature)))
        } catch {
            throw StoreError.corrupt(
                place: "table hub_events", detail: "an event of hub \(tag): \(error)")
        }
    }

    private static func tag(_ row: Row) throws -> StreamTag {
        guard let tag = StreamTag(rawValue: UInt64(bitPattern: row[0] as Int64)) else {
            throw StoreError.corrupt(place: "table hubs", detail: "a tag has more than 40 bits")
        }
        return tag
    }

    // MARK: Placements

    static func insert(
        _ placement: Placement, of stream: StreamID, _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO placements (stream, hub, first_seq, through_seq, position)
                VALUES (?, ?, ?, ?, ?)
                """)
        try statement.execute(arguments: [
            stream.rawValue, Int64(bitPattern: placement.at.hub.rawValue),
            Int64(bitPattern: placement.sequences.lowerBound),
            Int64(bitPattern: placement.sequences.upperBound),
            Int64(bitPattern: placement.at.position),
        ])
    }

    static func prune(
        _ stream: StreamID, through sequence: UInt64, _ database: Database
    ) throws {
        try database.execute(
            sql: "DELETE FROM placements WHERE stream = ? AND through_seq <= ?",
            arguments: [stream.rawValue, Int64(clamping: sequence)])
    }

    /// The runs in which hubs have placed some of these events, whole, by the hubs' tags.
    static func runs(
        of stream: StreamID, overlapping sequences: ClosedRange<UInt64>, besides hub: StreamTag,
        _ database: Database
    ) throws -> [StreamTag: [Returns.Run]] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT hub, first_seq, through_seq, hub_position FROM receipts
                WHERE stream = ?1 AND first_seq <= ?3 AND first_seq >= coalesce(
                        (SELECT max(first_seq) FROM receipts WHERE stream = ?1 AND first_seq <= ?2), 0)
                    AND hub_position IS NOT NULL AND hub != ?4
                UNION ALL
                SELECT hub, first_seq, through_seq, position FROM placements
                WHERE stream = ?1 AND first_seq <= ?3 AND through_seq >= ?2 AND hub != ?4
                ORDER BY first_seq
                """)
        let rows = try Row.fetchAll(
            statement,
            arguments: [
                stream.rawValue, Int64(clamping: sequences.lowerBound),
                Int64(clamping: sequences.upperBound), Int64(bitPattern: hub.rawValue),
            ])
        var found: [StreamTag: [Returns.Run]] = [:]
        for row in rows {
            let first = UInt64(bitPattern: row[1] as Int64)
            let through = UInt64(bitPattern: row[2] as Int64)
            guard let tag = StreamTag(rawValue: UInt64(bitPattern: row[0] as Int64)),
                first <= through, through >= sequences.lowerBound
            else { continue }
            found[tag, default: []].append(
                Returns.Run(sequences: first...through, position: UInt64(bitPattern: row[3])))
        }
        return found
    }
}
