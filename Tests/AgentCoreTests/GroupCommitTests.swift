import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct GroupCommitTests {
    private let end = StreamEnd(.rolledBack, detail: "a copy", at: Timestamp(microseconds: 1))

    private func hub(_ number: UInt8 = 1) throws -> (test: TestHub, record: HubRecord) {
        let hub = try TestHub(number)
        return (hub, HubRecord(tag: hub.tag, genesis: hub.genesis))
    }

    private func acknowledged(_ stream: StreamTag, _ sequence: UInt64, clock: UInt64 = 0) throws
        -> Acknowledged
    {
        let hub = try hub().record.tag
        return Acknowledged(
            stream: stream, receipts: [], placements: [],
            through: ChainPoint(sequence: sequence, hash: .zero),
            at: LogPlace(hub: hub, position: 1), clock: HybridTimestamp(rawValue: clock))
    }

    // MARK: Another stream

    @Test func `what waits is written to the stream that ends, and what comes then to the next`()
        throws
    {
        let world = try CommitWorld()
        let old = world.stream
        try world.submit(2, waiter: 1)
        world.take(.end(old, end))
        #expect(!world.mayDraw, "somebody waits")
        world.commit()
        try world.drawIfDue(2)
        let new = world.stream
        #expect(new != old && world.ending == nil)
        try world.submit(1, waiter: 2)
        world.commit()
        let places = [(old, 1), (old, 2), (new, 1)].map {
            EventPlace(stream: $0.0, sequence: $0.1)
        }
        #expect(world.places == places)
        let told = [1, 2].flatMap { world.answers[$0].flatMap { $0 } ?? [] }.map { outcome in
            if case .accepted(let place, _) = outcome { place } else { places[0] }
        }
        #expect(told == places)
        let drawn = world.reports.contains {
            if case .drawn(let record, self.end) = $0 { record.tag == new } else { false }
        }
        #expect(drawn)
        // It has ended already, and whoever has not heard of it is told again.
        world.effects = []
        world.take(.end(old, end))
        #expect(world.ending == nil)
        guard case .drawn(let record, end)? = world.reports.first else {
            return #expect(Bool(false))
        }
        #expect(record.tag == new)
    }

    @Test func `where no stream can be drawn, transactions go on in the one before`() throws {
        let world = try CommitWorld()
        let old = world.stream
        world.take(.end(old, end))
        try world.drawIfDue(2, .failed)
        #expect(world.isSpent && world.mustLoad)
        try world.submit(1, waiter: 1)
        world.commit()
        #expect(world.answers[1] != .some(nil) && world.places.map(\.stream) == [old])
        #expect(!world.mayDraw, "not at once")
        world.now = world.now.advanced(byMicroseconds: world.limits.drawDelay)
        try world.drawIfDue(3)
        #expect(world.stream != old)
    }

    @Test func `a stream that was drawn by a write that seemed to fail is found, and told`() throws
    {
        let world = try CommitWorld()
        world.take(.end(world.stream, end))
        try world.drawIfDue(2, .failedButThere)
        world.load()
        #expect(world.stream == world.streams[1].tag && world.ending == nil)
        let drawn = world.reports.contains {
            if case .drawn(let record, let end) = $0 {
                record.tag == world.stream && end == self.end
            } else {
                false
            }
        }
        #expect(drawn)
    }

    // MARK: Writes that fail

    @Test func `what the hub said is not lost with the write that carried it`() throws {
        let world = try CommitWorld()
        let stream = world.stream
        let (hub, record) = try hub()
        let event = try hub.event(4, previous: 0, .approved(stream))
        try world.submit(1, waiter: 1)
        world.take(.keep(try acknowledged(stream, 0)))
        world.take(.follow(record))
        world.take(.keepEvents([event]))
        world.take(.finish(stream, hub: record.tag))
        world.commit(.failed)
        #expect(world.answers[1] == .some(nil) && world.segments.isEmpty)
        world.load()
        let commit = try #require(world.commit())
        #expect(commit.acknowledged.count == 1 && commit.hub == record)
        #expect(commit.hubEvents == [event] && commit.finished == [stream: record.tag])
        let seen = HubRecord(tag: hub.tag, genesis: hub.genesis, last: event)
        #expect(world.reports.contains(.seen(seen)))
        try world.submit(1, waiter: 2)
        let next = try #require(world.commit())
        #expect(next.segments[0].segment.header.seen == Seen(hub: record.tag, position: 4))
    }

    @Test func `a commit that took place although it seemed to fail is gone on from`() throws {
        let world = try CommitWorld()
        try world.submit(2, waiter: 1)
        world.commit(.failedButThere)
        #expect(world.answers[1] == .some(nil))
        try world.submit(1, waiter: 2)
        world.commit()
        #expect(world.places.map(\.sequence) == [1, 2, 3])
        let heads = world.reports.compactMap { report -> UInt64? in
            if case .appended(_, let head, _) = report { head.sequence } else { nil }
        }
        #expect(heads == [2, 3])
    }

    @Test func `a session whose number was not written is not searched for`() throws {
        let world = try CommitWorld()
        let opening = SessionOpening(
            stream: world.stream, session: 3, leaves: [],
            announced: ChainPoint(sequence: 0, hash: .zero))
        func searches() -> Int {
            world.effects.reduce(0) { count, effect in
                if case .search(opening) = effect { count + 1 } else { count }
            }
        }
        world.take(.open(opening))
        #expect(world.isDue(world.now.steady))
        world.commit(.failed)
        world.load()
        world.commit()
        #expect(searches() == 0)
        world.take(.open(opening))
        #expect(world.commit()?.sessions == [opening.stream: 3])
        #expect(searches() == 1)
    }

    @Test func `a time is promised also after a write that failed`() throws {
        let world = try CommitWorld()
        try world.submit(1, waiter: 1)
        world.commit(.failed)
        let place = EventPlace(stream: world.stream, sequence: 0)
        world.take(.promiseTime(acknowledged: place))
        #expect(world.mustLoad)
        world.load()
        world.settle()
        world.commit()
        let promised = world.reports.contains {
            if case .promised(.some, acknowledged: place) = $0 { true } else { false }
        }
        #expect(promised)
    }

    // MARK: The hub

    @Test
    func `what is recorded is later than what the hub's clock showed, also after a new start`()
        throws
    {
        let world = try CommitWorld()
        let ahead = HybridTimestamp(
            world.now.wall.advanced(byMicroseconds: 3_600_000_000))
        world.take(.observe(ahead))
        #expect(world.hasNothingToWrite, "nobody waits for it")
        try world.submit(1, waiter: 1)
        let first = try #require(world.commit())
        #expect(first.segments[0].segment.header.base > ahead && first.clock == ahead)
        world.load()
        try world.submit(1, waiter: 2)
        let second = try #require(world.commit())
        #expect(second.segments[0].segment.header.base > first.segments[0].segment.header.base)
        #expect(second.clock == nil, "it is written down already")
    }

    @Test func `events of a hub that is not followed are not kept`() throws {
        let world = try CommitWorld()
        let (first, record) = try hub(1)
        let (second, later) = try hub(2)
        world.take(.follow(record))
        world.take(.keepEvents([try first.event(1, previous: 0, .approved(world.stream))]))
        world.take(.follow(later))
        world.take(.keepEvents([try first.event(2, previous: 1, .approved(world.stream))]))
        let kept = try second.event(7, previous: 0, .approved(world.stream))
        world.take(.keepEvents([kept]))
        let commit = try #require(world.commit())
        #expect(commit.hub == later && commit.hubEvents == [kept])
        // To follow it again says how far it was seen.
        world.take(.follow(later))
        let seen = HubRecord(tag: second.tag, genesis: second.genesis, last: kept)
        #expect(world.reports.last == .seen(seen) && seen.seen.position == 7)
    }

    @Test func `acknowledgements wait a little for company, and clients do not`() throws {
        let world = try CommitWorld()
        world.take(.keep(try acknowledged(world.stream, 0)))
        #expect(!world.isDue(world.now.steady) && world.isWaiting)
        let later = world.now.steady.advanced(byMicroseconds: world.limits.receiptDelayMax)
        #expect(world.isDue(later))
        try world.submit(1, waiter: 1)
        #expect(world.isDue(world.now.steady))
    }

    // MARK: Whatever happens

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `everything that was answered is there once, where it was said to be`(seed: UInt64) throws
    {
        var random = SplitMix64(seed: seed)
        let world = try CommitWorld()
        var waiter = 0
        var number: UInt8 = 1
        for _ in 0..<60 {
            world.now = world.now.advanced(byMicroseconds: Int64(random.below(2_000_000)))
            switch random.below(6) {
            case 0, 1, 2:
                waiter += 1
                try world.submit(1 + random.below(3), waiter: waiter)
            case 3: world.take(.end(world.stream, end))
            default: break
            }
            let fates: [CommitWorld.Fate] = [
                .written, .written, .written, .failed, .failedButThere,
            ]
            if random.oneIn(2) || world.ending != nil {
                world.commit(fates[random.below(5)])
            }
            if world.mustLoad { world.load() }
            if random.oneIn(2) {
                number += 1
                try world.drawIfDue(number, fates[random.below(5)])
            }
            world.settle()
        }
        if world.isSpent { world.load() }
        world.commit()
        let places = world.places
        #expect(Set(places).count == places.count, "seed \(seed): an event twice")
        for stream in world.streams {
            let own = places.filter { $0.stream == stream.tag }.map(\.sequence)
            #expect(own == own.indices.map { UInt64($0) + 1 }, "seed \(seed)")
        }
        var told: [EventPlace] = []
        for (_, outcomes) in world.answers {
            for case .accepted(let place, _) in outcomes ?? [] { told.append(place) }
        }
        #expect(Set(told).count == told.count && Set(told).isSubset(of: places), "seed \(seed)")
        #expect(world.answers.count == waiter, "seed \(seed): somebody still waits")
    }
}
