import AggregatorCore
import Foundation
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
    package let hub: StreamRow
    package let reader: LogReader
    let database: LogDatabase
    let hasher: any ContentHasher
    /// What opening has read, for the first `load`; nil once something was written.
    private let firstLook: Mutex<Loaded?>

    /// Opens the database, and founds the hub's stream when it has none.
    ///
    /// - Throws: `StoreError`; `refused` where the folder belongs to another ledger, or the key is
    ///   not the hub's.
    package init(
        path: String, options: LogOptions = LogOptions(), hub genesis: Genesis,
        hasher: any ContentHasher
    ) throws(StoreError) {
        var firstLook: Loaded?
        let database = try LogDatabase(
            path: path, options: options, migrations: LedgerTables.migrations
        ) { database, isCurrent in
            let hub = try LedgerStore.ownHub(database, genesis)
            try FoundingMark.check(path, holds: hub)
            // All that a start reads is read before anything is written: what it finds damaged
            // stays as it is.
            if let hub, isCurrent { firstLook = try LedgerStore.load(hub, database, hasher) }
        }
        let existing = try database.read { try LedgerStore.ownHub($0, genesis) }
        if let existing {
            hub = existing
        } else {
            hub = try database.commit { database in
                let hub = try SegmentLog.addStream(database, genesis, hash: genesis.hash(hasher))
                try database.execute(
                    sql: "INSERT INTO aggregator (only_row, ledger, hub) VALUES (1, ?, ?)",
                    arguments: [genesis.ledger, hub.id.rawValue])
                return hub
            }.value
        }
        try FoundingMark.keep(hub, beside: path)
        self.firstLook = Mutex(firstLook)
        ledger = genesis.ledger
        self.database = database
        reader = LogReader(database, hasher: hasher)
        self.hasher = hasher
    }

    /// The hub's stream; nil where there is none yet.
    ///
    /// - Throws: `InvalidValue` where folder and key are another's.
    private static func ownHub(_ database: Database, _ genesis: Genesis) throws -> StreamRow? {
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
        return existing.hub
    }

    private static func findHub(_ database: Database) throws -> (ledger: String, hub: StreamRow)? {
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

    // MARK: Starting

    /// A stream as the store knows it.
    package struct KnownStream: Sendable {
        package let row: StreamRow
        package let record: StreamSession.Record
        /// Of its branches; none where nothing of it is stored.
        package let ends: [BranchEnd]
        /// When its last segment was committed; nil for none.
        package let committedAt: Timestamp?
    }

    /// Everything a start needs: the fold at its checkpoint, brought up to the end of the log.
    package struct Loaded: Sendable {
        package var ledger: GlobalLedger
        package var streams: [KnownStream]
        package var position: Int64
    }

    package func load() throws(StoreError) -> Loaded {
        if let loaded = firstLook.withLock({ $0.take() }) { return loaded }
        return try database.read { [hub, hasher] in try LedgerStore.load(hub, $0, hasher) }
    }

    private static func load(
        _ hub: StreamRow, _ database: Database, _ hasher: any ContentHasher
    ) throws -> Loaded {
        let rows = try SegmentLog.streams(database).filter { $0.id != hub.id }
        let checkpoint = try FoldCheckpoint.load(database)
        var ledger = GlobalLedger(
            balances: checkpoint?.balances ?? Balances(),
            counts: try LedgerStore.counts(database))
        var position = checkpoint?.position ?? 0
        while true {
            let segments = try SegmentLog.segments(database, after: position)
            guard let last = segments.last else { break }
            for stored in segments { try replay(stored, into: &ledger, database, hasher) }
            position = last.position
        }
        let streams = try rows.map { try LedgerStore.known($0, database) }
        for stream in streams {
            for end in stream.ends {
                try restore(
                    &ledger, stream.row.tag, stream.row.id, end.dictionary, database, hasher)
            }
        }
        return Loaded(ledger: ledger, streams: streams, position: position)
    }

    private static func replay(
        _ stored: StoredSegment, into ledger: inout GlobalLedger, _ database: Database,
        _ hasher: any ContentHasher
    ) throws {
        let (tag, id) = (stored.segment.header.stream, stored.streamID)
        let before = try SegmentLog.dictionary(database, before: stored.segment, of: id)
        try restore(&ledger, tag, id, before, database, hasher)
        _ = ledger.merge(stored.segment, behind: before)
    }

    /// The names that a branch goes on with, where the ledger does not have them: it was loaded from a
    /// checkpoint, or they went on with another branch. What a writer spoiled holds its place, as it
    /// did when it was merged; what the disk spoiled stops the start.
    private static func restore(
        _ ledger: inout GlobalLedger, _ tag: StreamTag, _ stream: StreamID,
        _ state: DictionaryState, _ database: Database, _ hasher: any ContentHasher
    ) throws {
        guard !ledger.hasNames(of: tag, leadingTo: state) else { return }
        let names = try SegmentLog.names(database, of: stream, leadingTo: state, hasher)
        ledger.restore(names, of: tag, leadingTo: state)
    }

    private static func counts(_ database: Database) throws -> GlobalLedger.Counts {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT transactions, events, set_aside FROM fold_counts")
        else { return GlobalLedger.Counts() }
        return GlobalLedger.Counts(
            transactions: UInt64(row[0] as Int64), events: UInt64(row[1] as Int64),
            setAside: UInt64(row[2] as Int64))
    }

    private static func known(_ row: StreamRow, _ database: Database) throws -> KnownStream {
        let record = try Row.fetchOne(
            database,
            sql:
                "SELECT proved_session, announced, announced_hash, standing, watermark FROM stream_records WHERE stream = ?",
            arguments: [row.id.rawValue])
        let head = try SegmentLog.head(database, of: row.id)
        let end = head?.end ?? ChainPoint(sequence: 0, hash: row.genesisHash)
        let standing = Standing(rawValue: UInt8(clamping: record?[3] as Int64? ?? 0)) ?? .refused
        var announced = end
        if let record, UInt64(bitPattern: record[1] as Int64) > end.sequence {
            announced = ChainPoint(
                sequence: UInt64(bitPattern: record[1] as Int64), hash: Hash256(record[2] as Data))
        }
        return KnownStream(
            row: row,
            record: StreamSession.Record(
                provedSession: UInt64(bitPattern: record?[0] as Int64? ?? 0),
                announced: announced, standing: standing,
                watermark: HybridTimestamp(
                    rawValue: UInt64(bitPattern: record?[4] as Int64? ?? 0))),
            ends: try branchEnds(row, database) ?? head.map { [BranchEnd($0)] } ?? [],
            committedAt: head?.recordedAt)
    }

    /// Where the branches of a stream end that has several; nil for any other.
    private static func branchEnds(_ row: StreamRow, _ database: Database) throws -> [BranchEnd]? {
        let points = try Row.fetchAll(
            database,
            sql: "SELECT sequence, hash FROM branch_ends WHERE stream = ? ORDER BY sequence, hash",
            arguments: [row.id.rawValue]
        ).map {
            ChainPoint(
                sequence: UInt64(bitPattern: $0[0] as Int64), hash: Hash256($0[1] as Data))
        }
        guard !points.isEmpty else { return nil }
        return try points.map { point in
            guard let stored = try SegmentLog.segment(database, of: row.id, endingAt: point) else {
                throw StoreError.corrupt(
                    place: "table branch_ends, stream \(row.tag)",
                    detail: "the log has no segment that ends with event \(point.sequence) there")
            }
            return BranchEnd(stored)
        }
    }

    // MARK: Writing (one thread)

    /// What one transaction writes.
    package struct Commit: Sendable {
        package var streams: [NewStream] = []
        package var records: [StreamTag: StreamSession.Record] = [:]
        package var arrivals: [Arrival] = []
        /// Where the branches of a stream end behind the arrivals, where it has several.
        package var branchEnds: [StreamTag: [ChainPoint]] = [:]
        package var checkpoint: Checkpoint?

        package init() {}

        package var isEmpty: Bool {
            streams.isEmpty && records.isEmpty && arrivals.isEmpty && checkpoint == nil
        }
    }

    package struct NewStream: Sendable {
        package let genesis: Genesis
        package let hash: Hash256

        package init(genesis: Genesis, hash: Hash256) {
            self.genesis = genesis
            self.hash = hash
        }
    }

    /// The segments that one message brought, and how they came.
    package struct Arrival: Sendable {
        package var stream: StreamTag
        package var run: SegmentRun
        /// By the agent's clock.
        package var publishedAt: Timestamp
        package var attempt: UInt32
        package var receivedAt: Timestamp

        package init(
            stream: StreamTag, run: SegmentRun, publishedAt: Timestamp, attempt: UInt32,
            receivedAt: Timestamp
        ) {
            self.stream = stream
            self.run = run
            self.publishedAt = publishedAt
            self.attempt = attempt
            self.receivedAt = receivedAt
        }
    }

    /// The fold as it stands behind the commit's segments.
    package struct Checkpoint: Sendable {
        package var balances: Balances
        package var changedPages: [Int]
        package var counts: GlobalLedger.Counts

        package init(balances: Balances, changedPages: [Int], counts: GlobalLedger.Counts) {
            self.balances = balances
            self.changedPages = changedPages
            self.counts = counts
        }
    }

    /// Writes it all, or nothing; durable when it returns.
    ///
    /// - Parameter rows: the row of each stream; new ones are added.
    /// - Returns: the position that each arrival's first segment got, in the order of the arrivals.
    package func commit(
        _ commit: Commit, rows: inout [StreamTag: StreamRow], now: Timestamp
    ) throws(StoreError) -> (positions: [Int64], durable: Durable) {
        firstLook.withLock { $0 = nil }
        let known = rows
        let (written, durable) = try database.commit { database in
            var rows = known
            var positions: [Int64] = []
            for stream in commit.streams {
                let row = try SegmentLog.addStream(database, stream.genesis, hash: stream.hash)
                rows[row.tag] = row
            }
            for arrival in commit.arrivals {
                positions.append(try write(arrival, rows, now, database))
            }
            for (tag, ends) in commit.branchEnds { try write(ends, rows[tag], database) }
            for (tag, record) in commit.records { try write(record, rows[tag], database) }
            if let checkpoint = commit.checkpoint { try write(checkpoint, database) }
            return (rows: rows, positions: positions)
        }
        rows = written.rows
        return (written.positions, durable)
    }

    private func write(
        _ arrival: Arrival, _ rows: [StreamTag: StreamRow], _ now: Timestamp, _ database: Database
    ) throws -> Int64 {
        guard let row = rows[arrival.stream] else {
            preconditionFailure("segments of stream \(arrival.stream), which was never added")
        }
        var first: Int64?
        for (index, sealed) in arrival.run.segments.enumerated() {
            let position = try SegmentLog.append(
                database, sealed.segment, hash: sealed.hash, stream: row.id, recordedAt: now,
                behind: arrival.run.names(before: index), isRepeated: index < arrival.run.repeated)
            first = first ?? position
        }
        guard let first else { preconditionFailure("an arrival without a segment") }
        let statement = try database.cachedStatement(
            sql:
                "INSERT INTO arrivals (first_position, published_at, attempt, received_at) VALUES (?, ?, ?, ?)"
        )
        try statement.execute(arguments: [
            first, arrival.publishedAt.microseconds, Int64(arrival.attempt),
            arrival.receivedAt.microseconds,
        ])
        return first
    }

    private func write(_ ends: [ChainPoint], _ row: StreamRow?, _ database: Database) throws {
        guard let row else { preconditionFailure("the branches of a stream that was never added") }
        try database.execute(
            sql: "DELETE FROM branch_ends WHERE stream = ?", arguments: [row.id.rawValue])
        for end in ends {
            try database.execute(
                sql: "INSERT INTO branch_ends (stream, sequence, hash) VALUES (?, ?, ?)",
                arguments: [
                    row.id.rawValue, Int64(bitPattern: end.sequence), Data(end.hash.bytes),
                ])
        }
    }

    private func write(_ record: StreamSession.Record, _ row: StreamRow?, _ database: Database)
        throws
    {
        guard let row else { preconditionFailure("the record of a stream that was never added") }
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO stream_records (
                    stream, proved_session, announced, announced_hash, standing, watermark
                ) VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                row.id.rawValue, Int64(bitPattern: record.provedSession),
                Int64(bitPattern: record.announced.sequence), Data(record.announced.hash.bytes),
                Int64(record.standing.rawValue), Int64(bitPattern: record.watermark.rawValue),
            ])
    }

    private func write(_ checkpoint: Checkpoint, _ database: Database) throws {
        try FoldCheckpoint.save(
            database, checkpoint.balances, changedPages: checkpoint.changedPages,
            position: try SegmentLog.lastPosition(database),
            transactions: Int64(checkpoint.counts.transactions))
        try database.execute(
            sql:
                "INSERT OR REPLACE INTO fold_counts (only_row, transactions, events, set_aside) VALUES (1, ?, ?, ?)",
            arguments: [
                Int64(checkpoint.counts.transactions), Int64(checkpoint.counts.events),
                Int64(checkpoint.counts.setAside),
            ])
    }

    /// What the log has of segments that continue no branch of their stream.
    package func answer(
        _ lookUp: LookUp, of stream: StreamRow
    ) throws(StoreError) -> LookUp.Answer {
        try database.read { database in
            try lookUp.answer { (place) throws(StoreError) in
                try SegmentLog.segment(
                    database, of: stream.id, first: place.firstSequence, hash: place.hash
                )?.segment.header.dictionary
            } end: { (point) throws(StoreError) in
                if point.sequence == 0, point.hash == stream.genesisHash { return .empty }
                return try SegmentLog.segment(database, of: stream.id, endingAt: point)?
                    .segment.header.dictionary
            }
        }
    }
}

extension BranchEnd {
    fileprivate init(_ stored: StoredSegment) {
        self.init(point: stored.end, dictionary: stored.segment.header.dictionary)
    }
}
