import AgentCore
import LedgerCore
import TestSupport
import Testing

@Suite struct OutcomePageTests {
    private static let streams = [1, 2].map {
        StreamTag(genesisHash: PlainSHA256().sha256([], [$0]))
    }

    private func run(_ stream: Int, _ first: UInt64, _ through: UInt64) -> MergedRun {
        let at = Timestamp(microseconds: Int64(through))
        return MergedRun(
            stream: Self.streams[stream], first: first, through: through, committedAt: at,
            acknowledgedAt: at)
    }

    private func places(_ runs: [MergedRun]) -> [EventPlace] {
        runs.flatMap { run in
            (run.first...run.through).map { EventPlace(stream: run.stream, sequence: $0) }
        }
    }

    /// What was acknowledged of a former stream comes among what is of the present one.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `read page by page and from any place, every event is told once and in order`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        var runs: [MergedRun] = []
        var last: [UInt64] = [0, 0]
        for _ in 0..<1 + random.below(20) {
            let stream = random.below(2)
            let through = last[stream] + 1 + UInt64(random.below(9))
            runs.append(run(stream, last[stream] + 1, through))
            last[stream] = through
        }
        let all = places(runs)
        let start = random.below(all.count + 1)
        var place =
            start == 0 ? EventPlace(stream: Self.streams[0], sequence: 0) : all[start - 1]
        var told: [EventPlace] = []
        var hasMore = true
        while hasMore {
            let eventsMax = 1 + random.below(7)
            // The store gives the run that holds the place, and those that came behind it.
            let from = runs.firstIndex {
                $0.stream == place.stream && ($0.first...$0.through).contains(place.sequence)
            }
            let kept = OutcomePage(runs: Array(runs[(from ?? 0)...]), hasMore: false)
            let page = kept.cut(after: place, eventsMax: eventsMax)
            let events = places(page.runs)
            #expect(events.count <= eventsMax, "seed \(seed)")
            for run in page.runs {
                let whole = runs.first {
                    $0.stream == run.stream && $0.first <= run.first && $0.through >= run.through
                }
                #expect(whole?.committedAt == run.committedAt, "seed \(seed)")
            }
            told += events
            place = events.last ?? place
            hasMore = page.hasMore
        }
        #expect(told == Array(all[start...]), "seed \(seed)")
    }

    @Test func `where the next event is no longer kept, the page begins with the first that is`() {
        let kept = OutcomePage(runs: [run(0, 50, 60)], hasMore: false, missing: 8...49)
        let after = EventPlace(stream: Self.streams[0], sequence: 7)
        let page = kept.cut(after: after, eventsMax: 5)
        #expect(page.runs.first?.first == 50 && page.hasMore && page.missing == 8...49)
    }
}
