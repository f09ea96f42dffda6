import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// **Invariants 2 and 11** of the ledger: the fold is a function of the log, hub events included, and
/// from a checkpoint of it the rest of the log leads to the same.
@Suite struct FoldPropertyTests {
    /// A log of two agents' streams, some of whose events have no effect, one of them released, and of
    /// what the hub wrote; and what the agents' folders hold.
    private func history(_ random: inout SplitMix64) throws -> (bench: HubBench, [CopiedWriter]) {
        var limits = AggregatorLimits()
        limits.segmentsPerCheckpoint = 1 + random.below(6)
        var bench = try HubBench(seed: random.next(), limits: limits)
        var writers = [
            try CopiedWriter(&bench.random), try CopiedWriter(agent: "till-2", &bench.random),
        ]
        for index in writers.indices { try bench.open(&writers[index]) }
        for _ in 0..<4 + random.below(16) {
            let index = random.below(writers.count)
            if random.oneIn(6) {
                writers[index].wall = bench.now.wall.advanced(
                    byMicroseconds: Int64(random.below(20_000_000_000)) - 10_000_000_000)
            }
            if random.oneIn(5) {
                try writers[index].writePoisoned(&bench.random)
            } else {
                try writers[index].write(&bench.random)
            }
            let count = writers[index].segments.count
            bench.send(count...count, writers[index])
            if !random.oneIn(3) { bench.commit() }
            if random.oneIn(8) { try reopen(&bench, &writers) }
        }
        bench.commit()
        return (bench, writers)
    }

    /// A crash loses what was not committed, and everything is sent again.
    private func reopen(_ bench: inout HubBench, _ writers: inout [CopiedWriter]) throws {
        bench.restart()
        for index in writers.indices {
            try bench.open(&writers[index])
            guard !writers[index].segments.isEmpty else { continue }
            bench.send(1...writers[index].segments.count, writers[index])
            bench.commit()
        }
    }

    /// Events that a former hub had put into quarantine, and of which it had released some.
    private func returnQuarantine(
        _ bench: inout HubBench, _ writer: CopiedWriter, _ random: inout SplitMix64
    ) throws {
        let former = try bench.formerHub()
        var facts: [HubFact] = []
        for sealed in writer.segments where random.oneIn(3) {
            let sequences = sealed.segment.header.sequences
            let span = EventSpan(
                stream: writer.tag, segment: sealed.hash,
                sequences: sequences.lowerBound...sequences.lowerBound)
            facts.append(.quarantined(span, .unknownKind(9)))
            if random.oneIn(2) { facts.append(.released(span)) }
        }
        for start in stride(from: 0, to: facts.count, by: 8) {
            bench.say(
                former.returns(Array(facts[start..<min(start + 8, facts.count)]), to: writer),
                writer)
        }
        if random.oneIn(2) { bench.commit() }
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `a log folds to one state, live, rebuilt, and from any checkpoint with its tail`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var (bench, writers) = try history(&random)
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        let facts = Digests.facts(bench.hub.leaves, PlainSHA256())
        // Whoever starts again on the log has what was before, and can go on.
        bench.restart()
        #expect(Digests.facts(bench.hub.leaves, PlainSHA256()) == facts, "seed \(seed)")
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        try writers[0].write(&bench.random)
        try reopen(&bench, &writers)
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        #expect(Set(bench.store.log).count == bench.store.log.count, "seed \(seed)")
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `the same events in any order, batched and doubled in any way, fold to the same`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let (first, writers) = try history(&random)
        var second = try HubBench(seed: random.next())
        var folders = writers
        for index in folders.indices.shuffled(using: &random) {
            folders[index].lastSession = 0
            try second.open(&folders[index])
        }
        for _ in 0..<random.below(12) {
            let folder = folders[random.below(folders.count)]
            guard !folder.segments.isEmpty else { continue }
            let start = 1 + random.below(folder.segments.count)
            second.send(start...min(folder.segments.count, start + random.below(3)), folder)
            if random.oneIn(3) { second.commit() }
            if random.oneIn(6) { try reopen(&second, &folders) }
        }
        try reopen(&second, &folders)
        // The order of the log is another one, and with it the hub's stream: not so the sums.
        let sums = [first, second].map {
            Digests.state($0.hub.ledger.balances, $0.hub.ledger.counts, PlainSHA256())
        }
        #expect(sums[0] == sums[1], "seed \(seed)")
        let facts = [first, second].map { Digests.facts($0.hub.leaves, PlainSHA256()) }
        #expect(facts[0] == facts[1], "seed \(seed)")
        #expect(Set(second.digests).count == 1, "seed \(seed)")
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `what is in quarantine or was released, before or behind its merge, folds to one state`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var bench = try HubBench(seed: random.next())
        var writer = try CopiedWriter(&bench.random)
        for _ in 0..<2 + random.below(6) { try writer.write(&bench.random) }
        try bench.open(&writer)
        try returnQuarantine(&bench, writer, &random)
        bench.send(1...writer.segments.count, writer)
        bench.commit()
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        var decisions: UInt64 = 0
        for conflict in bench.hub.state.conflicts.all where random.oneIn(2) {
            decisions += 1
            try bench.decide(.release(conflict.id), decisions)
        }
        bench.commit()
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        bench.restart()
        #expect(Set(bench.digests).count == 1, "seed \(seed)")
        let open = bench.hub.state.conflicts.quarantinedCount
        #expect(bench.hub.ledger.counts.setAside == open, "seed \(seed)")
    }
}
