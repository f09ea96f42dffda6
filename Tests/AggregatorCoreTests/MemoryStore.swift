import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// The aggregator's store as a list: what `HubCommit` writes and `HubOrigin` reads.
struct MemoryStore {
    struct Stream {
        let genesis: Genesis
        let start: ChainPoint
        var record: StreamSession.Record
        var ends: [BranchEnd] = []
    }

    private(set) var hubs: [Genesis]
    private(set) var log: [SealedSegment] = []
    private(set) var streams: [Stream] = []
    private var names: [DictionaryState: [Definition?]] = [:]
    private var checkpoint: (fold: HubCommit.Checkpoint, position: Int)?
    private var clock = HybridTimestamp(rawValue: 0)
    var isRestored = false
    private let hasher = PlainSHA256()

    init(hub: Genesis) {
        hubs = [hub]
    }

    var hubTags: [StreamTag] { hubs.map { StreamTag(genesisHash: $0.hash(hasher)) } }

    /// The hub's events, in their order.
    var hubEvents: [HubEvent] {
        log.filter { hubTags.contains($0.segment.header.stream) }.flatMap {
            $0.segment.hubEvents().compactMap {
                if case .event(let event) = $0 { event } else { nil }
            }
        }
    }

    // MARK: Writing

    /// - Returns: the positions of the arrivals, and the token.
    mutating func write(_ commit: HubCommit) -> ([Int64], Durable) {
        for stream in commit.streams {
            let start = ChainPoint(sequence: 0, hash: stream.hash)
            streams.append(
                Stream(
                    genesis: stream.genesis, start: start,
                    record: StreamSession.Record(announced: start)))
        }
        if let hub = commit.hub {
            hubs.append(hub.genesis)
            isRestored = false
        }
        log += commit.hubSegments
        for added in commit.names { names[added.names.state] = added.names.definitions }
        var positions: [Int64] = []
        for arrival in commit.arrivals {
            positions.append(Int64(log.count + 1))
            for (index, sealed) in arrival.run.segments.enumerated() {
                append(sealed, behind: arrival.run.names(before: index))
            }
        }
        for (tag, points) in commit.branchEnds { setEnds(points, of: tag) }
        for (tag, record) in commit.records { streams[index(tag)].record = record }
        clock = commit.clock
        if let fold = commit.checkpoint { checkpoint = (fold, log.count) }
        return (positions, Durable(position: Int64(log.count)))
    }

    private func index(_ tag: StreamTag) -> Int {
        guard
            let index = streams.firstIndex(where: { StreamTag(genesisHash: $0.start.hash) == tag })
        else { preconditionFailure("stream \(tag) was never added") }
        return index
    }

    private mutating func append(_ sealed: SealedSegment, behind before: DictionaryState) {
        let header = sealed.segment.header
        log.append(sealed)
        let known = names[before] ?? []
        let own = (try? sealed.segment.definitions()).map { $0.map(Optional.some) }
        names[header.dictionary] =
            known + (own ?? [Definition?](repeating: nil, count: Int(header.definitionCount)))
        let stream = index(header.stream)
        let end = BranchEnd(point: sealed.end, dictionary: header.dictionary)
        streams[stream].ends.removeAll { $0.point.hash == header.previous }
        streams[stream].ends.append(end)
    }

    private mutating func setEnds(_ points: [ChainPoint], of tag: StreamTag) {
        let ends = points.map { point in
            let stored = log.first { $0.end == point }
            return BranchEnd(
                point: point, dictionary: stored?.segment.header.dictionary ?? .empty)
        }
        streams[index(tag)].ends = ends
    }

    // MARK: Reading

    func answer(_ lookUp: LookUp, of stream: StreamTag) -> LookUp.Answer {
        let start = streams.first { StreamTag(genesisHash: $0.start.hash) == stream }?.start
        return lookUp.answer { place in
            log.first { $0.hash == place.hash }?.segment.header.dictionary
        } end: { point in
            point == start ? .empty : log.first { $0.end == point }?.segment.header.dictionary
        }
    }

    var origin: HubOrigin {
        let genesis = hubs[hubs.count - 1]
        let fold = fold(fromCheckpoint: true)
        let start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        let tag = StreamTag(genesisHash: start.hash)
        return HubOrigin(
            genesis: genesis, end: log.last { $0.segment.header.stream == tag }?.end ?? start,
            fold: fold, streams: streams.map { origin(of: $0, fold.state) },
            position: Int64(log.count), hash: log.last?.hash ?? hubs[0].hash(hasher), clock: clock,
            isRestored: isRestored)
    }

    private func origin(of stream: Stream, _ state: HubState) -> HubOrigin.Stream {
        var record = stream.record
        record.standing = state.standing(of: StreamTag(genesisHash: stream.start.hash))
        let furthest = stream.ends.map(\.point).max { $0.sequence < $1.sequence }
        if let furthest, record.announced.sequence < furthest.sequence {
            record.announced = furthest
        }
        return HubOrigin.Stream(
            genesis: stream.genesis, record: record, ends: stream.ends, committedAt: nil)
    }

    /// The fold of the log, from its beginning or from the last checkpoint.
    func fold(fromCheckpoint: Bool) -> HubFold {
        guard fromCheckpoint, let checkpoint else { return fold(Balances(), .init(), behind: 0) }
        return fold(
            checkpoint.fold.balances, checkpoint.fold.counts, behind: checkpoint.position)
    }

    /// The fold of the log behind a snapshot of what its first segments add up to.
    func fold(behindSnapshotAt position: Int) -> HubFold {
        let snapshot = reordered(Array(log[..<position])).fold(fromCheckpoint: false).ledger
        return fold(snapshot.balances, snapshot.counts, behind: position)
    }

    /// With these segments, in that order.
    func reordered(_ log: [SealedSegment]) -> MemoryStore {
        var other = self
        other.log = log
        other.checkpoint = nil
        return other
    }

    private func fold(
        _ balances: Balances, _ counts: GlobalLedger.Counts, behind position: Int
    ) -> HubFold {
        var replay = LogReplay(self, hubs: hubTags, balances: balances, counts: counts)
        for sealed in log[..<position] where hubTags.contains(sealed.segment.header.stream) {
            expect(replay.countIn(hub: sealed))
        }
        for sealed in log[position...] { expect(replay.add(sealed)) }
        return replay.finish(
            streams.flatMap { stream in
                stream.ends.map {
                    (stream: StreamTag(genesisHash: stream.start.hash), dictionary: $0.dictionary)
                }
            })
    }

    private func expect(_ trouble: HubFold.Trouble?) {
        if let trouble { preconditionFailure("the log cannot be replayed: \(trouble)") }
    }
}

extension MemoryStore: ReplayedLog {
    typealias Failure = Never

    func dictionary(before sealed: SealedSegment) -> DictionaryState {
        let header = sealed.segment.header
        if let parent = log.first(where: { $0.hash == header.previous }) {
            return parent.segment.header.dictionary
        }
        return names.keys.first { state in
            state.count == header.definitionCountBefore
                && state.advanced(
                    by: Int(header.definitionCount), encoded: sealed.segment.definitionBytes,
                    hasher) == header.dictionary
        } ?? .empty
    }

    func names(of stream: StreamTag, leadingTo state: DictionaryState) -> [Definition?] {
        names[state] ?? []
    }

    func segment(of span: EventSpan) -> Segment? {
        log.first { $0.hash == span.segment }?.segment
    }

    func segment(of span: EventSpan, before hub: SealedSegment) -> Segment? {
        log.prefix { $0 != hub }.first { $0.hash == span.segment }?.segment
    }
}
