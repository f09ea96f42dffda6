import AggregatorCore
import LedgerCore
import TestSupport
import Testing

@Suite struct FleetHistoryTests {
    @Test(arguments: 0..<50 as Range<UInt64>)
    func `a reader hears of every change behind its place, or that some are forgotten`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let agent = try AgentID("till-1")
        let start = Timestamp(microseconds: 1_000)
        var history = FleetHistory(startedAt: start, countMax: 8)
        var numbers: [Int64] = []
        for _ in 0..<100 {
            // The clock may stand still, or go back.
            let at = Timestamp(microseconds: 1_000 + Int64(random.below(50)))
            history.append(FleetChange(agent: agent, kind: .online, at: at))
            #expect(history.last > numbers.last ?? start.microseconds, "seed \(seed)")
            numbers.append(history.last)
            let place = numbers[random.below(numbers.count)]
            let entries = history.entries(after: place).map(\.number)
            let expected = numbers.filter { $0 > place }
            if place >= history.forgottenThrough {
                #expect(entries == expected, "seed \(seed)")
            } else {
                #expect(entries.count < expected.count, "seed \(seed)")
                #expect(entries == Array(expected.suffix(entries.count)), "seed \(seed)")
            }
        }
        #expect(history.entries(after: 0).count >= 8)
    }

    @Test func `a place in the log is read as it was written, and nothing else is`() throws {
        let place = EventPlace(position: 88_412, sequence: 1051, change: 7)
        #expect(place.id == "88412-1051-7")
        #expect(try EventPlace(place.id) == place)
        for wrong in ["", "1", "1-2", "0-1-1", "-1-2-3", "1-2-3-4", "a-1-1", "1-1--1"] {
            #expect(throws: InvalidValue.self) { try EventPlace(wrong) }
        }
    }
}
