import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// A chain of one event a segment, whose hashes are made from the numbers.
enum Chain {
    static let tag = StreamTag(genesisHash: .zero)

    static func hash(_ sequence: UInt64) -> Hash256 { Hash256(words: (1, 2, 3, sequence)) }
    static func point(_ sequence: UInt64) -> ChainPoint {
        ChainPoint(sequence: sequence, hash: hash(sequence))
    }
    static func foreign(_ sequence: UInt64) -> ChainPoint {
        ChainPoint(sequence: sequence, hash: Hash256(words: (9, 9, 9, sequence)))
    }
    static func ack(_ point: ChainPoint) -> Ack {
        let time = Timestamp(microseconds: 0)
        return Ack(
            stream: tag, through: point, hub: tag, runs: [], receivedAt: time, committedAt: time)
    }
    static func needs(_ point: ChainPoint) -> Needs {
        Needs(stream: tag, gaps: [Needs.Gap(after: point, missing: nil)])
    }
}

/// The machine with what every event needs: a time and random numbers.
private struct Bench: ~Copyable {
    var session: OutboxSession
    var now = SteadyTime(microseconds: 0)
    var random = SplitMix64(seed: 1)
    static let segmentBytes = 200

    init(head: UInt64 = 0, released: UInt64 = 0, lastSession: UInt64 = 0) {
        session = OutboxSession(
            stream: Chain.tag, head: Chain.point(head), released: released,
            lastSession: lastSession,
            limits: AgentLimits())
    }

    mutating func connect() -> [OutboxSession.Action] { session.connected(now: now, &random) }

    mutating func connectedNonce() -> [UInt8] { Bench.nonce(connect()) }

    static func nonce(_ actions: [OutboxSession.Action]) -> [UInt8] {
        guard case .sendHello(let nonce, _)? = actions.first else { return [] }
        return nonce
    }

    mutating func welcome(
        _ nonce: [UInt8], session number: UInt64 = 1, leaves: [ChainPoint] = [],
        announced: ChainPoint = Chain.point(0), standing: Standing = .open,
        credit: Credit = Credit(bytes: 1 << 20, messages: 16)
    ) -> [OutboxSession.Action] {
        let hub = Genesis(
            writer: .hub, ledger: "l", agent: Bench.hub,
            nonce: [UInt8](repeating: 0, count: Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: [UInt8](repeating: 0, count: PublicKey.byteCount)))
        return session.welcomed(
            Welcome(
                nonce: nonce, challenge: Bench.challenge, session: number, standing: standing,
                leaves: leaves, announced: announced, credit: credit, hub: Bench.seen,
                hubGenesis: hub, sentAt: Timestamp(microseconds: 0)))
    }

    static let seen = Seen(hub: Chain.tag, position: 0)
    static let challenge = [UInt8](repeating: 7, count: Welcome.challengeByteCount)
    private static let hub: AgentID = {
        do throws(InvalidValue) { return try AgentID("hub") } catch { fatalError("\(error)") }
    }()

    mutating func prepared(
        session number: UInt64 = 1, resume: UInt64?, hasAnnounced: Bool = true,
        oldestRetained: UInt64 = 1, unsentBytes: Int = 0
    ) -> [OutboxSession.Action] {
        session.prepared(
            session: number, resume: resume.map { Chain.point($0) }, hasAnnounced: hasAnnounced,
            oldestRetained: oldestRetained, unsentBytes: unsentBytes, now: now, &random)
    }

    /// Greets, is welcomed and has prepared.
    @discardableResult
    mutating func open(
        resume: UInt64?, session number: UInt64 = 1, unsentBytes: Int = 0,
        credit: Credit = Credit(bytes: 1 << 20, messages: 16)
    ) -> [OutboxSession.Action] {
        let nonce = connectedNonce()
        _ = welcome(nonce, session: number, credit: credit)
        return prepared(session: number, resume: resume, unsentBytes: unsentBytes)
    }

    mutating func append(_ head: UInt64) -> [OutboxSession.Action] {
        session.appended(Chain.point(head), byteCount: Bench.segmentBytes)
    }

    mutating func sent(_ range: ClosedRange<UInt64>, byteCount: Int? = nil) -> [OutboxSession
        .Action]
    {
        session.sent(
            ends: range.map { Chain.point($0) },
            byteCount: byteCount ?? range.count * Bench.segmentBytes)
    }

    mutating func ack(_ point: ChainPoint, session number: UInt64 = 1) -> [OutboxSession.Action] {
        session.acknowledged(Chain.ack(point), session: number, now: now, &random)
    }

    mutating func needs(_ point: ChainPoint, session number: UInt64 = 1) -> [OutboxSession.Action] {
        session.needed(Chain.needs(point), session: number)
    }

    mutating func rewound(_ point: ChainPoint, found: Bool = true) -> [OutboxSession.Action] {
        session.rewound(to: point, found: found, unsentBytes: 0, now: now, &random)
    }

    mutating func tick(after microseconds: Int64) -> [OutboxSession.Action] {
        now = now.advanced(byMicroseconds: microseconds)
        return session.tick(now: now, &random)
    }

    /// When the machine greets anew, in microseconds from now; nil where it does not within two
    /// minutes.
    mutating func timeToGreeting() -> Int64? {
        for step in 1...1200 where !Bench.nonce(tick(after: 100_000)).isEmpty {
            return Int64(step) * 100_000
        }
        return nil
    }
}

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
        var bench = Bench(head: 5)
        _ = bench.welcome(bench.connectedNonce(), session: 3, leaves: [Chain.point(5)])
        #expect(
            bench.prepared(session: 3, resume: 5) == [
                .see(Bench.seen),
                .sendProof(
                    challenge: Bench.challenge, session: 3,
                    Proof(stream: Chain.tag, head: Chain.point(5))),
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
        #expect(actions.count == 3 && actions.last == .hold(finding))
        guard case .sendProof(_, _, let proof) = actions[1] else {
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

    // MARK: Stopping

    @Test func `a head announced beyond ours is proved to the aggregator and stops the stream`() {
        var bench = Bench(head: 5)
        let finding = OutboxSession.Finding.rolledBack(announced: 6, head: 5)
        _ = bench.welcome(bench.connectedNonce(), announced: Chain.point(6))
        let actions = bench.prepared(resume: 3, hasAnnounced: false)
        #expect(actions.count == 2 && actions.last == .stop(finding))
        guard case .sendProof(_, _, let proof)? = actions.first else {
            Issue.record("no proof: \(actions)")
            return
        }
        #expect(proof == Proof(stream: Chain.tag, head: Chain.point(5), passesAnnounced: false))
        #expect(bench.session.phase == .stopped(finding))
    }

    @Test func `an announced head that is not in our chain stops the stream`() {
        var bench = Bench(head: 5)
        _ = bench.welcome(bench.connectedNonce(), announced: Chain.foreign(5))
        let finding = OutboxSession.Finding.diverged(announced: Chain.foreign(5))
        let actions = bench.prepared(resume: 3, hasAnnounced: false)
        #expect(actions.count == 2 && actions.last == .stop(finding))
    }

    @Test(arguments: [Standing.forked, .rolledBack, .refused])
    func `a stream that the aggregator closed stops, and nothing is sent afterwards`(
        standing: Standing
    ) {
        var bench = Bench(head: 5)
        let nonce = bench.connectedNonce()
        #expect(bench.welcome(nonce, session: 0, standing: standing) == [.stop(.closed(standing))])
        bench.session.disconnected()
        #expect(bench.connect() == [] && bench.append(6) == [])
        #expect(bench.welcome(nonce) == [] && bench.prepared(resume: 1) == [])
        #expect(bench.ack(Chain.point(1)) == [] && bench.timeToGreeting() == nil)
        bench.session.aggregatorCameUp(now: bench.now, &bench.random)
        #expect(bench.tick(after: AgentLimits().resumeDelayMax) == [])
        #expect(bench.session.phase == .stopped(.closed(standing)))
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
        #expect(bench.ack(Chain.point(3)) == [.release(Chain.ack(Chain.point(3)), attempt: 1)])
        #expect(bench.ack(Chain.point(3)) == [] && bench.ack(Chain.point(2)) == [])
        #expect(bench.ack(Chain.point(4)) == [.release(Chain.ack(Chain.point(4)), attempt: 1)])
    }

    @Test func `an acknowledgement of another session changes nothing`() {
        var bench = Bench(head: 4)
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
        #expect(bench.ack(Chain.point(2)) == [.release(Chain.ack(Chain.point(2)), attempt: 1)])
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
        `an acknowledgement of what an earlier session sent leads to a greeting`()
    {
        var bench = Bench(head: 9)
        bench.open(resume: 0)
        _ = bench.sent(1...2)
        #expect(!Bench.nonce(bench.ack(Chain.point(8))).isEmpty)
    }

    @Test func `a released place that the aggregator was restored behind is not released again`() {
        var bench = Bench(head: 6, released: 4)
        bench.open(resume: 1)
        _ = bench.sent(2...6)
        #expect(bench.ack(Chain.point(3)) == [])
        #expect(bench.ack(Chain.point(6)) == [.release(Chain.ack(Chain.point(6)), attempt: 2)])
    }

    // MARK: Gaps

    @Test func `what is missed is looked up and sent again, with the next attempt's number`() {
        var bench = Bench(head: 6)
        bench.open(resume: 0)
        _ = bench.sent(1...2)
        _ = bench.sent(3...6)
        #expect(bench.needs(Chain.point(3)) == [.locate(Chain.point(3))])
        #expect(bench.needs(Chain.point(3)) == [] && bench.append(7) == [])
        #expect(bench.rewound(Chain.point(3)) == [segments(after: 3, through: 7)])
        #expect(bench.session.attemptOfNext == 2)
        #expect(bench.ack(Chain.point(3)).first == .release(Chain.ack(Chain.point(3)), attempt: 1))
        _ = bench.sent(4...7)
        #expect(bench.ack(Chain.point(7)) == [.release(Chain.ack(Chain.point(7)), attempt: 2)])
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

extension Bench {
    fileprivate mutating func sent(ends: [ChainPoint]) -> [OutboxSession.Action] {
        session.sent(ends: ends, byteCount: 0)
    }
}

// MARK: Whatever arrives

@Suite struct OutboxSessionPropertyTests {
    /// Throws everything at a machine, sense and nonsense, and watches what it does.
    private struct Fuzz: ~Copyable {
        private var bench: Bench
        private var random: SplitMix64
        private let seed: UInt64
        private var head: UInt64
        private var released: UInt64
        private var nonces = [[UInt8](repeating: 0, count: Hello.nonceByteCount)]
        private var session: UInt64 = 0
        private var asked: [(session: UInt64, leaves: [ChainPoint])] = []
        /// Of the session under way, as we count it.
        private var messages: [UInt64] = []
        private var offered = Credit(bytes: 0, messages: 0)
        private var accepted = Credit(bytes: 0, messages: 0)
        private var credit = Credit(bytes: 0, messages: 0)
        private var lastAck: ChainPoint?
        private var isStopped = false

        init(_ seed: UInt64) {
            self.seed = seed
            random = SplitMix64(seed: seed)
            head = UInt64(random.below(6))
            released = UInt64(random.below(Int(head) + 1))
            bench = Bench(head: head, released: released)
        }

        mutating func run() {
            for _ in 0..<120 { perform(event()) }
        }

        private mutating func place() -> ChainPoint {
            let sequence = UInt64(random.below(Int(head) + 2))
            return random.oneIn(6) ? Chain.foreign(sequence) : Chain.point(sequence)
        }

        private mutating func number() -> UInt64 {
            random.oneIn(8) ? session &+ random.next() % 3 &- 1 : session
        }

        private mutating func event() -> [OutboxSession.Action] {
            lastAck = nil
            switch random.below(20) {
            case 0: return bench.connect()
            case 1:
                bench.session.disconnected()
                return []
            case 2, 3, 4: return welcome()
            case 5, 6, 7: return prepared()
            case 8, 9, 10:
                head += 1
                return bench.append(head)
            case 11: return bench.tick(after: Int64(random.below(3_000_000)))
            case 12: return bench.session.transportHasRoom()
            case 13:
                bench.session.aggregatorCameUp(now: bench.now, &random)
                return []
            case 14: return bench.needs(place(), session: number())
            case 15:
                let point = place()
                return bench.rewound(point, found: !random.oneIn(4))
            default:
                let point = place()
                lastAck = point
                let number = number()
                if number == session, point == Chain.point(point.sequence),
                    point.sequence <= messages.last ?? 0
                {
                    messages.removeAll { $0 <= point.sequence }
                }
                return bench.ack(point, session: number)
            }
        }

        private mutating func welcome() -> [OutboxSession.Action] {
            let standing: Standing = random.oneIn(60) ? .forked : .open
            let leaf = place()
            let credit = Credit(
                bytes: UInt32(random.below(200_000)), messages: UInt32(random.below(6)))
            if bench.session.phase == .greeting { offered = credit }
            let announced = random.oneIn(40) ? Chain.point(head + 1) : Chain.point(0)
            return bench.welcome(
                nonces[random.below(nonces.count)], session: session + UInt64(random.below(3)),
                leaves: [leaf], announced: announced, standing: standing, credit: credit)
        }

        private mutating func prepared() -> [OutboxSession.Action] {
            guard let last = asked.last else { return [] }
            let leaf = last.leaves.first { $0 == Chain.point($0.sequence) && $0.sequence <= head }
            return bench.prepared(
                session: last.session, resume: leaf?.sequence, hasAnnounced: !random.oneIn(60))
        }

        private mutating func perform(_ actions: [OutboxSession.Action]) {
            var queue = actions[...]
            while let action = queue.popFirst() {
                if isStopped { #expect(Bool(false), "seed \(seed): \(action) after stop") }
                queue = perform(action) + queue
            }
        }

        private mutating func perform(_ action: OutboxSession.Action) -> [OutboxSession.Action] {
            switch action {
            case .sendHello(let nonce, _):
                nonces = [nonces[nonces.count - 1], nonce, nonce]
            case .prepare(let number, let leaves, _):
                asked.append((number, leaves))
                accepted = offered
            case .sendProof(_, let number, let proof):
                let head = proof.head
                #expect(number > session, "seed \(seed)")
                #expect(head == Chain.point(self.head), "seed \(seed)")
                session = number
                credit = accepted
                messages = []
            case .sendSegments(let number, let after, let through, let byteCountMax):
                #expect(number == session && after < through && through == head, "seed \(seed)")
                #expect(byteCountMax <= SegmentsMessage.segmentBytesMax, "seed \(seed)")
                return send(after, through)
            case .locate(let point):
                return bench.rewound(point, found: point == Chain.point(point.sequence))
            case .release(let ack, _):
                #expect(ack.through == lastAck, "seed \(seed)")
                #expect(ack.through == Chain.point(ack.through.sequence), "seed \(seed)")
                #expect(ack.through.sequence > released, "seed \(seed): a release went back")
                #expect(ack.through.sequence <= head, "seed \(seed)")
                released = ack.through.sequence
            case .stop: isStopped = true
            case .refuse, .see, .sendDefinitions, .hold: break
            }
            return []
        }

        private mutating func send(_ after: UInt64, _ through: UInt64) -> [OutboxSession.Action] {
            guard !random.oneIn(5) else { return [] }
            let end = min(through, after + 1 + UInt64(random.below(3)))
            messages.removeAll { $0 > after }
            messages.append(end)
            #expect(messages.count <= Int(credit.messages), "seed \(seed)")
            let oneSegment = SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax)
            #expect(messages.count == 1 || Int(credit.bytes) >= oneSegment, "seed \(seed)")
            return bench.sent(after + 1...end)
        }
    }

    @Test func `over thousands of seeds, nothing is sent or released that may not be`() {
        for seed in 0..<5000 as Range<UInt64> {
            var fuzz = Fuzz(seed)
            fuzz.run()
        }
    }
}
