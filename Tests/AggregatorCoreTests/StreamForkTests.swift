import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// Two that write one stream: each branch is taken.
@Suite struct StreamForkTests {
    @Test func `a segment behind one that has another child is a fork, and both branches go on`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive([foreign]) == [bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), bench.mergeBranch([foreign], behind: 1, repeated: 1),
            ])
        #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
        #expect(Set(bench.session.leaves) == [bench.end(2), foreign.end])
        // The other copy of the folder goes on, in a session of its own.
        let welcome = try bench.welcome(lastSession: 1)
        #expect(welcome.standing == .forked && welcome.session == 2)
        #expect(Set(welcome.leaves) == [bench.end(2), foreign.end])
        #expect(bench.prove(welcome) == [.persistRecord])
        #expect(bench.persist() == [], "it has not been seen which branch is this copy's")
        let next = bench.receive([bench.chain[2]], session: 2)
        #expect(next == [bench.merge(3...3)])
        #expect(bench.persist() == [.sendAck(session: 2, bench.end(3))])
        #expect(Set(bench.session.leaves) == [bench.end(3), foreign.end])
    }

    @Test func `the ends of the branches have one order, in whichever they grew`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        _ = bench.receive([foreign])
        _ = bench.answer(stored: 2, to: LookUp([foreign]))
        _ = bench.persist()
        let level = [bench.end(2), foreign.end].sorted {
            $0.hash.bytes.lexicographicallyPrecedes($1.hash.bytes)
        }
        #expect(bench.session.leaves == level)
        _ = bench.receive(3...3)
        _ = bench.persist()
        #expect(bench.session.leaves == [foreign.end, bench.end(3)], "the furthest last")
        // As a start reads them, in any order.
        for ends in [bench.session.ends, bench.session.ends.reversed()] {
            let started = StreamSession(
                genesis: bench.genesis, ends: ends, record: bench.session.record,
                limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
            #expect(started.leaves == bench.session.leaves)
        }
    }

    @Test func `of a message that forks inside, the part that is stored is not merged again`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...4)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 2)
        let run = Array(bench.chain[..<2]) + [foreign]
        #expect(bench.receive(run) == [bench.lookUp(run)])
        #expect(
            bench.answer(stored: 4, to: LookUp(run)) == [
                .close(.forked), .drop(.duplicate),
                bench.mergeBranch([foreign], behind: 2, repeated: 1),
            ])
    }

    @Test func `a different segment within one commit is a fork when the commit is done`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...2)
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive([foreign]) == [])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(2)), bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), bench.mergeBranch([foreign], behind: 1, repeated: 1),
            ])
    }

    @Test func `two that wait for one parent are a fork, and both merge when it comes`() throws {
        var bench = try SessionBench()
        try bench.open()
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive(2...2) == [])
        #expect(bench.receive([foreign]) == [.close(.forked)])
        #expect(bench.receive(1...1) == [bench.merge(1...2)])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(2)), bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                bench.mergeBranch([foreign], behind: 1, repeated: 1)
            ])
        #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
    }

    @Test func `a segment whose parent is another chain's is a fork, and waits for its parent`()
        throws
    {
        var bench = try SessionBench()
        try bench.open(head: bench.end(0))
        let foreign = try bench.branch(behind: 0)
        #expect(bench.receive([foreign]) == [bench.merged([foreign], behind: 0)])
        #expect(bench.receive(2...2) == [.close(.forked)])
        _ = bench.persist()
        #expect(bench.receive(1...1) == [bench.lookUp([bench.chain[0]])])
        #expect(
            bench.answer(stored: 0, others: [foreign], to: LookUp([bench.chain[0]])) == [
                bench.mergeBranch(Array(bench.chain[..<2]), behind: 0, repeated: 1)
            ])
    }

    @Test func `a segment that begins inside one of ours is a fork, and waits for its parent`()
        throws
    {
        var bench = try SessionBench()
        try bench.open(head: bench.end(0))
        let long = try bench.branch(behind: 0, eventCount: 3)
        _ = bench.receive([long])
        _ = bench.persist()
        let run = [bench.chain[1]]
        #expect(bench.receive(2...2) == [bench.lookUp(run)])
        #expect(bench.answer(stored: 0, others: [long], to: LookUp(run)) == [.close(.forked)])
        #expect(bench.receive(1...1) == [bench.lookUp([bench.chain[0]])])
        #expect(
            bench.answer(stored: 0, others: [long], to: LookUp([bench.chain[0]])) == [
                bench.mergeBranch(Array(bench.chain[..<2]), behind: 0, repeated: 2)
            ])
    }

    @Test func `a chain that misses the head that was announced is a fork, and merges`() throws {
        for eventCount in 1...2 {
            var bench = try SessionBench()
            try bench.open(head: bench.end(1))
            let foreign = try bench.branch(behind: 0, eventCount: eventCount)
            #expect(
                bench.receive([foreign]) == [
                    .close(.forked), bench.merged([foreign], behind: 0),
                ])
            #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
        }
    }

    @Test func `a proof of another head at the announced place is a fork`() throws {
        var bench = try SessionBench()
        try bench.open()
        let other = ChainPoint(sequence: 8, hash: .zero)
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: other)
        #expect(closed == [.close(.forked), .persistRecord])
    }

    @Test func `branches that number their names differently go on from their own`() throws {
        var bench = try SessionBench()
        try bench.open(head: bench.end(0))
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 2)
        #expect(bench.receive(3...3) == [bench.merge(3...3)])
        _ = bench.persist()
        _ = bench.receive([foreign])
        _ = bench.answer(stored: 3, to: LookUp([foreign]))
        #expect(bench.receive(4...4) == [bench.merge(4...4)])
        #expect(foreign.segment.header.dictionary != bench.names(3))
    }

    @Test func `a stream has no more branches than may be kept`() throws {
        var limits = AggregatorLimits()
        limits.branchesPerStreamMax = 1
        var bench = try SessionBench(limits: limits)
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        _ = bench.receive([foreign])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), .drop(.tooManyBranches),
            ])
    }

    @Test func `a closed stream names its furthest ends, and those of the greeting first`() throws {
        var ends: [BranchEnd] = []
        var bench = try SessionBench()
        for number in 1...40 as ClosedRange<UInt64> {
            let hash = PlainSHA256().sha256([], [UInt8(number)])
            ends.append(
                BranchEnd(point: ChainPoint(sequence: number, hash: hash), dictionary: .empty))
        }
        ends.append(BranchEnd(point: bench.end(8), dictionary: bench.names(8)))
        bench.session = StreamSession(
            genesis: bench.genesis, ends: ends,
            record: StreamSession.Record(announced: ends[39].point, standing: .forked),
            limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
        let leaves = try bench.welcome().leaves
        #expect(leaves.count == Welcome.leavesMax && leaves[0] == bench.end(8))
        #expect(leaves.dropFirst().map(\.sequence) == (26...40).reversed())
    }
}
