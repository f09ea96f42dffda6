import GRDB
import LedgerCore
import SyncProtocol

extension SegmentLog {
    /// A segment whose bytes are not those that were written, by what the table says of it.
    package struct Unreadable: Hashable, Sendable {
        package let sequences: ClosedRange<UInt64>
        package let end: ChainPoint
    }

    /// The segments of a stream that never forked in this log, behind an event, with their hashes
    /// checked, up to the first that cannot be read; and that one.
    ///
    /// Damage of one segment is no reason not to read the others: it is a value here, not an error.
    package static func readable(
        _ database: Database, of stream: StreamRow, after sequence: UInt64, limit: ReadLimit,
        _ hasher: some ContentHasher
    ) throws(StoreError) -> (segments: [SealedSegment], unreadable: Unreadable?) {
        var found: [SealedSegment] = []
        var bytes = 0
        var select = try SQLStatement(
            database,
            "SELECT bytes, hash, first_seq, count FROM segments WHERE stream = ? AND first_seq > ? "
                + "ORDER BY first_seq, position LIMIT ?")
        try select.bind(stream.id.rawValue)
        try select.bind(sequence: sequence)
        try select.bind(limit.segments)
        while bytes < limit.bytes, try select.step() {
            let blob = select.blob(0)
            let first = UInt64(max(select.integer(2), 0))
            let last = first + UInt64(max(select.integer(3), 1)) - 1
            let hash = try select.hash(1)
            guard let segment = try? Segment(decoding: blob), segment.header.stream == stream.tag,
                segment.header.sequences == first...last, segment.hash(hasher) == hash
            else {
                let end = ChainPoint(sequence: last, hash: hash)
                return (found, Unreadable(sequences: first...last, end: end))
            }
            found.append(SealedSegment(segment: segment, hash: hash))
            bytes += blob.count
        }
        return (found, nil)
    }

    /// Where the segment ends that contains a number, by the table alone; nil where there is none.
    /// Of a stream that never forked in this log.
    package static func end(
        _ database: Database, of stream: StreamID, containing sequence: UInt64
    ) throws(StoreError) -> ChainPoint? {
        var select = try SQLStatement(
            database,
            "SELECT first_seq + count - 1, hash FROM segments WHERE stream = ? AND first_seq <= ? "
                + "ORDER BY first_seq DESC LIMIT 1")
        try select.bind(stream.rawValue)
        try select.bind(sequence: sequence)
        guard try select.step(), select.integer(0) >= Int64(clamping: sequence) else { return nil }
        return ChainPoint(sequence: UInt64(select.integer(0)), hash: try select.hash(1))
    }
}
