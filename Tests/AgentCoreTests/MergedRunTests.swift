import AgentCore
import LedgerCore
import TestSupport
import Testing

@Suite struct MergedRunTests {
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `read page by page and from any place, every event is told once and in order`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        var runs: [MergedRun] = []
        var last: UInt64 = 0
        for _ in 0..<1 + random.below(20) {
            let through = last + 1 + UInt64(random.below(9))
            let at = Timestamp(microseconds: Int64(through))
            runs.append(
                MergedRun(first: last + 1, through: through, committedAt: at, acknowledgedAt: at))
            last = through
        }
        let start = UInt64(random.below(Int(last) + 1))
        var told: [UInt64] = []
        var place = start
        var hasMore = true
        while hasMore {
            let eventsMax = 1 + random.below(7)
            // The store gives the run that holds the next event, and some behind it.
            let stored = runs.filter { $0.through > place }
            let page = MergedRun.page(stored, after: place, eventsMax: eventsMax)
            let events = page.runs.flatMap { Array($0.first...$0.through) }
            #expect(events.count <= eventsMax, "seed \(seed)")
            for run in page.runs {
                let whole = runs.first { $0.first <= run.first && $0.through >= run.through }
                #expect(whole?.committedAt == run.committedAt, "seed \(seed)")
            }
            told += events
            place = events.last ?? place
            hasMore = page.hasMore
        }
        #expect(told == Array(start..<last).map { $0 + 1 }, "seed \(seed)")
    }

    @Test func `where the next event is no longer kept, the page begins with the first that is`() {
        let at = Timestamp(microseconds: 1)
        let runs = [MergedRun(first: 50, through: 60, committedAt: at, acknowledgedAt: at)]
        #expect(MergedRun.page(runs, after: 7, eventsMax: 5).runs.first?.first == 50)
        #expect(MergedRun.page([], after: 7, eventsMax: 5).runs.isEmpty)
    }
}
