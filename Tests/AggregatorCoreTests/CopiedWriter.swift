import LedgerCore
import SyncProtocol
import TestSupport

/// A data folder, or a copy of one: a value, so that copying it is what copying a folder is.
struct CopiedWriter {
    let genesis: Genesis
    let start: ChainPoint
    private(set) var segments: [SealedSegment] = []
    var lastSession: UInt64 = 0
    /// What its clock shows.
    var wall = Timestamp(microseconds: 1_770_000_000_000_000)
    private var clock = HybridClock()
    private var builder: SegmentBuilder
    private let hasher = PlainSHA256()

    init(agent: String = "till-1", _ random: inout SplitMix64) throws {
        genesis = Genesis(
            writer: .agent, ledger: "test", agent: try AgentID(agent),
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: ToySigner(1).publicKey)
        start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: StreamTag(genesisHash: start.hash), firstSequence: 1, previous: start.hash,
                seen: .nothing, dictionary: .empty), dictionary: StreamDictionary())
    }

    var head: ChainPoint { segments.last?.end ?? start }

    func has(_ point: ChainPoint) -> Bool {
        point == start || segments.contains { $0.end == point }
    }

    /// One to three events in a segment. Accounts are drawn anew, so that two copies number theirs
    /// differently.
    mutating func write(_ random: inout SplitMix64) throws {
        for _ in 0...random.below(3) {
            let accounts = try ["a", "b", "c", "d", "e", "f"].map { try AccountAddress("s:\($0)") }
            let posting = Posting(
                source: accounts[random.below(6)], destination: accounts[random.below(6)],
                asset: try Asset("EUR/2"), amount: try Amount(Int64(1 + random.below(100))))
            builder.append(
                try Transaction(postings: [posting]), keyed: nil, trace: nil,
                time: clock.tick(now: wall))
            wall = wall.advanced(byMicroseconds: 1_000)
        }
        let (segment, hash) = builder.seal(hasher)
        segments.append(SealedSegment(segment: segment, hash: hash))
    }

    /// A segment of which one event makes no sense, as a writer that errs signs it.
    mutating func writePoisoned(_ random: inout SplitMix64) throws {
        try write(&random)
        guard let sound = segments.popLast() else { return }
        var parts = SegmentBytes(sound.segment)
        let ranges = parts.eventRanges()
        for place in ranges[random.below(ranges.count)].dropFirst() { parts.events[place] = 0xFF }
        let segment = try Segment(decoding: parts.assembled())
        segments.append(SealedSegment(segment: segment, hash: segment.hash(hasher)))
        goOn(with: builder.dictionary)
    }

    /// The next segment stands behind the last one, whatever the builder made.
    private mutating func goOn(with dictionary: StreamDictionary) {
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: start.hash), firstSequence: head.sequence + 1,
            previous: head.hash, seen: seen,
            dictionary: segments.last?.segment.header.dictionary ?? .empty)
        builder = SegmentBuilder(place: place, dictionary: dictionary)
    }

    /// It hears of the hub's clock, and follows it.
    mutating func observe(_ time: HybridTimestamp) {
        clock.observe(time)
    }

    /// The latest time that it gave or heard of.
    var latestTime: HybridTimestamp { clock.latest }

    /// What it knows of the hub, from the next segment on.
    var seen = Seen.nothing {
        didSet { builder.saw(seen) }
    }
}

extension CopiedWriter {
    /// The folder as it was behind so many segments.
    func cut(to count: Int) throws -> CopiedWriter {
        var older = self
        try older.goBack(to: count)
        return older
    }

    private mutating func goBack(to count: Int) throws {
        segments.removeLast(segments.count - count)
        var dictionary = StreamDictionary()
        for sealed in segments {
            for definition in try sealed.segment.definitions() { dictionary.restore(definition) }
        }
        goOn(with: dictionary)
    }
}
