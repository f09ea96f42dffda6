import AgentCore
import LedgerCore
import SyncProtocol

/// One of a folder's streams as its tables hold it.
struct OwnStream {
    struct Stored {
        let sealed: SealedSegment
        /// In the folder's log.
        let position: Int
        /// When it was written: what time it really was.
        let at: Int64
        /// Its bytes are not those any more that were written, as the hash beside them shows.
        var isRotten = false

        var byteCount: Int { sealed.segment.bytes.count }
        var end: ChainPoint { sealed.end }
    }

    let genesis: Genesis
    let hash: Hash256
    let tag: StreamTag
    private(set) var segments: [Stored] = []
    /// The end of what is pruned.
    private(set) var pruned: ChainPoint?
    private(set) var definitions: [Definition] = []
    var lastSession: UInt64 = 0
    var end: StreamEnd?
    private var receipts: UInt64 = 0
    private(set) var confirmed: (through: ChainPoint, at: LogPlace)?
    var finishedFor: StreamTag?
    /// Where hubs have placed its segments.
    private(set) var placements: [Placement] = []

    init(_ genesis: Genesis) {
        self.genesis = genesis
        hash = genesis.hash(ToyHasher())
        tag = StreamTag(genesisHash: hash)
    }

    var start: ChainPoint { ChainPoint(sequence: 0, hash: hash) }
    var head: ChainPoint { segments.last?.end ?? pruned ?? start }
    var keptBehind: ChainPoint { pruned ?? start }
    var acknowledged: UInt64 { max(receipts, pruned?.sequence ?? 0) }

    var record: StreamRecord {
        StreamRecord(
            genesis: genesis, genesisHash: hash, head: head,
            acknowledged: min(acknowledged, head.sequence), lastSession: lastSession,
            keptBehind: keptBehind, bytesBehind: byteCount(behind: acknowledged), end: end,
            confirmed: confirmed?.through, confirmedAt: confirmed?.at, finishedFor: finishedFor)
    }

    // MARK: Writing

    mutating func append(_ sealed: SealedSegment, position: Int, at: Int64) {
        segments.append(Stored(sealed: sealed, position: position, at: at))
        definitions += (try? sealed.segment.definitions()) ?? []
    }

    mutating func keep(_ one: Acknowledged) {
        for receipt in one.receipts {
            receipts = max(receipts, receipt.through.sequence)
            guard let position = receipt.position, receipt.first <= receipt.through.sequence else {
                continue
            }
            placements.append(
                Placement(
                    sequences: receipt.first...receipt.through.sequence,
                    at: LogPlace(hub: receipt.hub, position: position)))
        }
        placements += one.placements
        confirmed = (one.through, one.at)
    }

    mutating func decay(_ index: Int) {
        segments[index].isRotten = true
    }

    // MARK: Pruning

    /// How many segments may go: acknowledged, counted by the folds' checkpoint, and not the last of
    /// the folder's log.
    func prunable(through sequence: UInt64, counted: Int, last: Int, segmentsMax: Int) -> Int {
        var count = 0
        while count < min(segmentsMax, segments.count), segments[count].position < last,
            segments[count].position <= counted, segments[count].end.sequence <= sequence
        {
            count += 1
        }
        return count
    }

    /// Whether a checkpoint would let more go.
    func needsCheckpoint(through sequence: UInt64, counted: Int, last: Int) -> Bool {
        guard let first = segments.first, first.position < last else { return false }
        return first.end.sequence <= sequence && first.position > counted
    }

    mutating func prune(_ count: Int) {
        guard count > 0 else { return }
        pruned = segments[count - 1].end
        segments.removeFirst(count)
        placements.removeAll { $0.sequences.upperBound <= pruned?.sequence ?? 0 }
    }

    // MARK: Reading

    /// The index of the first segment that has events behind this one.
    func index(behind sequence: UInt64) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].end.sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func isInChain(_ place: ChainPoint) -> Bool {
        if place.sequence == 0 { return place.hash == hash }
        if let pruned, pruned.sequence == place.sequence { return pruned.hash == place.hash }
        let index = index(behind: place.sequence - 1)
        return index < segments.count && segments[index].end == place
    }

    /// As far as this log can say: of a place within what is pruned it cannot.
    private func passes(_ place: ChainPoint) -> Bool {
        if let pruned, place.sequence < pruned.sequence, place.sequence > 0 { return true }
        return isInChain(place)
    }

    func byteCount(behind sequence: UInt64) -> UInt64 {
        UInt64(segments[index(behind: sequence)...].reduce(0) { $0 + $1.byteCount })
    }

    func locate(_ places: [ChainPoint]) -> (ChainPoint?, bytesBehind: UInt64) {
        let found = places.sorted { $0.sequence > $1.sequence }.first { isInChain($0) }
        return (found, byteCount(behind: found?.sequence ?? 0))
    }

    func search(_ opening: SessionOpening) -> ChainSearch {
        let (found, bytes) = locate(opening.leaves)
        return ChainSearch(
            found: found, hasAnnounced: passes(opening.announced), keptBehind: keptBehind,
            bytesBehind: bytes)
    }

    /// Up to the first that cannot be read.
    func segments(after sequence: UInt64, byteCountMax: Int) -> LogAnswer {
        var found: [SealedSegment] = []
        var byteCount = 0
        for stored in segments[index(behind: sequence)...] {
            guard !stored.isRotten else {
                if !found.isEmpty { break }
                return .unreadable(stored.sealed.segment.header.sequences, end: stored.end)
            }
            byteCount += SegmentsMessage.byteCount(ofSegment: stored.byteCount)
            guard byteCount <= byteCountMax else { break }
            found.append(stored.sealed)
        }
        return .segments(found)
    }

    func events(of segment: Segment) -> [ReadEvent] {
        segment.events { $0 < definitions.count ? definitions[Int($0)] : nil }
    }

    func lastTime(of stored: Stored) -> HybridTimestamp {
        let base = stored.sealed.segment.header.base
        let times = events(of: stored.sealed.segment).map { read in
            if case .event(let event) = read { event.time } else { base }
        }
        return times.max() ?? base
    }
}
