import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// Sessions of copies, and of streams that are not taken.
@Suite struct StreamCopyTests {
    @Test func `a session's number below one already proved is a copy's, which goes on closed`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        try bench.open(lastSession: 1)
        let closed = bench.prove(try bench.welcome(lastSession: 1))
        #expect(closed == [.close(.rolledBack), .persistRecord])
        #expect(bench.session.provedSession == 3 && bench.session.record.provedSession == 3)
        #expect(bench.receive([bench.chain[0]], session: 3) == [bench.merge(1...1)])
        #expect(bench.persist() == [.sendAck(session: 3, bench.end(1))])
        #expect(try bench.welcome(lastSession: 2).session == 4, "numbers go on rising")
    }

    @Test func `an agent that proves its chain lacks the announced head is a copy's, and drains`()
        throws
    {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 3)
        let closed = bench.prove(
            try bench.welcome(lastSession: 1), head: foreign.end, passesAnnounced: false)
        #expect(closed == [.close(.rolledBack), .persistRecord])
        #expect(bench.persist() == [])
        #expect(bench.receive([foreign], session: 2) == [bench.merged([foreign], behind: 3)])
        #expect(bench.persist() == [.sendAck(session: 2, foreign.end)])
    }

    @Test func `a copy that has nothing of its own is told how far its own chain is here`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...5)
        _ = bench.persist()
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: bench.end(3))
        #expect(closed == [.close(.rolledBack), .persistRecord, .lookUp(LookUp(bench.end(3)))])
        #expect(bench.persist() == [], "asked, and not yet answered")
        #expect(
            bench.answer(stored: 5, to: LookUp(bench.end(3)))
                == [.sendAck(session: 2, bench.end(3))])
        // And one that has, is not.
        let other = bench.prove(
            try bench.welcome(lastSession: 2), head: ChainPoint(sequence: 4, hash: .zero))
        let lookUp = LookUp(ChainPoint(sequence: 4, hash: .zero))
        #expect(other == [.persistRecord, .lookUp(lookUp)])
        _ = bench.persist()
        #expect(bench.answer(stored: 5, to: lookUp) == [])
    }

    @Test func `a head below the one announced, or below what was merged, is a copy's`() throws {
        var bench = try SessionBench()
        try bench.open()
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: bench.end(7))
        #expect(closed == [.close(.rolledBack), .persistRecord])
        var merging = try SessionBench()
        try merging.open(head: merging.end(1))
        _ = merging.receive(1...5)
        let behind = merging.prove(try merging.welcome(lastSession: 1), head: merging.end(4))
        #expect(behind == [.close(.rolledBack), .persistRecord])
    }

    @Test func `of a stream that is refused, nothing is taken`() throws {
        var bench = try SessionBench()
        bench.session = StreamSession(
            genesis: bench.genesis,
            record: StreamSession.Record(announced: bench.start, standing: .refused),
            limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
        let welcome = try bench.welcome()
        #expect(welcome.standing == .refused)
        #expect(bench.prove(welcome) == [.persistRecord, .drop(.streamStopped)])
        #expect(bench.receive(1...1) == [.drop(.streamStopped)])
    }
}
