import LedgerCore
import Simulator
import TestSupport
import Testing

/// The parts of the world that are not the cores.
@Suite struct VirtualPartsTests {
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the timeline gives what was added, by time and then by order`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var timeline = Timeline<Int>()
        var expected: [(at: Int64, item: Int)] = []
        var now: Int64 = 0
        for item in 0..<500 {
            let at = now + Int64(random.below(50))
            timeline.add(item, at: at)
            expected.append((at, item))
            guard random.oneIn(2), let taken = timeline.take() else { continue }
            let first = expected.min { ($0.at, $0.item) < ($1.at, $1.item) }
            #expect(taken.item == first?.item && taken.at == first?.at, "seed \(seed)")
            expected.removeAll { $0.item == taken.item }
            now = taken.at
        }
        #expect(timeline.count == expected.count)
    }

    private struct Numbers: DiskContents {
        var all: [Int] = []
        mutating func apply(_ change: [Int]) { all += change }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a disk keeps what was synced, and of the rest all of a transaction or nothing`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        var disk = VirtualDisk(Numbers())
        var synced: [Int] = []
        for round in 0..<40 {
            let change = (0...random.below(5)).map { 10 * round + $0 }
            disk.begin(change, pageCount: change.count + 2)
            switch random.below(3) {
            case 0:
                disk.sync()
                synced += change
            case 1: disk.rollBack()
            default: if disk.crash(&random) == .whole { synced += change }
            }
            #expect(disk.contents.all == synced, "seed \(seed)")
        }
    }

    @Test func `a crash leaves a write lost, torn, out of order or whole`() {
        var random = SplitMix64(seed: 1)
        var remains: Set<VirtualDisk<Numbers>.Remains> = []
        for _ in 0..<200 {
            var disk = VirtualDisk(Numbers())
            disk.begin([1], pageCount: 3)
            remains.insert(disk.crash(&random))
        }
        #expect(remains == [.lost, .torn, .reordered, .whole])
        var idle = VirtualDisk(Numbers())
        #expect(idle.crash(&random) == .nothing)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the toy hash is of head and tail together, and of every byte`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let bytes = random.bytes(random.below(90))
        let hash = ToyHasher().sha256([], bytes)
        for cut in 0...bytes.count {
            #expect(ToyHasher().sha256(Array(bytes[..<cut]), Array(bytes[cut...])) == hash)
        }
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1 << UInt8(random.below(8))
            #expect(ToyHasher().sha256([], other) != hash)
        }
        #expect(ToyHasher().sha256([], bytes + [0]) != hash)
    }

    @Test func `a steady clock only goes on, whatever the wall clock is set to`() {
        var clock = VirtualClock()
        clock.restart(at: 1_000, steady: 77)
        var last = clock.reading(at: 1_000)
        #expect(last.steady.microseconds == 77)
        for step in 1...100 as ClosedRange<Int64> {
            let now = 1_000 + step * 1_000_000
            if step % 7 == 0 { clock.jump(by: step % 2 == 0 ? 900_000_000 : -900_000_000, at: now) }
            if step % 11 == 0 { clock.set(to: 0, at: now) }
            if step % 13 == 0 { clock.drift(partsPerMillion: 300 - 5 * step, at: now) }
            let reading = clock.reading(at: now)
            let passed = reading.steady.microseconds(since: last.steady)
            #expect(abs(passed - 1_000_000) <= 500)
            last = reading
        }
    }
}
