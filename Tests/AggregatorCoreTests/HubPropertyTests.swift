import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Folders, copies of them, and a hub that fails, is put back and is told what to do, in any order.
private struct HubWorld {
    var bench: HubBench
    var writers: [CopiedWriter]
    /// What each folder was acknowledged, and where.
    private var acknowledged: [Int: (point: ChainPoint, at: LogPlace)] = [:]
    private var speaking: [StreamTag: Int] = [:]
    private var older: MemoryStore
    private var decisions: UInt64 = 0

    init(seed: UInt64) throws {
        bench = try HubBench(seed: seed, needsApproval: seed % 4 == 0)
        writers = [
            try CopiedWriter(&bench.random), try CopiedWriter(agent: "till-2", &bench.random),
        ]
        older = bench.store
    }

    mutating func step() throws {
        let index = bench.random.below(writers.count)
        switch bench.random.below(20) {
        case 0...3:
            // Some clocks are wrong.
            if bench.random.oneIn(8) {
                let error = Int64(bench.random.below(20_000_000_000)) - 10_000_000_000
                writers[index].wall = bench.now.wall.advanced(byMicroseconds: error)
            }
            try writers[index].write(&bench.random)
        case 4: try writers[index].writePoisoned(&bench.random)
        case 5: if writers.count < 6 { writers.append(writers[index]) }
        case 6...8: greet(index)
        case 9...12: send(index)
        case 13...15: bench.commit()
        case 16: bench.failToCommit()
        case 17:
            if bench.random.oneIn(3) { older = bench.store }
            let isOlder = bench.random.oneIn(3)
            bench.restart(isOlder ? older : nil, isRestored: isOlder && bench.random.oneIn(2))
        case 18: try decide(writers[index].tag)
        default: bench.tick(after: Int64(bench.random.below(300_000)))
        }
        hear()
    }

    private mutating func greet(_ index: Int) {
        let known = acknowledged[index]
        let welcome = bench.greetIfHeard(
            writers[index], acknowledged: known?.point, at: known?.at)
        guard let welcome else { return }
        writers[index].lastSession = max(writers[index].lastSession, welcome.session)
        speaking[writers[index].tag] = index
    }

    private mutating func send(_ index: Int) {
        guard speaking[writers[index].tag] == index, !writers[index].segments.isEmpty else {
            return greet(index)
        }
        let count = writers[index].segments.count
        let first = 1 + bench.random.below(count)
        bench.send(first...min(count, first + bench.random.below(3)), writers[index])
    }

    private mutating func decide(_ tag: StreamTag) throws {
        decisions += 1
        let conflict = bench.hub.state.conflicts.all.randomElement(using: &bench.random)?.id
        let choice: [OperatorDecision] = [
            .approve(tag), .approve(tag), .closeStream(tag), .declareLost(tag),
            conflict.map { .resolve($0) } ?? .approve(tag),
            conflict.map { .release($0) } ?? .approve(tag),
        ]
        try bench.decide(choice[bench.random.below(choice.count)], decisions)
    }

    /// The folders keep what they are acknowledged.
    private mutating func hear() {
        for (_, message, _) in bench.sent {
            guard case .ack(let ack) = message, let index = speaking[ack.stream],
                writers[index].has(ack.through), ack.hub == bench.hub.tag
            else { continue }
            if ack.through.sequence >= acknowledged[index]?.point.sequence ?? 0 {
                let position = UInt64(bench.store.log.count)
                acknowledged[index] = (ack.through, LogPlace(hub: ack.hub, position: position))
            }
        }
        bench.forgetSent()
    }

    /// Nothing fails any more, and every folder sends all that it has.
    mutating func settle() throws {
        for index in writers.indices {
            for _ in 0..<4 {
                bench.commit()
                bench.tick(after: bench.parts.limits.drawIntervalMin)
                bench.commit()
                if bench.hub.state.standing(of: writers[index].tag) == .unapproved {
                    try decideToApprove(writers[index].tag)
                }
                greet(index)
                guard !writers[index].segments.isEmpty else { continue }
                bench.send(1...writers[index].segments.count, writers[index])
                bench.commit()
            }
        }
    }

    private mutating func decideToApprove(_ tag: StreamTag) throws {
        decisions += 1
        try bench.decide(.approve(tag), decisions)
        bench.commit()
    }
}

@Suite struct HubPropertyTests {
    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `whatever happens, nothing is dropped, and a replay of the log gives the same digests`(
        seed: UInt64
    ) throws {
        var world = try HubWorld(seed: seed)
        for _ in 0..<30 + world.bench.random.below(40) { try world.step() }
        try world.settle()
        let hub = Set(world.bench.store.hubs.map { StreamTag(genesisHash: $0.hash(PlainSHA256())) })
        let merged = world.bench.store.log.filter { !hub.contains($0.segment.header.stream) }
        let all = Set(world.writers.flatMap(\.segments))
        #expect(Set(merged) == all && merged.count == all.count, "seed \(seed)")
        #expect(Set(world.bench.digests).count == 1, "seed \(seed)")
        let leaves = Set(world.bench.hub.leaves.map(\.end))
        world.bench.restart()
        #expect(Set(world.bench.hub.leaves.map(\.end)) == leaves, "seed \(seed)")
        #expect(Set(world.bench.digests).count == 1, "seed \(seed)")
        // A fork closes its stream.
        let parents = Dictionary(grouping: all, by: \.segment.header.previous)
        for (_, children) in parents where children.count > 1 {
            let tag = children[0].segment.header.stream
            #expect(world.bench.hub.state.standing(of: tag).isClosed, "seed \(seed)")
        }
    }
}
