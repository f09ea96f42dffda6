import LedgerCore
import SyncProtocol

/// Segments of one stream that came before the ones that they name as their parents, by these.
struct EarlySegments: Hashable, Sendable {
    enum Kept {
        case kept
        case duplicate
        case full
    }

    private var children: [Hash256: [SealedSegment]] = [:]
    private(set) var count = 0
    private var byteCount = 0
    private let limits: AggregatorLimits

    init(limits: AggregatorLimits) {
        self.limits = limits
    }

    var isEmpty: Bool { count == 0 }

    /// All of them, in the order of their numbers.
    var headers: [SegmentHeader] {
        children.values.joined().map(\.segment.header).sorted {
            ($0.firstSequence, $0.lastSequence) < ($1.firstSequence, $1.lastSequence)
        }
    }

    /// Those whose parents are not here either, in the order of their numbers.
    var roots: [SegmentHeader] {
        let hashes = Set(children.values.joined().map(\.hash))
        return headers.filter { !hashes.contains($0.previous) }
    }

    var highest: UInt64 {
        children.values.joined().reduce(0) { max($0, $1.segment.header.lastSequence) }
    }

    /// Whether a segment waits that names the same parent: two chains.
    func hasSibling(of sealed: SealedSegment) -> Bool {
        children[sealed.segment.header.previous]?.contains { $0.hash != sealed.hash } ?? false
    }

    mutating func keep(_ sealed: SealedSegment) -> Kept {
        let parent = sealed.segment.header.previous
        if children[parent]?.contains(where: { $0.hash == sealed.hash }) == true {
            return .duplicate
        }
        let size = sealed.segment.bytes.count
        guard count < limits.earlySegmentsMax, byteCount + size <= limits.earlyBytesMax else {
            return .full
        }
        children[parent, default: []].append(sealed)
        count += 1
        byteCount += size
        return .kept
    }

    /// Those that name this segment as their parent; they wait no longer.
    mutating func take(childrenOf parent: Hash256) -> [SealedSegment] {
        guard let found = children.removeValue(forKey: parent) else { return [] }
        count -= found.count
        byteCount -= found.reduce(0) { $0 + $1.segment.bytes.count }
        return found
    }

    mutating func removeAll() {
        children.removeAll()
        count = 0
        byteCount = 0
    }
}
