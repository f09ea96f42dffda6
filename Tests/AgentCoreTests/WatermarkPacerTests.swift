import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

@Suite struct WatermarkPacerTests {
    private static let limits = AgentLimits()

    private func confirmed(_ sequence: UInt64, session: UInt64 = 1) -> OutboxSession.Confirmed {
        OutboxSession.Confirmed(
            session: session, acknowledged: ChainPoint(sequence: sequence, hash: .zero))
    }

    private func time(_ number: UInt64) -> HybridTimestamp { HybridTimestamp(rawValue: number) }

    @Test func `outside of a session, nothing is asked for and nothing said`() {
        var random = SplitMix64(seed: 1)
        var pacer = WatermarkPacer(limits: Self.limits)
        for second in 0..<100 as Range<Int64> {
            let now = SteadyTime(microseconds: second * 1_000_000)
            #expect(pacer.tick(nil, head: 0, now: now, &random) == nil)
        }
        let now = SteadyTime(microseconds: 0)
        #expect(pacer.found(time(5), acknowledged: 0, nil, now: now) == nil)
    }

    @Test func `where nothing waits a time is promised, where something does it is looked up`() {
        var random = SplitMix64(seed: 1)
        let now = SteadyTime(microseconds: 0)
        var idle = WatermarkPacer(limits: Self.limits)
        #expect(
            idle.tick(confirmed(7), head: 7, now: now, &random) == .promise(acknowledged: 7))
        var busy = WatermarkPacer(limits: Self.limits)
        #expect(busy.tick(confirmed(7), head: 9, now: now, &random) == .lookUp(after: 7))
        #expect(busy.tick(confirmed(7), head: 9, now: now, &random) == nil, "it was asked")
        let statement = busy.found(time(5), acknowledged: 7, confirmed(7), now: now)
        #expect(statement?.through == time(5) && statement?.confirmed == confirmed(7))
    }

    @Test func `nothing old is said again, and nothing in another session than it was asked in`() {
        var random = SplitMix64(seed: 1)
        var now = SteadyTime(microseconds: 0)
        var pacer = WatermarkPacer(limits: Self.limits)
        _ = pacer.tick(confirmed(1), head: 1, now: now, &random)
        #expect(pacer.found(time(5), acknowledged: 1, confirmed(1), now: now) != nil)
        now = now.advanced(byMicroseconds: 20_000_000)
        _ = pacer.tick(confirmed(1), head: 1, now: now, &random)
        #expect(pacer.found(time(5), acknowledged: 1, confirmed(1), now: now) == nil, "no news")
        now = now.advanced(byMicroseconds: 20_000_000)
        _ = pacer.tick(confirmed(1), head: 1, now: now, &random)
        let other = confirmed(1, session: 2)
        #expect(pacer.found(time(6), acknowledged: 1, other, now: now) == nil)
        // The new session begins with a watermark of its own.
        #expect(pacer.tick(other, head: 1, now: now, &random) == .promise(acknowledged: 1))
        #expect(pacer.found(time(6), acknowledged: 1, other, now: now) != nil)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `an idle agent speaks within its interval, at moments of its own`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pacer = WatermarkPacer(limits: Self.limits)
        var moments: [Int64] = []
        for step in 0..<2000 as Range<Int64> {
            let now = SteadyTime(microseconds: step * 50_000)
            guard pacer.tick(confirmed(3), head: 3, now: now, &random) != nil else { continue }
            moments.append(now.microseconds)
            _ = pacer.found(time(UInt64(step + 1)), acknowledged: 3, confirmed(3), now: now)
        }
        let pauses = zip(moments, moments.dropFirst()).map { $1 - $0 }
        let pauseMax = Self.limits.watermarkDelayMax
        #expect(pauses.count >= 8 && pauses.allSatisfy { $0 <= pauseMax + 50_000 }, "seed \(seed)")
        #expect(pauses.allSatisfy { $0 >= pauseMax / 2 }, "seed \(seed)")
        #expect(Set(pauses).count > 1, "seed \(seed): not at moments of its own")
    }

    @Test func `an acknowledgement brings the next watermark forward`() {
        var random = SplitMix64(seed: 1)
        var now = SteadyTime(microseconds: 0)
        var pacer = WatermarkPacer(limits: Self.limits)
        _ = pacer.tick(confirmed(1), head: 1, now: now, &random)
        _ = pacer.found(time(5), acknowledged: 1, confirmed(1), now: now)
        now = now.advanced(byMicroseconds: Self.limits.watermarkDelayMin - 1)
        #expect(pacer.tick(confirmed(2), head: 2, now: now, &random) == nil)
        now = now.advanced(byMicroseconds: 1)
        #expect(
            pacer.tick(confirmed(2), head: 2, now: now, &random) == .promise(acknowledged: 2))
    }

    @Test func `a question that nobody answers is asked again`() {
        var random = SplitMix64(seed: 1)
        var pacer = WatermarkPacer(limits: Self.limits)
        var asked = 0
        for second in 0..<30 as Range<Int64> {
            let now = SteadyTime(microseconds: second * 1_000_000)
            if pacer.tick(confirmed(1), head: 1, now: now, &random) != nil { asked += 1 }
        }
        #expect(asked >= 2)
    }
}

/// A device whose clock does as it likes, that is switched off at any moment, with the real
/// recorder: what it says must be true for ever.
private struct Device: ~Copyable {
    var random: SplitMix64
    private let hasher = PlainSHA256()
    private var admission: Admission<Int>
    private var pacer = WatermarkPacer(limits: AgentLimits())
    private var now = ClockReading(
        wall: Timestamp(microseconds: 1_760_000_000_000_000), steady: SteadyTime(microseconds: 0))
    // What the disk has.
    private var segments: [SealedSegment] = []
    private var promised = HybridTimestamp(rawValue: 0)
    private var acknowledged: UInt64 = 0
    private var session: UInt64 = 1
    private(set) var said: [(through: HybridTimestamp, acknowledged: UInt64)] = []
    private(set) var times: [HybridTimestamp] = []

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        admission = Device.admission(segments, promised, hasher)
    }

    private static func admission(
        _ segments: [SealedSegment], _ promised: HybridTimestamp, _ hasher: PlainSHA256
    ) -> Admission<Int> {
        let hash = hasher.sha256([], [1])
        var dictionary = StreamDictionary()
        for sealed in segments {
            for definition in (try? sealed.segment.definitions()) ?? [] {
                dictionary.restore(definition)
            }
        }
        let names = dictionary.definitions
        let latest = segments.last?.segment.events(name: { names[Int($0)] }).compactMap { read in
            if case .event(let event) = read { event.time } else { nil }
        }.max()
        let head = segments.last?.end ?? ChainPoint(sequence: 0, hash: hash)
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: hash), firstSequence: head.sequence + 1,
            previous: head.hash, seen: .nothing,
            dictionary: segments.last?.segment.header.dictionary ?? .empty)
        return Admission(
            AdmissionOrigin(
                place: place, dictionary: dictionary, balances: Balances(),
                latest: max(latest ?? HybridTimestamp(rawValue: 0), promised), keys: [:],
                transactions: 0), hasher: hasher)
    }

    private var confirmed: OutboxSession.Confirmed {
        OutboxSession.Confirmed(
            session: session, acknowledged: ChainPoint(sequence: acknowledged, hash: .zero))
    }

    mutating func step() throws {
        switch random.below(10) {
        case 0:
            // The clock is set back.
            now.wall = now.wall.advanced(byMicroseconds: -Int64(random.below(3_600_000_000)))
        case 1: restart()
        case 2...4: try record()
        case 5:
            // An acknowledgement, of whole segments.
            let ends = segments.map(\.end.sequence).filter { $0 >= acknowledged }
            if let end = ends.first(where: { _ in random.oneIn(2) }) { acknowledged = end }
        default: now = now.advanced(byMicroseconds: Int64(random.below(8_000_000)))
        }
        try speak()
    }

    private mutating func restart() {
        admission = Device.admission(segments, promised, hasher)
        pacer = WatermarkPacer(limits: AgentLimits())
        session += 1
    }

    private mutating func record() throws {
        let posting = Posting(
            source: .world, destination: try AccountAddress("till:\(random.below(5))"),
            asset: try Asset("EUR/2"), amount: try Amount(1))
        let batch = (0...random.below(3)).map { _ in posting }
        let submissions = try batch.map { Submission(try Transaction(postings: [$0])) }
        admission.submit(submissions, waiter: 1, now: now.wall) { _ in nil }
        let sealed = admission.seal()
        if random.oneIn(6) { return restart() }
        segments += sealed
        for case .accepted(_, let time) in admission.persisted(sealed, Durable(position: 0))
            .flatMap(\.1)
        { times.append(time) }
    }

    private mutating func speak() throws {
        let head = segments.last?.end.sequence ?? 0
        let time: HybridTimestamp?
        switch pacer.tick(confirmed, head: head, now: now.steady, &random) {
        case nil: return
        case .lookUp(let after):
            time = segments.first { $0.segment.header.firstSequence > after }?.segment.timeBefore
        case .promise(let after):
            time = admission.promiseTime(acknowledged: after, now: now.wall)
            // The power may fail before it is written: then nobody was told.
            if random.oneIn(4) { return restart() }
            promised = max(promised, time ?? promised)
        }
        let statement = pacer.found(time, acknowledged: acknowledged, confirmed, now: now.steady)
        if let statement { said.append((statement.through, acknowledged)) }
    }
}

extension WatermarkPacerTests {
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever clock and power do, all that was recorded up to a watermark was acknowledged`(
        seed: UInt64
    ) throws {
        var device = Device(seed: seed)
        for _ in 0..<400 { try device.step() }
        let (said, times) = (device.said, device.times)
        #expect(said.count > 5, "seed \(seed)")
        #expect(times == times.sorted(), "seed \(seed)")
        for (through, acknowledged) in said {
            let covered = times.count { $0 <= through }
            #expect(covered <= acknowledged, "seed \(seed): \(through) was said at \(acknowledged)")
        }
    }
}
