import LedgerCore
import SyncProtocol
import TestSupport

/// A segment as a later version would write it, or a writer that errs: some of its events are of a
/// kind that nobody here knows, or make no event at all. Its checksum and its place in the chain are
/// right.
struct OddSegment {
    let sealed: SealedSegment
    /// The transactions that must have their effect all the same, with their events.
    private(set) var sound: [(number: Int, sequence: UInt64)] = []
    /// Those that must have none.
    private(set) var unsound: [Int] = []

    /// How an event is odd.
    private enum Oddity {
        case unknownKind
        case nonsense
        /// Its length is impossible, so that nothing behind it in the segment can be found.
        case endless
        /// It moves money from an account that has no name.
        case nameless
    }

    /// - Parameters:
    ///   - origin: where the stream stands.
    ///   - transactions: with their numbers at the oracle.
    init(
        _ origin: SegmentBuilder.Place, _ dictionary: StreamDictionary,
        _ transactions: [(number: Int, transaction: Transaction)], isUnknown: Bool,
        after latest: HybridTimestamp, _ random: inout SplitMix64
    ) {
        var builder = SegmentBuilder(place: origin, dictionary: dictionary)
        let isGroup = random.oneIn(3)
        for (index, item) in transactions.enumerated() {
            builder.append(
                item.transaction, keyed: nil, trace: nil,
                time: HybridTimestamp(rawValue: latest.rawValue + 1 + UInt64(index)),
                continuesGroup: isGroup && index + 1 < transactions.count)
        }
        let plain = builder.seal(ToyHasher()).segment
        let odd = random.below(transactions.count)
        let oddity: Oddity =
            isUnknown ? .unknownKind : random.pick([.nonsense, .endless, .nameless, .nameless])
        let segment = OddSegment.changed(plain, odd, oddity)
        sealed = SealedSegment(segment: segment, hash: segment.hash(ToyHasher()))
        for (index, item) in transactions.enumerated() {
            let isHit = index == odd || oddity == .endless && index > odd
            if isHit || isGroup {
                unsound.append(item.number)
            } else {
                sound.append((item.number, plain.header.firstSequence + UInt64(index)))
            }
        }
    }

    private static func changed(_ plain: Segment, _ index: Int, _ oddity: Oddity) -> Segment {
        var parts = SegmentBytes(plain)
        let range = parts.eventRanges()[index]
        switch oddity {
        case .unknownKind:
            parts.events[range.lowerBound] = parts.events[range.lowerBound] & 0xC0 | 21
        case .nonsense:
            for place in range.dropFirst() { parts.events[place] = 0xFF }
        case .endless: parts.events[range.lowerBound - 1] = 0x7F
        case .nameless:
            // Behind the tag stands the time, a number of as many bytes as it needs, then the fields,
            // then the source.
            var place = range.lowerBound + 1
            while parts.events[place] >= 0x80 { place += 1 }
            parts.events[place + 2] = 0x7F
        }
        guard let segment = try? Segment(decoding: parts.assembled()) else {
            preconditionFailure("an odd segment is a segment")
        }
        return segment
    }
}
