import AgentCore
import LedgerCore
import TestSupport
import Testing

/// Both clocks of a device, and what time it really is.
private struct Device {
    var time: Int64 = 1_000_000_000
    var offset: Int64 = 0
    var startedAt: Int64 = 0

    var now: ClockReading {
        ClockReading(
            wall: Timestamp(microseconds: time + offset),
            steady: SteadyTime(microseconds: time - startedAt))
    }
}

private let second: Int64 = 1_000_000
private let stream = StreamTag(genesisHash: .zero)
private let former = StreamTag(genesisHash: PlainSHA256().sha256([], [1]))

@Suite struct RetentionTests {
    @Test func `what is acknowledged and older than the retention may go, and nothing else`() {
        var device = Device()
        var retention = Retention(
            .init(segments: 10 * second, keys: 30 * second), saved: nil, now: device.now)
        #expect(retention.look(heads: [stream: 5], now: device.now) != nil)
        device.time += 9 * second
        #expect(retention.look(heads: [stream: 8], now: device.now) != nil)
        #expect(retention.prunable(stream, held: 8, now: device.now) == 0)
        device.time += second
        #expect(retention.prunable(stream, held: 8, now: device.now) == 5)
        #expect(retention.prunable(stream, held: 3, now: device.now) == 3)
        #expect(retention.prunable(stream, held: 0, now: device.now) == 0)
        #expect(retention.keysPrunable(stream, held: 8, now: device.now) == 0)
        device.time += 20 * second
        #expect(retention.keysPrunable(stream, held: 8, now: device.now) == 5)
    }

    @Test func `each stream has an age of its own, also over a restart`() {
        var device = Device()
        let spans = Retention.Spans(segments: 10 * second, keys: 30 * second)
        var retention = Retention(spans, saved: nil, now: device.now)
        _ = retention.look(heads: [former: 5], now: device.now)
        device.time += 4 * second
        let saved = retention.look(heads: [former: 5, stream: 3], now: device.now)
        #expect(saved?.marks[former] != nil && saved?.marks[stream] != nil)
        retention = Retention(spans, saved: saved, now: device.now)
        device.time += 6 * second
        #expect(retention.prunable(former, held: 9, now: device.now) == 5)
        #expect(retention.prunable(stream, held: 9, now: device.now) == 0)
        retention.pruned(former, through: 5)
        #expect(retention.prunable(former, held: 9, now: device.now) == 0)
        device.time += 4 * second
        #expect(retention.prunable(stream, held: 2, now: device.now) == 2)
        device.time += 16 * second
        #expect(retention.keysPrunable(former, held: 9, now: device.now) == 5)
    }

    @Test func `a clock that leaps ahead makes nothing old`() {
        var device = Device()
        var retention = Retention(.init(segments: 10 * second), saved: nil, now: device.now)
        _ = retention.look(heads: [stream: 5], now: device.now)
        device.offset = 56 * 365 * 86_400 * second
        device.time += second
        #expect(retention.prunable(stream, held: 5, now: device.now) == 0)
        // It is written down, so that a restart does not take the leap for time that passed.
        let saved = retention.look(heads: [stream: 5], now: device.now)
        device.startedAt = device.time
        device.time += 8 * second
        let next = Retention(.init(segments: 10 * second), saved: saved, now: device.now)
        #expect(next.prunable(stream, held: 5, now: device.now) == 0)
        device.time += second
        #expect(next.prunable(stream, held: 5, now: device.now) == 5)
    }

    @Test func `time that passed while nothing ran counts, a clock that was set back does not`() {
        var device = Device()
        var retention = Retention(.init(segments: 10 * second), saved: nil, now: device.now)
        let saved = retention.look(heads: [stream: 5], now: device.now)
        device.time += 10 * second
        let later = Retention(.init(segments: 10 * second), saved: saved, now: device.now)
        #expect(later.prunable(stream, held: 5, now: device.now) == 5)
        device.offset = -3_600 * second
        let back = Retention(.init(segments: 10 * second), saved: saved, now: device.now)
        #expect(back.prunable(stream, held: 5, now: device.now) == 0)
    }

    @Test func `keys are kept at least as long as the segments`() {
        #expect(Retention.Spans(segments: 100, keys: 10).keys == 100)
        #expect(Retention.Spans() == Retention.Spans(segments: .init(7) * 86_400 * second))
    }

    @Test func `marks are few, whatever the retention was before`() {
        var marks = RetentionMarks(retention: 365 * 86_400 * second)
        for step in 1...10_000 as ClosedRange<UInt64> {
            _ = marks.note(head: step, elapsed: Int64(step) * 365 * 86_400 * second / 64)
            #expect(marks.marks.count <= RetentionMarks.countMax)
        }
        let often = RetentionMarks(retention: second)
        var longer = RetentionMarks(retention: 86_400 * second, marks: often.marks)
        let isFirstNew = longer.note(head: 1, elapsed: 0)
        let isSecondNew = longer.note(head: 2, elapsed: second)
        #expect(isFirstNew && !isSecondNew)
    }

    /// Against a list of all events with the real time of each.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `whatever the clocks do, nothing young or unheld may go, and all that is old may soon`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        let span = Int64(1 + random.below(1000)) * second
        var device = Device()
        var saved: Retention.Saved?
        var retention = Retention(.init(segments: span), saved: nil, now: device.now)
        var writtenAt: [Int64] = []
        // Each start may count a little wrong.
        var tolerance: Int64 = 0
        for _ in 0..<300 {
            device.time += Int64(random.below(Int(span / 8)))
            switch random.below(8) {
            case 0:
                device.offset = Int64(random.below(1 << 40)) - 1 << 39
            case 1:
                // A restart; the clock was looked at after it was last set.
                saved =
                    retention.look(heads: [stream: UInt64(writtenAt.count)], now: device.now)
                    ?? saved
                tolerance += RetentionClock.driftMax
                device.startedAt = device.time
                device.time += Int64(random.below(Int(span / 8)))
                retention = Retention(.init(segments: span), saved: saved, now: device.now)
            default: for _ in 0..<random.below(4) { writtenAt.append(device.time) }
            }
            let head = UInt64(writtenAt.count)
            if let written = retention.look(heads: [stream: head], now: device.now) {
                retention.wasSaved(written)
                saved = written
            }
            let held = UInt64(random.below(writtenAt.count + 1))
            let through = retention.prunable(stream, held: held, now: device.now)
            #expect(through <= held, "seed \(seed)")
            if through > 0 {
                #expect(
                    device.time - writtenAt[Int(through) - 1] >= span - tolerance, "seed \(seed)")
                if random.oneIn(4) { retention.pruned(stream, through: through) }
            }
        }
        device.time += 2 * span
        _ = retention.look(heads: [stream: UInt64(writtenAt.count)], now: device.now)
        device.time += 2 * span
        #expect(
            retention.prunable(stream, held: .max, now: device.now) == UInt64(writtenAt.count)
                || writtenAt.isEmpty, "seed \(seed)")
    }
}
