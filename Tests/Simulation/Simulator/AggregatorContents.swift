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

    /// What one transaction writes.
    struct Change {
        var streams: [Genesis] = []
        var records: [(StreamTag, StreamSession.Record)] = []
        var segments: [SealedSegment] = []
        /// The fold as it stands behind these segments.
        var checkpoint: GlobalLedger?

        var isEmpty: Bool {
            streams.isEmpty && records.isEmpty && segments.isEmpty && checkpoint == nil
        }
        var pageCount: Int { segments.count + 2 }
    }

    let hub: Genesis
    let tag: StreamTag
    private(set) var log: [SealedSegment] = []
    private(set) var streams: [StreamTag: Known] = [:]
    /// In the order of their first words.
    private(set) var tags: [StreamTag] = []
    /// By the segment's hash, where in the log.
    private var places: [Hash256: Int] = [:]
    private(set) var checkpoint: (ledger: GlobalLedger, position: Int) = (GlobalLedger(), 0)

    init(hub: Genesis) {
        self.hub = hub
        tag = StreamTag(genesisHash: hub.hash(ToyHasher()))
    }

    mutating func apply(_ change: Change) {
        for genesis in change.streams {
            let start = ChainPoint(sequence: 0, hash: genesis.hash(ToyHasher()))
            let tag = StreamTag(genesisHash: start.hash)
            streams[tag] = Known(
                genesis: genesis, start: start, record: StreamSession.Record(announced: start))
            tags.append(tag)
        }
        for sealed in change.segments { append(sealed) }
        for (tag, record) in change.records { streams[tag]?.record = record }
        if let ledger = change.checkpoint { checkpoint = (ledger, log.count) }
    }

    private mutating func append(_ sealed: SealedSegment) {
        let header = sealed.segment.header
        places[sealed.hash] = log.count
        log.append(sealed)
        let end = BranchEnd(point: sealed.end, dictionary: header.dictionary)
        let ends = streams[header.stream]?.ends ?? []
        if let branch = ends.firstIndex(where: { $0.point.hash == header.previous }) {
            streams[header.stream]?.ends[branch] = end
        } else {
            streams[header.stream]?.ends.append(end)
        }
    }

    // MARK: Reading

    private func stored(_ hash: Hash256) -> SealedSegment? {
        places[hash].map { log[$0] }
    }

    /// Whether the log has the chain up to there.
    func holds(_ stream: StreamTag, _ point: ChainPoint) -> Bool {
        if point.sequence == 0 { return true }
        return stored(point.hash)?.end == point
    }

    func answer(_ lookUp: LookUp, _ start: ChainPoint?) -> LookUp.Answer {
        lookUp.answer { place in
            stored(place.hash)?.segment.header.dictionary
        } end: { point in
            point == start
                ? .empty
                : stored(point.hash).flatMap {
                    $0.end == point ? $0.segment.header.dictionary : nil
                }
        }
    }

    /// The names in front of a segment.
    func dictionary(before segment: Segment) -> DictionaryState {
        stored(segment.header.previous)?.segment.header.dictionary ?? .empty
    }

    /// All definitions on the way to a segment, it included.
    func names(through hash: Hash256) -> [Definition?] {
        var parts: [[Definition?]] = []
        var next = stored(hash)
        while let sealed = next {
            let count = Int(sealed.segment.header.definitionCount)
            let own = (try? sealed.segment.definitions()).map { $0.map(Optional.some) }
            parts.append(own ?? [Definition?](repeating: nil, count: count))
            next = stored(sealed.segment.header.previous)
        }
        return Array(parts.reversed().joined())
    }

    /// The names in front of one of a stream's segments with that state; all such are the same.
    func names(of stream: StreamTag, leadingTo state: DictionaryState) -> [Definition?] {
        let found = log.first {
            $0.segment.header.stream == stream && $0.segment.header.dictionary == state
        }
        return found.map { names(through: $0.hash) } ?? []
    }

    /// What a start reads of a stream: where no segment is, the record counts.
    func record(_ tag: StreamTag) -> StreamSession.Record? {
        guard let known = streams[tag] else { return nil }
        var record = known.record
        if record.announced.sequence < known.furthest.sequence { record.announced = known.furthest }
        return record
    }

    // MARK: The fold

    /// The fold at its checkpoint, brought up to the end of the log.
    func ledger() -> GlobalLedger {
        var ledger = checkpoint.ledger
        for sealed in log[checkpoint.position...] { merge(sealed, into: &ledger) }
        for tag in tags {
            for end in streams[tag]?.ends ?? [] {
                restore(end.dictionary, of: tag, into: &ledger)
            }
        }
        return ledger
    }

    func merge(_ sealed: SealedSegment, into ledger: inout GlobalLedger) {
        let before = dictionary(before: sealed.segment)
        restore(before, of: sealed.segment.header.stream, into: &ledger)
        _ = ledger.merge(sealed.segment, behind: before)
    }

    func restore(
        _ state: DictionaryState, of stream: StreamTag, into ledger: inout GlobalLedger
    ) {
        guard !ledger.hasNames(of: stream, leadingTo: state) else { return }
        ledger.restore(
            names(of: stream, leadingTo: state), of: stream, leadingTo: state)
    }
}
