import LedgerCore
import TestSupport
import Testing

@Suite struct HybridClockTests {
    @Test(arguments: 0..<100 as Range<UInt64>)
    func
        `whatever the wall clock does, each time is later than the one before and never behind the wall clock`(
            seed: UInt64
        )
    {
        var random = SplitMix64(seed: seed)
        var clock = HybridClock()
        var wall = Int64(1_700_000_000_000_000)
        for _ in 0..<2000 {
            let before = clock.latest
            switch random.below(4) {
            case 0: wall += Int64(random.below(10_000_000))
            case 1: wall -= Int64(random.below(10_000_000))
            default: break
            }
            let time = clock.tick(now: Timestamp(microseconds: wall))
            #expect(time > before, "seed \(seed)")
            #expect(time.time >= Timestamp(microseconds: wall), "seed \(seed)")
            #expect(time == clock.latest, "seed \(seed)")
        }
    }

    @Test func `a wall clock that goes ahead is followed at once`() {
        var clock = HybridClock()
        _ = clock.tick(now: Timestamp(microseconds: 1000))
        #expect(
            clock.tick(now: Timestamp(microseconds: 2000))
                == HybridTimestamp(Timestamp(microseconds: 2000)))
    }

    @Test func `ten thousand events of one microsecond keep their order and drift by two`() {
        var clock = HybridClock()
        let now = Timestamp(microseconds: 1_700_000_000_000_000)
        var previous = HybridTimestamp(rawValue: 0)
        for _ in 0..<10_000 {
            let time = clock.tick(now: now)
            #expect(time > previous)
            previous = time
        }
        #expect(previous.time.microseconds(since: now) == 2)
        #expect(
            clock.tick(now: now.advanced(byMicroseconds: 3)).time == now.advanced(byMicroseconds: 3)
        )
    }

    @Test func `a restart goes on behind the last time`() {
        var clock = HybridClock(latest: HybridTimestamp(Timestamp(microseconds: 5000)))
        #expect(clock.tick(now: Timestamp(microseconds: 10)).rawValue == 5000 << 12 + 1)
    }

    @Test
    func `a clock of a broken device is taken as the nearest time that fits, and still counts`() {
        #expect(HybridTimestamp(Timestamp(microseconds: .min)).rawValue == 0)
        var clock = HybridClock()
        var previous = clock.tick(now: Timestamp(microseconds: .max))
        #expect(previous.time.microseconds == HybridTimestamp.microsecondsMax)
        for _ in 0..<10_000 {
            let time = clock.tick(now: Timestamp(microseconds: .max))
            #expect(time > previous)
            previous = time
        }
    }

    @Test(
        arguments: [
            (0, 0, 0), (5, 3, 2), (3, 5, -2), (Int64.max, Int64.min, Int64.max),
            (Int64.min, Int64.max, Int64.min),
            (Int64.max, -1, Int64.max), (Int64.min, 1, Int64.min), (0, Int64.min, Int64.max),
        ] as [(Int64, Int64, Int64)])
    func `the distance of two moments is the nearest that fits`(
        _ later: Int64, _ earlier: Int64, _ distance: Int64
    ) {
        #expect(
            Timestamp(microseconds: later).microseconds(since: Timestamp(microseconds: earlier))
                == distance)
    }

    @Test(
        arguments: [
            (1, 2, 3), (Int64.max, 1, Int64.max), (Int64.min, -1, Int64.min),
            (Int64.max, Int64.min, -1),
        ] as [(Int64, Int64, Int64)])
    func `a moment advanced beyond what can be said is the last that can`(
        _ start: Int64, _ by: Int64, _ end: Int64
    ) {
        #expect(Timestamp(microseconds: start).advanced(byMicroseconds: by).microseconds == end)
    }
}
