import GRDB
import LedgerCore
import SyncProtocol

extension SegmentLog {
    private static let columns = "SELECT first, before, total, rolling, bytes FROM definitions"

    /// The definitions of a stream behind the first `count`, in the order of their numbers; after a
    /// fork, those of all branches.
    package static func definitions(
        _ database: Database, of stream: StreamID, from count: UInt32 = 0, limit: Int = .max
    ) throws(StoreError) -> [DefinitionRow] {
        var select = try SQLStatement(
            database, "\(columns) WHERE stream = ? AND total > ? ORDER BY total LIMIT ?")
        try select.bind(stream.rawValue)
        try select.bind(Int64(count))
        try select.bind(limit)
        var rows: [DefinitionRow] = []
        while try select.step() { rows.append(try definitionRow(select, database)) }
        return rows
    }

    /// The definitions that led to that state: nil where nothing did, as for the empty dictionary.
    package static func definitions(
        _ database: Database, of stream: StreamID, leadingTo state: DictionaryState
    ) throws(StoreError) -> DefinitionRow? {
        var select = try SQLStatement(
            database, "\(columns) WHERE stream = ? AND total = ? AND rolling = ?")
        try select.bind(stream.rawValue)
        try select.bind(Int64(state.count))
        try select.bind(state.rolling)
        return try select.step() ? try definitionRow(select, database) : nil
    }

    /// All names that led to that state, with nil for each that cannot be read and never could.
    ///
    /// - Throws: `StoreError.corrupt` where some are not there.
    package static func names(
        _ database: Database, of stream: StreamID, leadingTo state: DictionaryState,
        _ hasher: any ContentHasher
    ) throws(StoreError) -> [Definition?] {
        var names: [Definition?] = []
        var reached = DictionaryState.empty
        // Where the stream never forked, each row leads to the next.
        for row in try definitions(database, of: stream)
        where row.before == reached && row.after.count <= state.count {
            names += try row.names(hasher)
            reached = row.after
        }
        if reached == state { return names }
        return try DictionaryCache().extended(to: state, of: stream, database, hasher).all
    }

    /// The dictionary's state in front of a segment of the log.
    ///
    /// - Throws: `StoreError.corrupt` where its definitions are not there.
    package static func dictionary(
        _ database: Database, before segment: Segment, of stream: StreamID
    ) throws(StoreError) -> DictionaryState {
        let state = segment.header.dictionary
        guard segment.header.definitionCount > 0 else { return state }
        guard let row = try definitions(database, of: stream, leadingTo: state) else {
            throw .corrupt(
                place: "\(database.place), the dictionary of stream \(stream)",
                detail: "the definitions up to \(state.count) are missing")
        }
        return row.before
    }

    /// Keeps what a segment defines. Two branches that define the same share the row.
    static func appendDefinitions(
        _ database: Database, of segment: Segment, _ stream: StreamID,
        behind known: DictionaryState?
    ) throws(StoreError) {
        let before =
            if let known { known } else { try stateBefore(database, segment.header, stream) }
        try insert(
            database, segment.definitionBytes, of: stream, from: before,
            to: segment.header.dictionary)
    }

    private static func insert(
        _ database: Database, _ bytes: [UInt8], of stream: StreamID, from before: DictionaryState,
        to after: DictionaryState
    ) throws(StoreError) {
        var insert = try SQLStatement(
            database,
            "INSERT INTO definitions (stream, total, rolling, first, before, bytes) VALUES (?, ?, ?, ?, ?, ?) "
                + "ON CONFLICT DO NOTHING")
        try insert.bind(stream.rawValue)
        try insert.bind(Int64(after.count))
        try insert.bind(after.rolling)
        try insert.bind(Int64(before.count))
        try insert.bind(before.rolling)
        try insert.bind(bytes)
        try insert.run()
    }

    /// Keeps all names that lead to a state, where no segments of the log do.
    package static func keep(
        _ database: Database, _ definitions: [UInt8], of stream: StreamID,
        leadingTo state: DictionaryState
    ) throws(StoreError) {
        try insert(database, definitions, of: stream, from: .empty, to: state)
    }

    /// The dictionary's state in front of a segment: the only one of that size, or after a fork,
    /// that of its parent.
    private static func stateBefore(
        _ database: Database, _ header: SegmentHeader, _ stream: StreamID
    ) throws(StoreError) -> DictionaryState {
        let count = header.definitionCountBefore
        if count == 0 { return .empty }
        var select = try SQLStatement(
            database, "SELECT rolling FROM definitions WHERE stream = ? AND total = ? LIMIT 2")
        try select.bind(stream.rawValue)
        try select.bind(Int64(count))
        var found: [[UInt8]] = []
        while try select.step() { found.append(select.blob(0)) }
        if found.count == 1, found[0].count == DictionaryState.rollingByteCount {
            return DictionaryState(count: count, rolling: found[0])
        }
        let parents = try segments(
            database, of: stream, from: header.firstSequence - 1,
            limit: ReadLimit(segments: 16, bytes: .max))
        guard let parent = parents.first(where: { $0.hash == header.previous }) else {
            throw .corrupt(
                place: "\(database.place), the dictionary of stream \(stream)",
                detail:
                    "nothing is there that ends at definition \(count), behind which new ones are to stand"
            )
        }
        return parent.segment.header.dictionary
    }

    private static func definitionRow(
        _ row: borrowing SQLStatement, _ database: Database
    ) throws(StoreError) -> DefinitionRow {
        let before = row.blob(1)
        let rolling = row.blob(3)
        guard let first = UInt32(exactly: row.integer(0)),
            let total = UInt32(exactly: row.integer(2)), first < total,
            before.count == DictionaryState.rollingByteCount,
            rolling.count == DictionaryState.rollingByteCount
        else {
            throw .corrupt(
                place:
                    "\(database.place), a definitions row of \(row.integer(0)) to \(row.integer(2))",
                detail: "its numbers or hashes are impossible")
        }
        return DefinitionRow(
            before: DictionaryState(count: first, rolling: before),
            after: DictionaryState(count: total, rolling: rolling), bytes: row.blob(4))
    }
}
