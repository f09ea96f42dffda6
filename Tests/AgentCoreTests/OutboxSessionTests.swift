import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// A session from the greeting on: where it resumes, and who is believed.
@Suite struct OutboxSessionTests {
    // MARK: The handshake

    @Test func `nothing is sent before the welcome`() {
        var bench = Bench(head: 5)
        #expect(bench.append(6) == [] && bench.session.phase == .offline)
        #expect(bench.connectedNonce().count == Hello.nonceByteCount)
        #expect(bench.append(7) == [] && bench.session.transportHasRoom() == [])
        #expect(bench.ack(Chain.point(5)) == [] && bench.needs(Chain.point(5)) == [])
        #expect(bench.prepared(resume: 5) == [] && bench.sent(6...6) == [])
        #expect(bench.session.phase == .greeting)
    }

    @Test func `a welcome for another greeting is ignored`() {
        var bench = Bench(head: 5)
        let old = bench.connectedNonce()
        let new = bench.connectedNonce()
        #expect(old != new && bench.welcome(old) == [])
        #expect(bench.welcome(new) == [.prepare(session: 1, leaves: [], announced: Chain.point(0))])
        #expect(bench.welcome(new) == [], "a second copy")
    }

    @Test func `a session's number that does not rise is ignored`() {
        var bench = Bench(head: 5, lastSession: 7)
        let nonce = bench.connectedNonce()
        #expect(bench.welcome(nonce, session: 7) == [] && bench.welcome(nonce, session: 0) == [])
        #expect(bench.welcome(nonce, session: 8).count == 1)
    }

    @Test func `a session's number is durable before it is proved, and greeted with from then on`()
    {
        var bench = Bench(head: 5, lastSession: 2)
        _ = bench.welcome(bench.connectedNonce(), session: 3, leaves: [Chain.point(5)])
        #expect(
            bench.prepared(session: 3, resume: 5) == [
                .sendProof(
                    challenge: Bench.challenge, session: 3,
                    Proof(stream: Chain.tag, head: Chain.point(5)))
            ])
        guard case .sendHello(_, let last)? = bench.connect().first else {
            return #expect(Bool(false))
        }
        #expect(last == 3)
    }

    @Test func `what was prepared for another session opens none, but its number is taken`() {
        var bench = Bench(head: 5)
        _ = bench.welcome(bench.connectedNonce(), session: 3)
        #expect(bench.prepared(session: 2, resume: 5) == [])
        let again = bench.connect()
        #expect(bench.prepared(session: 3, resume: 5) == [], "it greeted anew meanwhile")
        #expect(bench.welcome(Bench.nonce(again), session: 3) == [])
    }

    @Test func `a preparation that never ends leads to a new greeting`() {
        var bench = Bench(head: 5)
        _ = bench.welcome(bench.connectedNonce())
        #expect(bench.timeToGreeting() != nil)
    }

    @Test func `it resumes from the highest leaf that is known, else from the oldest retained`() {
        var bench = Bench(head: 9)
        #expect(bench.open(resume: 4).last == segments(after: 4, through: 9))
        var other = Bench(head: 9)
        _ = other.welcome(other.connectedNonce(), leaves: [Chain.foreign(5)])
        #expect(
            other.prepared(resume: nil, oldestRetained: 3).last == segments(after: 2, through: 9))
    }

    // MARK: What is pruned

    @Test(arguments: [[], [1], [1, 3]] as [[UInt64]])
    func
        `an aggregator that lacks what is pruned is told so with proof, and is sent nothing`(
            known: [UInt64]
        )
    {
        var bench = Bench(head: 9, released: 8)
        let first = (known.max() ?? 0) + 1
        let finding = OutboxSession.Finding.prunedWhatIsLacking(first...4)
        _ = bench.welcome(bench.connectedNonce(), leaves: known.map { Chain.point($0) })
        let actions = bench.prepared(resume: nil, oldestRetained: 5)
        #expect(actions.count == 2 && actions.last == .hold(finding))
        guard case .sendProof(_, _, let proof)? = actions.first else {
            Issue.record("no proof: \(actions)")
            return
        }
        #expect(proof == Proof(stream: Chain.tag, head: Chain.point(9)))
        #expect(bench.session.phase == .held(finding) && bench.session.held == nil)
        // Nothing that the other side says makes it send, and it is not greeted again and again.
        #expect(bench.needs(Chain.point(first - 1)) == [])
        #expect(bench.ack(Chain.point(9)) == [])
        #expect(bench.append(10) == [])
        let pause = bench.timeToGreeting() ?? 0
        #expect(pause >= AgentLimits().heldGreetingDelay / 2)
        // A later backup comes up, which has what the first one lacked.
        bench.session.aggregatorCameUp(now: bench.now, &bench.random)
        let again = bench.tick(after: AgentLimits().resumeDelayMax)
        _ = bench.welcome(Bench.nonce(again), session: 2, leaves: [Chain.point(6)])
        #expect(
            bench.prepared(session: 2, resume: 6, oldestRetained: 5).last
                == segments(after: 6, through: 10, session: 2))
        #expect(bench.session.held == 6)
    }

    @Test func `an aggregator that has exactly what is pruned goes on from there`() {
        var bench = Bench(head: 9, released: 8)
        _ = bench.welcome(bench.connectedNonce(), leaves: [Chain.point(4)])
        #expect(
            bench.prepared(resume: 4, oldestRetained: 5).last == segments(after: 4, through: 9))
    }

    // MARK: Hubs that were left

    @Test func `a hub that was left hears it where nobody else answers, and gets nothing`() {
        var bench = Bench(head: 5)
        let stray = bench.welcome(named: bench.connectedNonce(), session: 4)
        bench.session.welcomedByStray(stray)
        #expect(bench.session.phase == .greeting)
        let asked = bench.tick(after: AgentLimits().greetingDelayMax)
        #expect(asked == [.prepare(session: 4, leaves: [], announced: Chain.point(0))])
        let actions = bench.prepared(session: 4, resume: nil)
        let proof = Proof(stream: Chain.tag, head: Chain.point(5), hasLeft: true)
        #expect(
            actions.first == .sendProof(challenge: Bench.challenge, session: 4, proof))
        #expect(actions.count == 2 && !Bench.nonce(Array(actions.dropFirst())).isEmpty)
    }

    @Test func `a hub that was left hears nothing where the later one answers`() {
        var bench = Bench(head: 5)
        let nonce = bench.connectedNonce()
        let stray = bench.welcome(named: nonce, session: 4)
        bench.session.welcomedByStray(stray)
        #expect(bench.welcome(nonce).count == 1)
        guard case .sendProof(_, 1, let proof)? = bench.prepared(resume: 5).first else {
            return #expect(Bool(false))
        }
        #expect(!proof.hasLeft)
    }
}
