import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol
import Synchronization

/// The aggregator's database: the log of all streams in the order of their commits, and the
/// checkpoints of the merged fold.
///
/// **Overview.** One thread writes, through `commit`; any thread reads. The position that a segment
/// gets here is the order of the contested.
package final class LedgerStore: Sendable {
    package let ledger: String
    /// The hub's first stream: whose log it is, also where the hub has gone on in another.
    package let root: StreamRow
    package let reader: LogReader
    let database: LogDatabase
    let hasher: any ContentHasher
    /// What opening has read, for the first `load`; nil once something was written.
    let firstLook: Mutex<HubOrigin?>
    /// The rows of streams, by their tags.
    let rows = Mutex<[StreamTag: StreamRow]>([:])

    /// Opens the database, and founds the hub's stream when it has none.
    ///
    /// - Throws: `StoreError`; `refused` where the folder belongs to another ledger, or the key is
    ///   not the hub's.
    package init(
        path: String, options: LogOptions = LogOptions(), hub genesis: Genesis,
        hasher: any ContentHasher
    ) throws(StoreError) {
        var firstLook: HubOrigin?
        let database = try LogDatabase(
            path: path, options: options, migrations: LedgerTables.migrations
        ) { database, isCurrent in
            let root = try LedgerStore.ownRoot(database, genesis)
            try FoundingMark.check(path, holds: root)
            // All that a start reads is read before anything is written: what it finds damaged
            // stays as it is.
            if root != nil, isCurrent { firstLook = try LedgerStore.load(database, hasher) }
        }
        let existing = try database.read { try LedgerStore.ownRoot($0, genesis) }
        if let existing {
            root = existing
        } else {
            root = try database.commit { database in
                let hub = try SegmentLog.addStream(database, genesis, hash: genesis.hash(hasher))
                try database.execute(
                    sql: "INSERT INTO aggregator (only_row, ledger, hub) VALUES (1, ?, ?)",
                    arguments: [genesis.ledger, hub.id.rawValue])
                return hub
            }.value
        }
        try FoundingMark.keep(root, beside: path)
        self.firstLook = Mutex(firstLook)
        ledger = genesis.ledger
        self.database = database
        reader = LogReader(database, hasher: hasher)
        self.hasher = hasher
        let known = try database.read { try SegmentLog.streams($0) }
        rows.withLock { rows in
            for row in known { rows[row.tag] = row }
        }
    }

    /// The hub's first stream; nil where there is none yet.
    ///
    /// - Throws: `InvalidValue` where folder and key are another's.
    private static func ownRoot(_ database: Database, _ genesis: Genesis) throws -> StreamRow? {
        guard try database.tableExists("aggregator"), let existing = try findHub(database) else {
            return nil
        }
        guard existing.ledger == genesis.ledger else {
            throw InvalidValue(
                "this data folder belongs to ledger \(existing.ledger), not to \(genesis.ledger)")
        }
        guard existing.hub.genesis.publicKey == genesis.publicKey else {
            throw InvalidValue(
                "device.key is not the key that this folder's hub stream began with")
        }
        return try SegmentLog.streams(database).first { $0.genesis.writer == .hub }
    }

    /// The stream that the hub writes.
    static func findHub(_ database: Database) throws -> (ledger: String, hub: StreamRow)? {
        guard let row = try Row.fetchOne(database, sql: "SELECT ledger, hub FROM aggregator") else {
            return nil
        }
        let id = StreamID(rawValue: row[1])
        guard let hub = try SegmentLog.streams(database).first(where: { $0.id == id }) else {
            throw StoreError.corrupt(
                place: "table aggregator", detail: "stream \(id) is not in table streams")
        }
        return (row[0], hub)
    }

    /// - Returns: what went wrong, if anything; nothing committed is lost by it.
    package func close() -> StoreError? {
        database.close()
    }

    /// Whether the disk failed in a way after which nothing may be written until the database is
    /// opened again.
    package var isBroken: Bool { database.isBroken }

    // MARK: Look-ups

    /// What the log has of segments that continue no branch of their stream.
    package func answer(
        _ lookUp: LookUp, of stream: StreamTag
    ) throws(StoreError) -> LookUp.Answer {
        guard let row = row(of: stream) else { return LookUp.Answer(stored: 0, dictionary: nil) }
        return try database.read { database in
            try lookUp.answer { (place) throws(StoreError) in
                try SegmentLog.segment(
                    database, of: row.id, first: place.firstSequence, hash: place.hash
                )?.segment.header.dictionary
            } end: { (point) throws(StoreError) in
                if point.sequence == 0, point.hash == row.genesisHash { return .empty }
                return try SegmentLog.segment(database, of: row.id, endingAt: point)?
                    .segment.header.dictionary
            }
        }
    }

    /// All names of a stream that led to a state of its dictionary.
    package func names(
        of stream: StreamTag, leadingTo state: DictionaryState
    ) throws(StoreError) -> [Definition?] {
        guard let row = row(of: stream) else { return [] }
        return try reader.names(of: row.id, leadingTo: state)
    }

    /// The segment that a span is in; nil where the log does not have it.
    package func segment(of span: EventSpan) throws(StoreError) -> Segment? {
        guard let row = row(of: span.stream) else { return nil }
        return try database.read { try LedgerStore.stored(span, row.id, $0)?.segment }
    }

    /// The position of that segment.
    package func position(of span: EventSpan) throws(StoreError) -> Int64? {
        guard let row = row(of: span.stream) else { return nil }
        return try database.read { try LedgerStore.stored(span, row.id, $0)?.position }
    }

    static func stored(
        _ span: EventSpan, _ stream: StreamID, _ database: Database
    ) throws(StoreError) -> StoredSegment? {
        try SegmentLog.segments(database, of: stream, containing: span.sequences.lowerBound)
            .first { $0.hash == span.segment }
    }

    /// Whether the stream is one of the hub's own.
    package func isHub(_ stream: StreamTag) -> Bool {
        row(of: stream)?.genesis.writer == .hub
    }

    private func row(of stream: StreamTag) -> StreamRow? { rows.withLock { $0[stream] } }
}
