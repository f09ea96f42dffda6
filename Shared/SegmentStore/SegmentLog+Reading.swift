import GRDB
import LedgerCore
import SyncProtocol

extension SegmentLog {
    private static let columns = "SELECT position, stream, hash, recorded_at, bytes FROM segments"

    // MARK: By position

    /// The segments behind a position, in the order of the log.
    package static func segments(
        _ database: Database, after position: Int64, limit: ReadLimit = .init()
    ) throws(StoreError) -> [StoredSegment] {
        var select = try SQLStatement(
            database, "\(columns) WHERE position > ? ORDER BY position LIMIT ?")
        try select.bind(position)
        try select.bind(limit.segments)
        return try read(&select, limit, database)
    }

    /// The segments before a position, the latest first.
    package static func segments(
        _ database: Database, before position: Int64, limit: ReadLimit = .init()
    ) throws(StoreError) -> [StoredSegment] {
        var select = try SQLStatement(
            database, "\(columns) WHERE position < ? ORDER BY position DESC LIMIT ?")
        try select.bind(position)
        try select.bind(limit.segments)
        return try read(&select, limit, database)
    }

    // MARK: By stream

    /// The segment that contains `sequence` and those behind it, in the order of their sequence
    /// numbers; after a fork, those of all branches.
    package static func segments(
        _ database: Database, of stream: StreamID, from sequence: UInt64, limit: ReadLimit = .init()
    ) throws(StoreError) -> [StoredSegment] {
        let first = try firstSequence(database, stream, atOrBefore: sequence) ?? 0
        var select = try SQLStatement(
            database,
            "\(columns) WHERE stream = ? AND first_seq >= ? AND first_seq + count > ? "
                + "ORDER BY first_seq, position LIMIT ?")
        try select.bind(stream.rawValue)
        try select.bind(sequence: first)
        try select.bind(sequence: sequence)
        try select.bind(limit.segments)
        return try read(&select, limit, database)
    }

    /// The segments that contain `sequence`, in the order of their positions: one, but after a fork.
    package static func segments(
        _ database: Database, of stream: StreamID, containing sequence: UInt64
    ) throws(StoreError) -> [StoredSegment] {
        let first = try firstSequence(database, stream, atOrBefore: sequence) ?? 0
        var select = try SQLStatement(
            database,
            "\(columns) WHERE stream = ? AND first_seq BETWEEN ? AND ? AND first_seq + count > ? "
                + "ORDER BY position")
        try select.bind(stream.rawValue)
        try select.bind(sequence: first)
        try select.bind(sequence: sequence)
        try select.bind(sequence: sequence)
        return try read(&select, ReadLimit(segments: .max, bytes: .max), database)
    }

    /// The segment that contains `sequence`: nil where there is none. After a fork it may be of any
    /// branch; `segments(of:from:)` has them all.
    package static func segment(
        _ database: Database, of stream: StreamID, containing sequence: UInt64
    ) throws(StoreError) -> StoredSegment? {
        let found = try segments(
            database, of: stream, from: sequence, limit: ReadLimit(segments: 1)
        ).first
        return found.flatMap { $0.segment.header.sequences.contains(sequence) ? $0 : nil }
    }

    /// The last segment of a stream's chain; after a fork, of the branch that reaches furthest, and
    /// of two that reach as far, the one that came first.
    package static func head(_ database: Database, of stream: StreamID) throws(StoreError)
        -> StoredSegment?
    {
        var select = try SQLStatement(
            database,
            "\(columns) WHERE stream = ? ORDER BY first_seq DESC, count DESC, position LIMIT 1")
        try select.bind(stream.rawValue)
        return try read(&select, ReadLimit(segments: 1), database).first
    }

    /// Where a stream's chain ends, by the table alone; nil where none of it is in the log. After a
    /// fork, as `head`.
    package static func end(_ database: Database, of stream: StreamID) throws(StoreError)
        -> ChainPoint?
    {
        var select = try SQLStatement(
            database,
            "SELECT first_seq + count - 1, hash FROM segments WHERE stream = ? "
                + "ORDER BY first_seq DESC, count DESC, position LIMIT 1")
        try select.bind(stream.rawValue)
        guard try select.step() else { return nil }
        return ChainPoint(sequence: UInt64(max(select.integer(0), 0)), hash: try select.hash(1))
    }

    /// The segment of that hash, whichever branch it is of; `sequence` is the number of its first
    /// event.
    package static func segment(
        _ database: Database, of stream: StreamID, first sequence: UInt64, hash: Hash256
    ) throws(StoreError) -> StoredSegment? {
        var select = try SQLStatement(
            database, "\(columns) WHERE stream = ? AND first_seq = ? AND hash = ?")
        try select.bind(stream.rawValue)
        try select.bind(sequence: sequence)
        try select.bind(hash)
        return try read(&select, ReadLimit(segments: 1), database).first
    }

    /// The segment that ends with that event and has that hash; nil where there is none.
    package static func segment(
        _ database: Database, of stream: StreamID, endingAt point: ChainPoint
    ) throws(StoreError) -> StoredSegment? {
        var select = try SQLStatement(
            database,
            "\(columns) WHERE stream = ? AND first_seq <= ? AND first_seq > ? "
                + "AND first_seq + count - 1 = ? AND hash = ? ORDER BY first_seq DESC LIMIT 1")
        try select.bind(stream.rawValue)
        try select.bind(sequence: point.sequence)
        try select.bind(Int64(clamping: point.sequence) - Int64(SegmentHeader.segmentBytesMax))
        try select.bind(sequence: point.sequence)
        try select.bind(point.hash)
        return try read(&select, ReadLimit(segments: 1), database).first
    }

    // MARK: Repeated numbers

    static func markRepeated(
        _ database: Database, _ position: Int64, _ stream: StreamID
    ) throws(StoreError) {
        var insert = try SQLStatement(
            database, "INSERT INTO repeated_segments (position, stream) VALUES (?, ?)")
        try insert.bind(position)
        try insert.bind(stream.rawValue)
        try insert.run()
    }

    /// The positions, within these, of segments whose events have numbers that others had before.
    static func repeatedSegments(
        _ database: Database, in positions: ClosedRange<Int64>
    ) throws(StoreError) -> Set<Int64> {
        var select = try SQLStatement(
            database, "SELECT position FROM repeated_segments WHERE position BETWEEN ? AND ?")
        try select.bind(positions.lowerBound)
        try select.bind(positions.upperBound)
        var found: Set<Int64> = []
        while try select.step() { found.insert(select.integer(0)) }
        return found
    }

    // MARK: Rows

    /// A fork lets segments of several lengths contain one number; the earliest start among them is
    /// where to begin. No segment has more events than bytes, so no more than that is looked back,
    /// and where there is no fork, not so far.
    private static func firstSequence(
        _ database: Database, _ stream: StreamID, atOrBefore sequence: UInt64
    ) throws(StoreError) -> UInt64? {
        let reach = UInt64(SegmentHeader.segmentBytesMax)
        var select = try SQLStatement(
            database,
            "SELECT min(first_seq) FROM (SELECT first_seq, count FROM segments "
                + "WHERE stream = ? AND first_seq <= ? AND first_seq > ? ORDER BY first_seq DESC "
                + "LIMIT iif(EXISTS (SELECT 1 FROM repeated_segments WHERE stream = ?), -1, 8)) "
                + "WHERE first_seq + count > ?")
        try select.bind(stream.rawValue)
        try select.bind(sequence: sequence)
        try select.bind(Int64(clamping: sequence) - Int64(reach))
        try select.bind(stream.rawValue)
        try select.bind(sequence: sequence)
        guard try select.step(), !select.isNull(0) else { return sequence }
        return UInt64(select.integer(0))
    }

    private static func read(
        _ select: inout SQLStatement, _ limit: ReadLimit, _ database: Database
    ) throws(StoreError) -> [StoredSegment] {
        var segments: [StoredSegment] = []
        var bytes = 0
        while bytes < limit.bytes, try select.step() {
            let found = try row(select, database)
            bytes += found.segment.bytes.count
            segments.append(found)
        }
        return segments
    }

    private static func row(
        _ row: borrowing SQLStatement, _ database: Database
    ) throws(StoreError) -> StoredSegment {
        let position = row.integer(0)
        do throws(WireError) {
            return StoredSegment(
                position: position, streamID: StreamID(rawValue: row.integer(1)),
                hash: try rowHash(row),
                recordedAt: Timestamp(microseconds: row.integer(3)),
                segment: try Segment(decoding: row.blob(4)))
        } catch {
            throw .corrupt(
                place: "\(database.place), segment \(position)", detail: error.description)
        }
    }

    private static func rowHash(_ row: borrowing SQLStatement) throws(WireError) -> Hash256 {
        let bytes = row.blob(2)
        guard bytes.count == Hash256.byteCount else {
            throw WireError(.invalid(what: "the hash"), at: 0)
        }
        return Hash256(bytes)
    }
}
