import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Any copies of a folder, whatever each wrote and however it comes.
@Suite struct SegmentTreeTests {
    /// Folders copied at any time, each of which went on.
    private func copies(_ random: inout SplitMix64) throws -> [CopiedWriter] {
        var copies = [try CopiedWriter(&random)]
        let steps = 4 + random.below(24)
        let copiesMax = 1 + random.below(5)
        for _ in 0..<steps {
            let index = random.below(copies.count)
            if copies.count < copiesMax, random.oneIn(5) { copies.append(copies[index]) }
            try copies[index].write(&random)
        }
        return copies
    }

    private func tree(of copies: [CopiedWriter]) -> Set<SealedSegment> {
        Set(copies.flatMap(\.segments))
    }

    private func leaves(of tree: Set<SealedSegment>) -> Set<ChainPoint> {
        let parents = Set(tree.map(\.segment.header.previous))
        return Set(tree.filter { !parents.contains($0.hash) }.map(\.end))
    }

    /// The fold of a tree, each segment with the names of its own parents.
    private func digest(of tree: Set<SealedSegment>) -> Hash256 {
        let ordered = tree.sorted { $0.hash.description < $1.hash.description }
        var ledger = GlobalLedger()
        for sealed in ordered {
            let (state, names) = TreeWorld.names(before: sealed, in: ordered)
            ledger.restore(names, of: sealed.segment.header.stream, leadingTo: state)
            _ = ledger.merge(sealed.segment, behind: state)
        }
        return Digests.state(ledger.balances, ledger.counts, PlainSHA256())
    }

    @Test(arguments: 0..<1500 as Range<UInt64>)
    func `every copy's segments are merged once, whatever the order, and every fork is found`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let copies = try copies(&random)
        var world = TreeWorld(copies)
        for _ in 0..<random.below(60) {
            world.deliver(&random)
            if random.oneIn(3) { world.commit() }
            if random.oneIn(15) { world.crash() }
        }
        // In the end each has drained, in whatever order.
        for copy in copies.indices.shuffled(using: &random) { world.drain(copy, &random) }
        let tree = tree(of: copies)
        #expect(Set(world.stored) == tree && world.stored.count == tree.count, "seed \(seed)")
        #expect(world.leaves == leaves(of: tree), "seed \(seed)")
        #expect(world.faults == [], "seed \(seed)")
        let found = Digests.state(world.ledger.balances, world.ledger.counts, PlainSHA256())
        #expect(found == digest(of: tree), "seed \(seed)")
        if leaves(of: tree).count > 1 { #expect(world.standing.isClosed, "seed \(seed)") }
        if copies.count == 1 { #expect(world.standing == .open, "seed \(seed)") }
        for copy in copies where !copy.segments.isEmpty {
            #expect(world.acknowledged.contains(copy.head), "seed \(seed)")
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `two aggregators that got the same tree in other ways agree in both digests`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let copies = try copies(&random)
        let genesis = copies[0].start.hash
        let digests = (0..<2).map { _ in
            var world = TreeWorld(copies)
            for _ in 0..<random.below(40) {
                world.deliver(&random)
                if random.oneIn(4) { world.commit() }
            }
            for copy in copies.indices.shuffled(using: &random) { world.drain(copy, &random) }
            let leaves = world.leaves.map { (genesis: genesis, end: $0) }
            return [
                Digests.facts(leaves, PlainSHA256()),
                Digests.state(world.ledger.balances, world.ledger.counts, PlainSHA256()),
            ]
        }
        #expect(digests[0] == digests[1], "seed \(seed)")
    }
}
