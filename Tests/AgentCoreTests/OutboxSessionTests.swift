import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

private func segments(
    after: UInt64, through: UInt64, session: UInt64 = 1,
    byteCountMax: Int = SegmentsMessage.segmentBytesMax
) -> OutboxSession.Action {
    .sendSegments(session: session, after: after, through: through, byteCountMax: byteCountMax)
}

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

    // MARK: Ending

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

    // MARK: Credit

    @Test func `messages under way stay within the credit, and go on as they are acknowledged`() {
        var bench = Bench(head: 9)
        bench.open(resume: 0, credit: Credit(bytes: 1 << 20, messages: 2))
        #expect(bench.sent(1...2) == [segments(after: 2, through: 9)])
        #expect(bench.sent(3...4) == [])
        #expect(bench.session.transportHasRoom() == [])
        let answer = bench.ack(Chain.point(2))
        #expect(answer.last == segments(after: 4, through: 9) && answer.count == 2)
    }

    @Test func `bytes under way stay within the credit, and one segment may always go`() {
        var bench = Bench(head: 9)
        let opened = bench.open(resume: 0, credit: Credit(bytes: 100_000, messages: 16))
        #expect(opened.last == segments(after: 0, through: 9, byteCountMax: 100_000))
        #expect(
            bench.sent(1...1, byteCount: 30_000) == [
                segments(after: 1, through: 9, byteCountMax: 70_000)
            ])
        #expect(bench.sent(2...2, byteCount: 30_000) == [], "not sure of room for a whole segment")
        #expect(
            bench.ack(Chain.point(1)).last == segments(after: 2, through: 9, byteCountMax: 70_000))
        var poor = Bench(head: 9)
        let one = SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax)
        let first = poor.open(resume: 0, credit: Credit(bytes: 1, messages: 16))
        #expect(first.last == segments(after: 0, through: 9, byteCountMax: one))
        #expect(poor.sent(1...1) == [])
        #expect(poor.ack(Chain.point(1)).last == segments(after: 1, through: 9, byteCountMax: one))
    }

    @Test func `small messages are gathered, and those that wait go when one is acknowledged`() {
        var bench = Bench()
        bench.open(resume: 0)
        let most = UInt64(AgentLimits().smallMessagesInFlightMax)
        for head in 1...most {
            #expect(bench.append(head) == [segments(after: head - 1, through: head)])
            _ = bench.sent(head...head)
        }
        for head in most + 1...most + 9 { #expect(bench.append(head) == []) }
        #expect(bench.ack(Chain.point(1)).last == segments(after: most, through: most + 9))
        #expect(bench.sent(most + 1...most + 9) == [])
    }

    @Test func `a full message may use the whole credit`() {
        var bench = Bench(head: 99)
        bench.open(resume: 0, unsentBytes: 10 << 20)
        for sequence in 1...8 as ClosedRange<UInt64> {
            #expect(bench.sent(sequence...sequence).last == segments(after: sequence, through: 99))
        }
    }

    @Test func `what the transport did not take is asked for again`() {
        var bench = Bench(head: 3)
        #expect(bench.open(resume: 0).last == segments(after: 0, through: 3))
        #expect(bench.sent(ends: []) == [])
        #expect(bench.session.transportHasRoom() == [segments(after: 0, through: 3)])
        #expect(bench.tick(after: 100_000) == [segments(after: 0, through: 3)])
    }

    @Test func `a message beyond the head stops the process`() async {
        await #expect(processExitsWith: .failure) {
            var bench = Bench(head: 3)
            bench.open(resume: 0)
            _ = bench.sent(1...4)
        }
    }

    @Test func `a head that goes back stops the process, and so does a release beyond it`() async {
        await #expect(processExitsWith: .failure) {
            var bench = Bench(head: 3)
            _ = bench.append(3)
        }
        await #expect(processExitsWith: .failure) { _ = Bench(head: 1, released: 2) }
    }

    // MARK: Acknowledgements

    @Test func `an acknowledgement releases, and a late or repeated one changes nothing`() {
        var bench = Bench(head: 4)
        bench.open(resume: 0)
        _ = bench.sent(1...4)
        let bytes = 4 * Bench.segmentBytes
        #expect(bench.ack(Chain.point(3)) == [bench.progress(Chain.point(3), after: 0)])
        #expect(bench.ack(Chain.point(3)) == [] && bench.ack(Chain.point(2)) == [])
        #expect(
            bench.ack(Chain.point(4)) == [
                bench.progress(Chain.point(4), after: 3, byteCount: bytes)
            ])
    }

    @Test func `an acknowledgement of another session changes nothing`() {
        var bench = Bench(head: 4, lastSession: 4)
        bench.open(resume: 0, session: 5)
        _ = bench.sent(1...4)
        #expect(bench.ack(Chain.point(4), session: 4) == [])
        #expect(bench.ack(Chain.point(4), session: 6) == [])
        #expect(bench.ack(Chain.point(4), session: 5).count == 1)
    }

    @Test func `an acknowledgement with a foreign hash is refused, also at the place resumed from`()
    {
        var bench = Bench(head: 4)
        bench.open(resume: 2)
        _ = bench.sent(3...4)
        for sequence in 2...4 as ClosedRange<UInt64> {
            let foreign = Chain.foreign(sequence)
            #expect(bench.ack(foreign) == [.refuse(.acknowledgedForeign(foreign))])
        }
        #expect(
            bench.ack(Chain.point(2)) == [
                bench.progress(Chain.point(2), after: 2, released: 0, isSent: false)
            ])
    }

    @Test func `an acknowledgement beyond the head is refused, not believed`() {
        var bench = Bench(head: 4)
        bench.open(resume: 0)
        _ = bench.sent(1...4)
        #expect(bench.ack(Chain.point(5)) == [.refuse(.acknowledgedUnsent(through: 5))])
        #expect(bench.ack(Chain.point(4)).count == 1)
    }

    @Test
    func
        `an acknowledgement of what an earlier session sent leads to a greeting, not at once`()
    {
        var bench = Bench(head: 9)
        bench.open(resume: 0)
        _ = bench.sent(1...2)
        #expect(bench.ack(Chain.point(8)) == [] && bench.ack(Chain.point(8)) == [])
        let wait = bench.timeToGreeting() ?? 0
        #expect(wait >= AgentLimits().greetingDelayBase / 2)
    }

    @Test func `a stream of which all is pruned is confirmed by an acknowledgement of its head`() {
        var bench = Bench(head: 9, released: 9, isWriting: false)
        let nonce = bench.connectedNonce()
        _ = bench.welcome(nonce, leaves: [Chain.point(20)], standing: .rolledBack)
        _ = bench.prepared(resume: nil, oldestRetained: 10)
        #expect(bench.session.confirmed == nil)
        _ = bench.ack(Chain.point(9))
        #expect(bench.session.confirmed?.acknowledged == Chain.point(9))
    }

    @Test func `an aggregator that has all of our chain, and others behind it, is sent nothing`() {
        var bench = Bench(head: 9, released: 2)
        bench.open(resume: nil)
        _ = bench.sent(1...2)
        #expect(
            bench.ack(Chain.point(9)) == [
                bench.progress(
                    Chain.point(9), after: 0, released: 2, byteCount: 2 * Bench.segmentBytes)
            ])
        #expect(bench.session.confirmed?.acknowledged == Chain.point(9))
        #expect(bench.session.released == 9)
        #expect(bench.ack(Chain.point(8)) == [] && bench.session.phase == .streaming)
    }

    @Test
    func `what was released before an aggregator was restored is told apart from what was not`() {
        var bench = Bench(head: 6, released: 4)
        bench.open(resume: 1)
        _ = bench.sent(2...6)
        let bytes = 5 * Bench.segmentBytes
        #expect(
            bench.ack(Chain.point(3)) == [
                bench.progress(Chain.point(3), after: 1, released: 4, attempt: 2)
            ])
        #expect(
            bench.ack(Chain.point(6)) == [
                bench.progress(
                    Chain.point(6), after: 3, released: 4, attempt: 2, byteCount: bytes)
            ])
    }

    // MARK: Gaps

    @Test func `what is missed is looked up and sent again, with the next attempt's number`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...2)
        _ = bench.sent(3...6)
        #expect(bench.needs(Chain.point(3)) == [.locate([Chain.point(3)])])
        #expect(bench.needs(Chain.point(3)) == [] && bench.append(7) == [])
        #expect(bench.rewound(Chain.point(3)) == [segments(after: 3, through: 7)])
        #expect(bench.session.attemptOfNext == 2)
        let first = bench.progress(Chain.point(3), after: 0, byteCount: 6 * Bench.segmentBytes)
        #expect(bench.ack(Chain.point(3)).first == first)
        _ = bench.sent(4...7)
        let bytes = 4 * Bench.segmentBytes
        let second = bench.progress(Chain.point(7), after: 3, attempt: 2, byteCount: bytes)
        #expect(bench.ack(Chain.point(7)) == [second])
    }

    @Test func `of several gaps, the highest that is in our chain is gone back to`() {
        var bench = Bench(head: 6)
        bench.open(resume: 1)
        _ = bench.sent(2...6)
        let places = [Chain.point(0), Chain.foreign(2), Chain.point(3), Chain.foreign(5)]
        let needs = Needs(
            stream: Chain.tag, gaps: places.map { Needs.Gap(after: $0, missing: nil) })
        let asked = Array(places.dropFirst())
        #expect(bench.session.needed(needs, session: 1) == [.locate(asked)])
        let actions = bench.session.rewound(
            to: Chain.point(3), of: asked, unsentBytes: 0, now: bench.now, &bench.random)
        #expect(actions == [segments(after: 3, through: 6)])
    }

    @Test func `what cannot be read is passed over, and what is behind it goes on`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...2)
        let passed = bench.session.sent(ends: [Chain.point(4)], byteCount: 0, at: nil)
        #expect(passed == [segments(after: 4, through: 6)])
        _ = bench.sent(5...6)
        #expect(bench.ack(Chain.point(6)).count == 1 && bench.session.held == 6)
    }

    @Test func `a need at a foreign hash is refused`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...6)
        _ = bench.needs(Chain.foreign(3))
        let refused = bench.rewound(Chain.foreign(3), found: false)
        #expect(refused == [.refuse(.needsForeign(Chain.foreign(3)))])
        #expect(bench.ack(Chain.point(6)).count == 1)
    }

    @Test func `a need that is late, of another session, or of what was not sent is ignored`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...4)
        _ = bench.ack(Chain.point(2))
        #expect(bench.needs(Chain.point(1)) == [] && bench.needs(Chain.point(4)) == [])
        #expect(bench.needs(Chain.point(3), session: 2) == [])
    }

    @Test func `to be asked for one place again and again does not put off the new greeting`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...6)
        var hasGreeted = false
        for _ in 0..<200 where !hasGreeted {
            hasGreeted = !Bench.nonce(bench.tick(after: 300_000)).isEmpty
            _ = bench.needs(Chain.point(3))
            _ = bench.rewound(Chain.point(3))
            _ = bench.sent(4...6)
        }
        #expect(hasGreeted)
    }

    @Test func `definitions are sent for the current session, where any are asked for`() {
        var bench = Bench(head: 6)
        let needs = NeedsDefinitions(stream: Chain.tag, segment: .zero, first: 1, through: 3)
        #expect(bench.session.neededDefinitions(needs, session: 1) == [])
        bench.open(resume: 6)
        #expect(
            bench.session.neededDefinitions(needs, session: 1) == [
                .sendDefinitions(session: 1, needs)
            ])
        let none = NeedsDefinitions(stream: Chain.tag, segment: .zero, first: 3, through: 3)
        #expect(bench.session.neededDefinitions(none, session: 1) == [])
        #expect(bench.session.neededDefinitions(needs, session: 2) == [])
    }

    // MARK: Time

    @Test func `without a welcome it greets anew, ever more slowly, up to the bound`() throws {
        var bench = Bench(head: 1)
        _ = bench.connect()
        let limits = AgentLimits()
        var bound = limits.greetingDelayBase
        for _ in 0..<8 {
            let greeted = bench.timeToGreeting()
            let wait = try #require(greeted)
            #expect(wait >= bound / 2 && wait <= bound + 100_000)
            bound = min(limits.greetingDelayMax, bound * 2)
        }
    }

    @Test func `without an acknowledgement it greets anew, and with one it is patient again`()
        throws
    {
        var bench = Bench(head: 3)
        bench.open(resume: 0)
        _ = bench.sent(1...3)
        #expect(bench.timeToGreeting() != nil)
        var other = Bench(head: 3)
        other.open(resume: 0)
        _ = other.sent(1...3)
        _ = other.ack(Chain.point(3))
        #expect(other.timeToGreeting() == nil, "nothing is under way")
    }

    @Test func `a session that is not confirmed is given up, also with nothing to send`() {
        var bench = Bench(head: 3)
        bench.open(resume: 3)
        #expect(bench.timeToGreeting() != nil)
    }

    @Test func `an event after a long silence is given its time`() throws {
        var bench = Bench(head: 3)
        bench.open(resume: 3)
        _ = bench.ack(Chain.point(3))
        #expect(bench.timeToGreeting() == nil)
        _ = bench.append(4)
        _ = bench.sent(4...4)
        let wait = bench.timeToGreeting()
        #expect(try #require(wait) >= AgentLimits().greetingDelayBase / 2)
    }

    @Test func `an aggregator that comes up is greeted soon, unless we are offline`() {
        var bench = Bench(head: 3)
        let delayMax = AgentLimits().resumeDelayMax
        bench.session.aggregatorCameUp(now: bench.now, &bench.random)
        #expect(bench.tick(after: delayMax) == [])
        bench.open(resume: 0)
        bench.session.aggregatorCameUp(now: bench.now, &bench.random)
        #expect(!Bench.nonce(bench.tick(after: delayMax)).isEmpty)
        #expect(bench.ack(Chain.point(3)) == [])
    }

    @Test func `agents that hear together that the aggregator came up greet it one by one`() {
        let delays = (0..<200 as Range<UInt64>).map { seed -> Int64 in
            var bench = Bench(head: 3)
            bench.random = SplitMix64(seed: seed)
            bench.open(resume: 0)
            bench.session.aggregatorCameUp(now: bench.now, &bench.random)
            for step in 1...51 where !Bench.nonce(bench.tick(after: 10_000)).isEmpty {
                return Int64(step) * 10_000
            }
            return .max
        }
        #expect(delays.allSatisfy { $0 <= AgentLimits().resumeDelayMax + 10_000 })
        #expect(Set(delays).count > 40)
    }

    @Test func `a connection that is lost leaves nothing under way`() {
        var bench = Bench(head: 3)
        bench.open(resume: 0, credit: Credit(bytes: 1 << 20, messages: 1))
        _ = bench.sent(1...2)
        bench.session.disconnected()
        #expect(bench.session.phase == .offline && bench.append(4) == [])
        #expect(bench.ack(Chain.point(2)) == [] && bench.timeToGreeting() == nil)
        #expect(
            bench.open(resume: 0, session: 2).last == segments(after: 0, through: 4, session: 2))
    }
}
