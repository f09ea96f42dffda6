import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What a replica of one stream's tree holds: a set of segments with all that lie before them, as the
/// aggregator's machine has taken them. To join another one is to be sent what that has.
private struct Replica {
    private(set) var world: TreeWorld

    /// - Parameter copies: all folders that went on from one.
    init(of copies: [CopiedWriter]) {
        world = TreeWorld(copies)
    }

    var segments: Set<SealedSegment> { Set(world.stored) }

    var digests: [Hash256] {
        let genesis = world.copies[0].start.hash
        let leaves = world.leaves.map { (genesis: genesis, end: $0) }
        return [
            Digests.facts(leaves, PlainSHA256()),
            Digests.state(world.ledger.balances, world.ledger.counts, PlainSHA256()),
        ]
    }

    /// Takes some of each copy's segments.
    mutating func takeSome(_ random: inout SplitMix64) {
        for copy in world.copies.indices where !random.oneIn(3) {
            let all = world.copies[copy].segments
            world.take(Array(all.prefix(random.below(all.count + 1))), of: copy, &random)
        }
    }

    func joined(
        _ other: Replica, onlyMissing: Bool = false, _ random: inout SplitMix64
    ) -> Replica {
        var joined = self
        for copy in world.copies.indices.shuffled(using: &random) {
            let has = joined.segments
            let sent = world.copies[copy].segments.prefix { other.segments.contains($0) }
            joined.world.take(
                onlyMissing ? sent.filter { !has.contains($0) } : Array(sent), of: copy, &random)
        }
        return joined
    }
}

/// **Invariant 1** of the ledger: the set of segments, with union as its join, is a semilattice.
@Suite struct JoinPropertyTests {
    private func copies(_ random: inout SplitMix64) throws -> [CopiedWriter] {
        var copies = [try CopiedWriter(&random)]
        let copiesMax = 1 + random.below(4)
        for _ in 0..<3 + random.below(14) {
            let index = random.below(copies.count)
            if copies.count < copiesMax, random.oneIn(4) { copies.append(copies[index]) }
            try copies[index].write(&random)
        }
        return copies
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `join commutes, associates, is idempotent, loses nothing, and deltas do as full states do`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let copies = try copies(&random)
        var replicas = (0..<3).map { _ in Replica(of: copies) }
        for index in replicas.indices { replicas[index].takeSome(&random) }
        let (x, y, z) = (replicas[0], replicas[1], replicas[2])

        let both = x.joined(y, &random)
        #expect(both.segments == x.segments.union(y.segments), "seed \(seed)")
        // x ⊑ x ⊔ y
        #expect(both.segments.isSuperset(of: x.segments), "seed \(seed)")
        expectSame(both, y.joined(x, &random), seed)
        expectSame(both.joined(z, &random), x.joined(y.joined(z, &random), &random), seed)
        expectSame(x, x.joined(x, &random), seed)
        expectSame(both, both.joined(y, &random), seed)
        expectSame(both, x.joined(y, onlyMissing: true, &random), seed)
        #expect(both.world.faults == [], "seed \(seed)")
    }

    private func expectSame(
        _ left: Replica, _ right: Replica, _ seed: UInt64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(left.segments == right.segments, "seed \(seed)", sourceLocation: sourceLocation)
        #expect(left.digests == right.digests, "seed \(seed)", sourceLocation: sourceLocation)
        // A set: nothing is there twice.
        #expect(
            right.world.stored.count == right.segments.count, "seed \(seed)",
            sourceLocation: sourceLocation)
    }
}
