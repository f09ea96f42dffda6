import LedgerCore
import SyncProtocol

/// Follows the chains of one stream's segments, handed over in the order of their first sequence
/// numbers, and says where a chain breaks. Branches of a fork are followed side by side.
///
/// A branch is forgotten as soon as no segment can continue it any more, so memory does not grow
/// with the stream.
struct ChainWalk {
    /// The end of a branch so far.
    struct End {
        var next: UInt64
        /// Nil behind a segment that cannot be read.
        var dictionary: DictionaryState?
        /// Nil among them for those that cannot be read.
        var names: [Definition?]?
    }

    private var ends: [Hash256: End]
    private var furthest: UInt64

    init(_ stream: StreamRow) {
        let start: (Hash256, End) =
            if let pruned = stream.pruned {
                (pruned.hash, End(next: pruned.through + 1, dictionary: nil, names: nil))
            } else {
                (stream.genesisHash, End(next: 1, dictionary: .empty, names: []))
            }
        ends = [start.0: start.1]
        furthest = start.1.next
    }

    /// The branch that a segment continues.
    ///
    /// - Parameter problem: is told what is wrong with its place, and the sequence numbers that are
    ///   missing.
    /// - Returns: nil where the chain is broken before it.
    mutating func parent(
        of header: SegmentHeader, problem: (String, ClosedRange<UInt64>?) -> Void
    ) -> End? {
        if let end = ends[header.previous], end.next == header.firstSequence {
            ends = ends.filter { $0.value.next >= header.firstSequence }
            return end
        }
        if header.firstSequence > furthest {
            problem("missing from the log", furthest...header.firstSequence - 1)
        } else {
            problem(
                "the chain is broken: it names \(header.previous.shortDescription)… as the one before, which is not there",
                nil)
        }
        ends = ends.filter { $0.value.next >= header.firstSequence }
        return nil
    }

    /// - Parameter hashes: what the segment behind may name: the segment's own hash, and where the
    ///   row says another, that.
    mutating func advance(to end: End, hashes: [Hash256]) {
        for hash in hashes { ends[hash] = end }
        furthest = max(furthest, end.next)
    }
}
