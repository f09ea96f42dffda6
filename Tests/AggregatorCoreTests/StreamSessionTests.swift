import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// The session of a stream with one writer: the handshake, what merges, waits and is asked for.
@Suite struct StreamSessionTests {
    // MARK: The handshake

    @Test func `a greeting is answered with what is committed, and nothing is concluded from it`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        let before = bench.session.record
        let welcome = try bench.welcome(lastSession: 1)
        #expect(welcome.leaves == [] && welcome.session == 2, "merged, and not committed")
        _ = bench.persist()
        #expect(try bench.welcome(lastSession: 1).leaves == [bench.end(3)])
        #expect(bench.session.record == before && bench.session.provedSession == 1)
        #expect(try bench.welcome(lastSession: 9).session == 10)
        #expect(bench.greet(lastSession: .max) == [.drop(.notInSession)])
    }

    @Test func `nothing is merged before the proof`() throws {
        var bench = try SessionBench()
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        _ = try bench.welcome()
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        #expect(bench.session.provedSession == nil && bench.persist() == [])
    }

    @Test
    func `a proof by another key, over another challenge or for another session opens nothing`()
        throws
    {
        var bench = try SessionBench()
        let old = try bench.welcome(nonce: 1)
        let welcome = try bench.welcome(nonce: 2)
        #expect(bench.prove(welcome, signer: ToySigner(2)) == [.drop(.badSignature)])
        #expect(bench.prove(old) == [.drop(.badSignature)])
        #expect(bench.prove(welcome, session: 2) == [.drop(.notInSession)])
        let unsigned = bench.session.proved(
            Proof(stream: bench.session.stream, head: bench.end(8)), session: 1, signature: nil,
            hub: bench.hub,
            now: bench.now.wall)
        #expect(unsigned == [.drop(.badSignature)])
        #expect(bench.prove(welcome) == [.persistRecord])
        #expect(bench.prove(welcome) == [.drop(.notInSession)], "a second copy")
    }

    @Test func `a greeting that comes twice is challenged once`() throws {
        var bench = try SessionBench()
        let first = try bench.welcome()
        let second = try bench.welcome()
        #expect(first == second)
        #expect(bench.prove(first) == [.persistRecord])
        #expect(try bench.welcome().challenge != first.challenge, "it is proved")
    }

    @Test func `a greeting of yesterday does not disturb the open session`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = try bench.welcome(lastSession: 0, nonce: 9)
        #expect(bench.receive(1...1) == [bench.merge(1...1)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(1))])
    }

    @Test func `a new session ends the one before`() throws {
        var bench = try SessionBench()
        try bench.open()
        try bench.open(lastSession: 1)
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        #expect(bench.receive([bench.chain[0]], session: 2) == [bench.merge(1...1)])
    }

    // MARK: Segments

    @Test func `what continues the chain merges, and is acknowledged once it is committed, once`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        #expect(bench.receive(1...2) == [bench.merge(1...2)])
        #expect(bench.receive(3...3) == [bench.merge(3...3)])
        #expect(bench.session.merged == bench.end(3) && bench.session.committed == bench.start)
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(3))])
        #expect(bench.persist() == [] && bench.session.committed == bench.end(3))
    }

    @Test
    func `a message that is broken, of another stream or signed by another key is dropped whole`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        #expect(bench.receive([bench.chain[0]], signer: ToySigner(2)) == [.drop(.badSignature)])
        #expect(bench.receive([bench.chain[0]], session: 2) == [.drop(.notInSession)])
        #expect(bench.receive([bench.chain[0], bench.chain[2]]) == [.drop(.brokenSegment)])
        #expect(bench.receive([try SessionBench.foreignSegment()]) == [.drop(.foreignStream)])
        var bytes = bench.chain[0].segment.bytes
        bytes[bytes.count - 1] ^= 1
        let message = SegmentsMessage(
            stream: bench.session.stream, sentAt: bench.now.wall, attempt: 1, segments: [bytes])
        let broken = bench.session.received(message, session: 1, signature: nil, now: bench.now)
        #expect(broken == [.drop(.brokenSegment)])
        #expect(bench.receive(1...1) == [bench.merge(1...1)])
    }

    @Test func `what came early waits, and merges behind what it waited for`() throws {
        var bench = try SessionBench()
        try bench.open()
        #expect(bench.receive(3...3) == [] && bench.receive(5...5) == [])
        #expect(bench.receive(3...3) == [.drop(.duplicate)])
        #expect(bench.receive(1...2) == [bench.merge(1...3)])
        #expect(bench.receive(4...4) == [bench.merge(4...5)])
        #expect(bench.tick(after: 10_000_000) == [])
    }

    @Test func `no more waits than may`() throws {
        var limits = AggregatorLimits()
        limits.earlySegmentsMax = 2
        var bench = try SessionBench(limits: limits)
        try bench.open()
        #expect(bench.receive(2...3) == [] && bench.receive(5...5) == [.drop(.tooEarly)])
        #expect(bench.receive(1...1) == [bench.merge(1...3)])
        #expect(bench.receive(5...6) == [] && bench.receive(4...4) == [bench.merge(4...6)])
        limits.earlySegmentsMax = 256
        limits.earlyBytesMax = bench.chain[1].segment.bytes.count
        bench = try SessionBench(limits: limits)
        try bench.open()
        #expect(bench.receive(2...2) == [] && bench.receive(3...3) == [.drop(.tooEarly)])
    }

    @Test
    func
        `a gap is asked for when it outlives the reordering, and once more later`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...1)
        _ = bench.receive(3...3)
        #expect(bench.tick(after: bench.limits.reorderWindow - 1) == [])
        #expect(bench.tick(after: 1) == [bench.needs(after: 1, missing: 2)])
        #expect(bench.tick(after: bench.limits.needsRepeat - 1) == [])
        #expect(bench.tick(after: 1) == [bench.needs(after: 1, missing: 2)])
        _ = bench.receive(2...2)
        #expect(bench.tick(after: 60_000_000) == [])
    }

    @Test func `every gap has the time that reordering takes`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(2...2)
        _ = bench.tick(after: bench.limits.reorderWindow - 1)
        _ = bench.receive(4...4)
        _ = bench.receive(1...1)
        #expect(bench.tick(after: 1) == [], "that one is filled, the next just found")
        #expect(
            bench.tick(after: bench.limits.reorderWindow) == [bench.needs(after: 2, missing: 3)])
    }

    @Test func `what waited and came again with its predecessors is waited for no longer`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(2...3)
        #expect(bench.receive(1...4) == [bench.merge(1...4)])
        #expect(bench.tick(after: 60_000_000) == [])
    }

    // MARK: Duplicates

    @Test func `a duplicate within one commit merges once and is covered by its acknowledgement`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        #expect(bench.receive(2...3) == [.drop(.duplicate)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(3))])
    }

    @Test
    func `a duplicate of what is committed is acknowledged again, at once where it is the end`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        #expect(
            bench.receive(1...3) == [.drop(.duplicate), .sendAck(session: 1, bench.end(3))])
        #expect(bench.receive(1...4) == [.drop(.duplicate), bench.merge(4...4)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(4))])
    }

    @Test func `what lies inside the tree is looked up, when nothing is pending`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        #expect(bench.receive(1...2) == [])
        let run = Array(bench.chain[..<2])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(3)), bench.lookUp(run)])
        #expect(
            bench.answer(stored: 3, to: LookUp(run)) == [
                .drop(.duplicate), .sendAck(session: 1, bench.end(3)),
            ])
        #expect(bench.session.record.standing == .open)
    }

    @Test func `what could not be looked up is dropped, and looked up when it comes again`() throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        let run = [bench.chain[0]]
        #expect(bench.receive(1...1) == [bench.lookUp(run)])
        #expect(bench.receive(2...2) == [], "one at a time")
        #expect(
            bench.session.found(nil, now: bench.now)
                == [.drop(.notLookedUp), bench.lookUp([bench.chain[1]])])
        _ = bench.answer(stored: 3, to: LookUp([bench.chain[1]]))
        #expect(bench.receive(1...1) == [bench.lookUp(run)])
    }
}
