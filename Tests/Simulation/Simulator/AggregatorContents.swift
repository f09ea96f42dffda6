import AggregatorCore
import LedgerCore
import SyncProtocol

/// What the tables of the aggregator's store hold.
struct AggregatorContents: DiskContents {
    struct Known {
        let genesis: Genesis
        let start: ChainPoint
        var record: StreamSession.Record
        /// Of its branches.
        var ends: [BranchEnd] = []

        var furthest: ChainPoint {
            ends.map(\.point).max { $0.sequence < $1.sequence } ?? start
        }
    }

    /// What the hub's streams begin with, in their order; the last one is written.
    private(set) var hubs: [Genesis]
    /// All segments in their order, those of the hub among them.
    private(set) var whole: [SealedSegment] = []
    /// Those of agents.
    private(set) var log: [SealedSegment] = []
    private(set) var streams: [StreamTag: Known] = [:]
    /// In the order of their first words.
    private(set) var tags: [StreamTag] = []
    /// By the segment's hash, where in the whole log.
    private var places: [Hash256: Int] = [:]
    /// Names that no segment defines.
    private var names: [DictionaryState: [Definition]] = [:]
    private(set) var checkpoint: (fold: HubCommit.Checkpoint, position: Int)?
    private var clock = HybridTimestamp(rawValue: 0)
    var isRestored = false
    /// Segments with times that cannot be right. The simulator's own note.
    private(set) var suspect: Set<Hash256> = []

    /// The number of its key.
    let key: UInt64

    init(hub: Genesis, key: UInt64) {
        self.key = key
        hubs = [hub]
    }

    var hubTags: [StreamTag] { hubs.map { StreamTag(genesisHash: $0.hash(ToyHasher())) } }

    mutating func apply(_ commit: HubCommit) {
        for stream in commit.streams {
            let start = ChainPoint(sequence: 0, hash: stream.hash)
            let tag = StreamTag(genesisHash: start.hash)
            streams[tag] = Known(
                genesis: stream.genesis, start: start,
                record: StreamSession.Record(announced: start))
            tags.append(tag)
        }
        if let hub = commit.hub {
            hubs.append(hub.genesis)
            isRestored = false
        }
        for sealed in commit.hubSegments { keep(sealed) }
        for added in commit.names { names[added.names.state] = added.names.definitions }
        for arrival in commit.arrivals {
            for sealed in arrival.run.segments {
                append(sealed)
                noteClock(sealed, arrival)
            }
        }
        for (tag, points) in commit.branchEnds {
            let ends = points.map(end)
            streams[tag]?.ends = ends
        }
        for (tag, record) in commit.records { streams[tag]?.record = record }
        clock = commit.clock
        if let fold = commit.checkpoint { checkpoint = (fold, whole.count) }
    }

    private static let oldestTime: Int64 = 1_704_067_200_000_000

    /// By other code than the hub's.
    private mutating func noteClock(_ sealed: SealedSegment, _ arrival: HubCommit.Arrival) {
        let base = sealed.segment.header.base.time
        let ahead = base.microseconds(since: arrival.receivedAt)
        guard
            ahead > AggregatorLimits().driftMax
                || base.microseconds < AggregatorContents.oldestTime
        else { return }
        suspect.insert(sealed.hash)
    }

    private mutating func keep(_ sealed: SealedSegment) {
        places[sealed.hash] = whole.count
        whole.append(sealed)
    }

    private mutating func append(_ sealed: SealedSegment) {
        let header = sealed.segment.header
        keep(sealed)
        log.append(sealed)
        let end = BranchEnd(point: sealed.end, dictionary: header.dictionary)
        let ends = streams[header.stream]?.ends ?? []
        if let branch = ends.firstIndex(where: { $0.point.hash == header.previous }) {
            streams[header.stream]?.ends[branch] = end
        } else {
            streams[header.stream]?.ends.append(end)
        }
    }

    private func end(_ point: ChainPoint) -> BranchEnd {
        BranchEnd(
            point: point,
            dictionary: stored(point.hash)?.segment.header.dictionary ?? .empty)
    }

    // MARK: Reading

    /// The last event of the hub's stream that is written.
    var hubEnd: UInt64 {
        guard let tag = hubTags.last else { return 0 }
        return whole.last { $0.segment.header.stream == tag }?.end.sequence ?? 0
    }

    private func stored(_ hash: Hash256) -> SealedSegment? {
        places[hash].map { whole[$0] }
    }

    /// Whether the log has the chain up to there.
    func holds(_ stream: StreamTag, _ point: ChainPoint) -> Bool {
        if point.sequence == 0 { return true }
        return stored(point.hash)?.end == point
    }

    func answer(_ lookUp: LookUp, of stream: StreamTag) -> LookUp.Answer {
        let start = streams[stream]?.start
        return lookUp.answer { place in
            stored(place.hash)?.segment.header.dictionary
        } end: { point in
            point == start
                ? .empty
                : stored(point.hash).flatMap {
                    $0.end == point ? $0.segment.header.dictionary : nil
                }
        }
    }

    // MARK: The fold

    /// What a start reads.
    var origin: HubOrigin {
        let genesis = hubs[hubs.count - 1]
        let tag = StreamTag(genesisHash: genesis.hash(ToyHasher()))
        let start = ChainPoint(sequence: 0, hash: genesis.hash(ToyHasher()))
        let fold = fold(from: checkpoint)
        return HubOrigin(
            genesis: genesis,
            end: whole.last { $0.segment.header.stream == tag }?.end ?? start, fold: fold,
            streams: tags.compactMap { origin(of: $0, fold.state) },
            position: Int64(whole.count), hash: whole.last?.hash ?? hubs[0].hash(ToyHasher()),
            clock: clock, isRestored: isRestored)
    }

    /// Where no segment is, the record counts.
    private func origin(of tag: StreamTag, _ state: HubState) -> HubOrigin.Stream? {
        guard let known = streams[tag] else { return nil }
        var record = known.record
        record.standing = state.standing(of: tag)
        if record.announced.sequence < known.furthest.sequence { record.announced = known.furthest }
        return HubOrigin.Stream(
            genesis: known.genesis, record: record, ends: known.ends, committedAt: nil)
    }

    /// The fold, from its beginning or from a checkpoint.
    func fold(from checkpoint: (fold: HubCommit.Checkpoint, position: Int)? = nil) -> HubFold {
        var replay = LogReplay(
            self, hubs: hubTags, balances: checkpoint?.fold.balances ?? Balances(),
            counts: checkpoint?.fold.counts ?? GlobalLedger.Counts())
        let position = checkpoint?.position ?? 0
        let own = Set(hubTags)
        for sealed in whole[..<position] where own.contains(sealed.segment.header.stream) {
            expect(replay.countIn(hub: sealed))
        }
        for sealed in whole[position...] { expect(replay.add(sealed)) }
        return replay.finish(
            tags.flatMap { tag in
                (streams[tag]?.ends ?? []).map { (stream: tag, dictionary: $0.dictionary) }
            })
    }

    private func expect(_ trouble: HubFold.Trouble?) {
        if let trouble { preconditionFailure("the log cannot be replayed: \(trouble)") }
    }
}

extension AggregatorContents: ReplayedLog {
    typealias Failure = Never

    func dictionary(before sealed: SealedSegment) -> DictionaryState {
        let header = sealed.segment.header
        if let parent = stored(header.previous) { return parent.segment.header.dictionary }
        if header.definitionCount == 0 { return header.dictionary }
        let isBefore = { (state: DictionaryState) in
            state.count == header.definitionCountBefore
                && state.advanced(
                    by: Int(header.definitionCount), encoded: sealed.segment.definitionBytes,
                    ToyHasher()) == header.dictionary
        }
        if isBefore(.empty) { return .empty }
        let stored = log.lazy.filter { $0.segment.header.stream == header.stream }
            .map(\.segment.header.dictionary)
        guard let found = names.keys.first(where: isBefore) ?? stored.first(where: isBefore) else {
            preconditionFailure("the names in front of \(header.sequences) are missing")
        }
        return found
    }

    /// Those that a segment has taken to that state; all such are the same.
    func names(of stream: StreamTag, leadingTo state: DictionaryState) -> [Definition?] {
        if let known = names[state] { return known }
        let found = log.first {
            $0.segment.header.stream == stream && $0.segment.header.dictionary == state
                && $0.segment.header.definitionCount > 0
        }
        guard state != .empty, let found else { return [] }
        let count = Int(found.segment.header.definitionCount)
        let own = (try? found.segment.definitions()).map { $0.map(Optional.some) }
        return names(of: stream, leadingTo: dictionary(before: found))
            + (own ?? [Definition?](repeating: nil, count: count))
    }

    func segment(of span: EventSpan) -> Segment? {
        stored(span.segment)?.segment
    }

    func segment(of span: EventSpan, before hub: SealedSegment) -> Segment? {
        guard let place = places[span.segment], let own = places[hub.hash], place < own else {
            return nil
        }
        return whole[place].segment
    }
}
