import GRDB
import GRDBSQLite
import LedgerCore
import SyncProtocol

/// The segment log: streams, their segments in the order of their commits, and their dictionaries.
///
/// Operations on an open transaction: those that write belong inside `LogDatabase.commit`, those
/// that read also inside `read`. All of them throw `StoreError`.
package enum SegmentLog {
    // MARK: Streams

    /// Adds a stream that this database does not have yet.
    package static func addStream(
        _ database: Database, _ genesis: Genesis, hash: Hash256
    ) throws(StoreError) -> StreamRow {
        let tag = StreamTag(genesisHash: hash)
        var insert = try SQLStatement(
            database,
            "INSERT INTO streams (tag, writer, agent, genesis, genesis_hash) VALUES (?, ?, ?, ?, ?)"
        )
        try insert.bind(tag.description)
        try insert.bind(Int64(genesis.writer.rawValue))
        try insert.bind(genesis.agent.description)
        try insert.bind(genesis.encoded())
        try insert.bind(hash)
        try insert.run()
        let id = StreamID(rawValue: database.lastInsertedRowID)
        return StreamRow(id: id, tag: tag, genesis: genesis, genesisHash: hash, pruned: nil)
    }

    /// All streams, in the order in which they came.
    package static func streams(_ database: Database) throws(StoreError) -> [StreamRow] {
        var select = try SQLStatement(database, "\(selectStream) ORDER BY id")
        var rows: [StreamRow] = []
        while try select.step() { rows.append(try streamRow(select, database)) }
        return rows
    }

    /// The stream of that genesis.
    package static func stream(
        _ database: Database, genesisHash: Hash256
    ) throws(StoreError) -> StreamRow? {
        var select = try SQLStatement(database, "\(selectStream) WHERE genesis_hash = ?")
        try select.bind(genesisHash)
        return try select.step() ? try streamRow(select, database) : nil
    }

    /// The streams of that tag: one, unless the first 40 bits of two hashes are the same.
    package static func streams(_ database: Database, tag: StreamTag) throws(StoreError)
        -> [StreamRow]
    {
        var select = try SQLStatement(database, "\(selectStream) WHERE tag = ? ORDER BY id")
        try select.bind(tag.description)
        var rows: [StreamRow] = []
        while try select.step() { rows.append(try streamRow(select, database)) }
        return rows
    }

    private static let selectStream =
        "SELECT id, genesis, genesis_hash, pruned_through, pruned_hash FROM streams"

    private static func streamRow(
        _ row: borrowing SQLStatement, _ database: Database
    ) throws(StoreError) -> StreamRow {
        let id = StreamID(rawValue: row.integer(0))
        let hash = try row.hash(2)
        let through = UInt64(max(row.integer(3), 0))
        let pruned = through > 0 ? StreamRow.Pruned(through: through, hash: try row.hash(4)) : nil
        do throws(WireError) {
            let genesis = try Genesis(decoding: row.blob(1))
            return StreamRow(
                id: id, tag: StreamTag(genesisHash: hash), genesis: genesis, genesisHash: hash,
                pruned: pruned)
        } catch {
            throw .corrupt(
                place: "\(database.place), the genesis of stream \(id)", detail: error.description)
        }
    }

    // MARK: Appending

    /// Appends a segment, and what it defines to its stream's dictionary.
    ///
    /// That it belongs behind what is there has been checked by the caller, who knows forks and
    /// gaps.
    ///
    /// - Parameters:
    ///   - before: the names in front of it; nil where the log has its parent, or never forked.
    ///   - isRepeated: whether the log has other events with some of its numbers.
    /// - Returns: its position.
    @discardableResult
    package static func append(
        _ database: Database, _ segment: Segment, hash: Hash256, stream: StreamID,
        recordedAt: Timestamp, behind before: DictionaryState? = nil, isRepeated: Bool = false
    ) throws(StoreError) -> Int64 {
        var insert = try SQLStatement(
            database,
            "INSERT INTO segments (stream, first_seq, count, hash, recorded_at, bytes) VALUES (?, ?, ?, ?, ?, ?)"
        )
        try insert.bind(stream.rawValue)
        try insert.bind(sequence: segment.header.firstSequence)
        try insert.bind(Int64(segment.header.count))
        try insert.bind(hash)
        try insert.bind(recordedAt.microseconds)
        try insert.bind(segment.bytes)
        try insert.run()
        let position = database.lastInsertedRowID
        if segment.header.definitionCount > 0 {
            try appendDefinitions(database, of: segment, stream, behind: before)
        }
        if isRepeated { try markRepeated(database, position, stream) }
        return position
    }

    // MARK: Statistics

    /// The greatest position, 0 while the log is empty. It costs one look at the end of the table.
    package static func lastPosition(_ database: Database) throws(StoreError) -> Int64 {
        var select = try SQLStatement(database, "SELECT max(position) FROM segments")
        return try select.step() ? select.integer(0) : 0
    }

    /// Figures for a status page, none of which takes longer as the log grows.
    package static func statistics(_ database: Database) throws(StoreError) -> LogStatistics {
        var first = try SQLStatement(database, "SELECT min(position) FROM segments")
        let firstPosition = try first.step() ? first.integer(0) : 0
        let pageSize = try pragma(database, "PRAGMA page_size")
        return LogStatistics(
            firstPosition: firstPosition, lastPosition: try lastPosition(database),
            byteCount: try pragma(database, "PRAGMA page_count") * pageSize,
            freeByteCount: try pragma(database, "PRAGMA freelist_count") * pageSize)
    }

    private static func pragma(_ database: Database, _ sql: String) throws(StoreError) -> Int64 {
        var statement = try SQLStatement(database, sql)
        return try statement.step() ? statement.integer(0) : 0
    }
}

/// What a status page says about a log.
package struct LogStatistics: Hashable, Sendable {
    /// The oldest position kept, 0 while the log is empty.
    package let firstPosition: Int64
    package let lastPosition: Int64
    /// Of the database, without its write-ahead log.
    package let byteCount: Int64
    /// The part of it that is free for what comes next.
    package let freeByteCount: Int64
}
