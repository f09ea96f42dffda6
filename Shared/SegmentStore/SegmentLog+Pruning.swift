import GRDB
import LedgerCore
import SyncProtocol

extension SegmentLog {
    /// What one step of pruning did.
    package enum Pruning: Hashable, Sendable {
        /// Segments went: the stream now begins behind that event.
        case pruned(through: UInt64, segments: Int, bytes: Int)
        /// The next segment is not yet counted in by a checkpoint of the folds: write one first.
        case needsCheckpoint
        /// Nothing of what may go is left.
        case nothing
    }

    /// Takes the oldest segments out of a stream's log, up to an event, as many as one step may.
    ///
    /// The dictionary stays, so that what is kept, and what is asked for later, can be read. The
    /// last segment of the log stays as well: its position must not be given out twice.
    ///
    /// - Parameter sequence: the last event that may go; a segment that reaches further stays.
    /// - Precondition: the stream never forked in this log: it is this side's own.
    package static func prune(
        _ database: Database, _ stream: StreamID, through sequence: UInt64, limit: ReadLimit
    ) throws(StoreError) -> Pruning {
        let counted = try checkpointedPosition(database)
        let last = try lastPosition(database)
        var select = try SQLStatement(
            database,
            "SELECT position, first_seq, count, hash, length(bytes) FROM segments "
                + "WHERE stream = ? AND first_seq + count - 1 <= ? ORDER BY first_seq LIMIT ?")
        try select.bind(stream.rawValue)
        try select.bind(sequence: sequence)
        try select.bind(limit.segments)
        var taken = 0
        var bytes = 0
        var first: Int64?
        var end: (through: UInt64, hash: Hash256, firstSequence: Int64)?
        while bytes < limit.bytes, try select.step() {
            let position = select.integer(0)
            if position >= last { break }
            if position > counted {
                if taken == 0 { return .needsCheckpoint }
                break
            }
            first = first ?? select.integer(1)
            end = (
                UInt64(select.integer(1) + select.integer(2) - 1), try select.hash(3),
                select.integer(1)
            )
            taken += 1
            bytes += Int(select.integer(4))
        }
        guard let end, let first else { return .nothing }
        try checkBeginning(database, stream, first: first)
        try forget(database, stream, from: first, to: end.firstSequence)
        try setBeginning(database, stream, end.through, end.hash)
        return .pruned(through: end.through, segments: taken, bytes: bytes)
    }

    /// The position that the checkpoint of the folds reaches; 0 where there is none.
    package static func checkpointedPosition(_ database: Database) throws(StoreError) -> Int64 {
        var select = try SQLStatement(database, "SELECT position FROM fold_position")
        return try select.step() ? select.integer(0) : 0
    }

    /// What is pruned is always the stream's beginning: a log that begins elsewhere lacks a part,
    /// and to prune it would hide that.
    private static func checkBeginning(
        _ database: Database, _ stream: StreamID, first: Int64
    ) throws(StoreError) {
        var select = try SQLStatement(
            database, "SELECT pruned_through FROM streams WHERE id = ?")
        try select.bind(stream.rawValue)
        let pruned = try select.step() ? select.integer(0) : 0
        guard first == pruned + 1 else {
            throw .corrupt(
                place: "\(database.place), stream \(stream)",
                detail: "events \(pruned + 1) to \(first - 1) are missing before its first segment")
        }
    }

    private static func forget(
        _ database: Database, _ stream: StreamID, from first: Int64, to last: Int64
    ) throws(StoreError) {
        var delete = try SQLStatement(
            database, "DELETE FROM segments WHERE stream = ? AND first_seq BETWEEN ? AND ?")
        try delete.bind(stream.rawValue)
        try delete.bind(first)
        try delete.bind(last)
        try delete.run()
    }

    private static func setBeginning(
        _ database: Database, _ stream: StreamID, _ through: UInt64, _ hash: Hash256
    ) throws(StoreError) {
        var update = try SQLStatement(
            database, "UPDATE streams SET pruned_through = ?, pruned_hash = ? WHERE id = ?")
        try update.bind(sequence: through)
        try update.bind(hash)
        try update.bind(stream.rawValue)
        try update.run()
    }

    /// Moves pages from the database's end into free ones and cuts the end off, at most so many.
    /// The file itself gets shorter with the next checkpoint of the write-ahead log.
    ///
    /// Does nothing where the database was made without that ability: `LogOptions.returnsSpace`.
    package static func returnSpace(_ database: Database, pagesMax: Int) throws(StoreError) {
        // A row comes with each page.
        var vacuum = try SQLStatement(database, "PRAGMA incremental_vacuum(\(pagesMax))")
        while try vacuum.step() {}
    }

    /// Whether the database can give space back (sqlite.org/pragma.html#pragma_auto_vacuum).
    package static func canReturnSpace(_ database: Database) throws(StoreError) -> Bool {
        var mode = try SQLStatement(database, "PRAGMA auto_vacuum")
        return try mode.step() && mode.integer(0) == 2
    }
}
