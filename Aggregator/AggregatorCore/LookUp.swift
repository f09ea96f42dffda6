import LedgerCore
import SyncProtocol

/// Segments to be merged, each behind the one before it.
package struct SegmentRun: Hashable, Sendable {
    /// The names in front of the first.
    package let before: DictionaryState
    /// At least one.
    package let segments: [SealedSegment]
    /// The first has a sibling in the store: its stream is forked here.
    package let beginsBranch: Bool
    /// Another branch ends with the names in front of the first: they are still needed behind it.
    package let sharesNames: Bool
    /// How many of the segments, from the first on, have numbers of events that another branch had
    /// before.
    package let repeated: Int

    package init(
        before: DictionaryState, segments: [SealedSegment], beginsBranch: Bool = false,
        sharesNames: Bool = false, repeated: Int = 0
    ) {
        precondition(!segments.isEmpty, "a run has at least one segment")
        self.repeated = repeated
        self.before = before
        self.segments = segments
        self.beginsBranch = beginsBranch
        self.sharesNames = sharesNames
    }

    /// The names in front of one of its segments.
    package func names(before index: Int) -> DictionaryState {
        index == 0 ? before : segments[index - 1].segment.header.dictionary
    }
}

/// What the store is asked about segments that continue no branch of their stream.
package struct LookUp: Hashable, Sendable {
    package struct Place: Hashable, Sendable {
        package let firstSequence: UInt64
        package let hash: Hash256
    }

    /// Each behind the one before it, so that where one is stored, all before it are. May be empty:
    /// then it is the parent that is asked for.
    package let segments: [Place]
    /// The place in front of the first.
    package let parent: ChainPoint

    /// - Precondition: not empty.
    package init(_ run: [SealedSegment]) {
        segments = run.map {
            Place(firstSequence: $0.segment.header.firstSequence, hash: $0.hash)
        }
        let header = run[0].segment.header
        parent = ChainPoint(sequence: header.firstSequence - 1, hash: header.previous)
    }

    package init(_ parent: ChainPoint) {
        segments = []
        self.parent = parent
    }

    package struct Answer: Hashable, Sendable {
        /// How many of the segments are stored, counted from the first.
        package let stored: Int
        /// The names behind the last of these, or where it is none, behind the parent; nil where that
        /// is not stored either.
        package let dictionary: DictionaryState?

        package init(stored: Int, dictionary: DictionaryState?) {
            self.stored = stored
            self.dictionary = dictionary
        }
    }

    /// The answer, from what is stored of each place.
    ///
    /// - Parameters:
    ///   - segment: the names behind the segment that begins there with that hash; nil for none.
    ///   - end: the names behind the segment, or genesis, that ends there; nil for none.
    package func answer<Failure: Error>(
        segment: (Place) throws(Failure) -> DictionaryState?,
        end: (ChainPoint) throws(Failure) -> DictionaryState?
    ) throws(Failure) -> Answer {
        // Where one is stored, all before it are: the first that is not, is found by halving.
        var stored = 0
        var dictionary: DictionaryState?
        var rest = segments.indices
        while !rest.isEmpty {
            let middle = rest.lowerBound + rest.count / 2
            if let found = try segment(segments[middle]) {
                dictionary = found
                stored = middle + 1
                rest = middle + 1..<rest.upperBound
            } else {
                rest = rest.lowerBound..<middle
            }
        }
        return Answer(stored: stored, dictionary: stored > 0 ? dictionary : try end(parent))
    }
}
