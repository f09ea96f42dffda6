import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Streams that end, are held, and are sent to their end.
@Suite struct OutboxEndingTests {
    @Test func `a head announced beyond ours is proved to the aggregator and ends the stream`() {
        var bench = Bench(head: 5)
        let finding = OutboxSession.Finding.rolledBack(announced: 6, head: 5)
        _ = bench.welcome(bench.connectedNonce(), announced: Chain.point(6))
        let actions = bench.prepared(resume: 3, hasAnnounced: false)
        #expect(actions.count == 2 && actions.last == .end(finding))
        guard case .sendProof(_, _, let proof)? = actions.first else {
            Issue.record("no proof: \(actions)")
            return
        }
        #expect(proof == Proof(stream: Chain.tag, head: Chain.point(5), passesAnnounced: false))
        #expect(bench.session.phase == .ended(finding) && finding.cause == .rolledBack)
    }

    @Test func `an announced head that is not in our chain ends the stream`() {
        var bench = Bench(head: 5)
        _ = bench.welcome(bench.connectedNonce(), announced: Chain.foreign(5))
        let finding = OutboxSession.Finding.diverged(announced: Chain.foreign(5))
        let actions = bench.prepared(resume: 3, hasAnnounced: false)
        #expect(actions.count == 2 && actions.last == .end(finding) && finding.cause == .forked)
    }

    @Test func `a session that was proved and is not known here ends the stream`() {
        var bench = Bench(head: 5, lastSession: 3)
        _ = bench.welcome(bench.connectedNonce(), session: 6, leaves: [Chain.point(5)])
        let actions = bench.prepared(session: 6, resume: 5)
        let finding = OutboxSession.Finding.surpassed(session: 5, last: 3)
        #expect(actions.count == 2 && actions.last == .end(finding))
        #expect(finding.cause == .rolledBack && bench.session.lastSession == 6)
    }

    @Test(arguments: Standing.allCases.filter(\.isClosed))
    func `a stream that the aggregator closed ends, and nothing is sent of it before it is retired`(
        standing: Standing
    ) {
        var bench = Bench(head: 5)
        let nonce = bench.connectedNonce()
        let finding = OutboxSession.Finding.standing(standing)
        #expect(bench.welcome(nonce, session: 0, standing: standing) == [.end(finding)])
        bench.session.disconnected()
        #expect(bench.connect() == [] && bench.append(6) == [])
        #expect(bench.welcome(nonce) == [] && bench.prepared(resume: 1) == [])
        #expect(bench.ack(Chain.point(1)) == [])
        bench.session.aggregatorCameUp(now: bench.now, &bench.random)
        #expect(bench.tick(after: AgentLimits().resumeDelayMax) == [])
        #expect(bench.tick(after: AgentLimits().drawDelay) == [.end(finding)], "said again")
        #expect(bench.session.phase == .ended(finding) && finding.cause != nil)
        bench.session.retire()
        #expect(bench.session.phase == .offline && bench.connectedNonce().count > 0)
    }

    @Test(arguments: Standing.allCases.filter(\.isClosed) + [.open])
    func `a former stream is sent to its end, whatever its standing and whoever went on with it`(
        standing: Standing
    ) {
        var bench = Bench(head: 5, isWriting: false)
        _ = bench.welcome(
            bench.connectedNonce(), session: 9, leaves: [Chain.foreign(7)],
            announced: Chain.foreign(7), standing: standing)
        let actions = bench.prepared(session: 9, resume: nil, hasAnnounced: false)
        guard case .sendProof(_, 9, let proof)? = actions.first else {
            Issue.record("no proof: \(actions)")
            return
        }
        #expect(!proof.passesAnnounced)
        #expect(actions.last == segments(after: 0, through: 5, session: 9))
        _ = bench.sent(1...5)
        #expect(bench.ack(Chain.point(5), session: 9).count == 1)
        #expect(bench.session.closed(.closed) == [] && bench.session.phase == .streaming)
    }

    @Test(arguments: [Standing.refused, .unapproved], [true, false])
    func `a stream that is not taken yet is held, and asked about again`(
        standing: Standing, isWriting: Bool
    ) {
        var bench = Bench(head: 5, isWriting: isWriting)
        let finding = OutboxSession.Finding.standing(standing)
        #expect(bench.welcome(bench.connectedNonce(), standing: standing) == [.hold(finding)])
        #expect(bench.session.phase == .held(finding) && finding.cause == nil)
        #expect(bench.append(6) == [])
        let pause = bench.timeToGreeting() ?? 0
        #expect(pause >= AgentLimits().heldGreetingDelay / 2)
        _ = bench.welcome(bench.connectedNonce(), standing: standing)
        #expect(!Bench.nonce(bench.session.mayGoOn(now: bench.now, &bench.random)).isEmpty)
        #expect(bench.session.mayGoOn(now: bench.now, &bench.random) == [])
    }

    @Test func `a stream that is closed while it is written ends at once, and once`() {
        var bench = Bench(head: 5)
        bench.open(resume: 5)
        #expect(bench.session.closed(.open) == [] && bench.session.closed(.unapproved) == [])
        #expect(bench.session.closed(.closed) == [.end(.standing(.closed))])
        #expect(bench.session.closed(.lost) == [])
    }
}
