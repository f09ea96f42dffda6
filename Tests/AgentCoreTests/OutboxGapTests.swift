import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What is asked for again, and when a session greets anew.
@Suite struct OutboxGapTests {
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

    @Test
    func `what is passed over takes no room, for its acknowledgement needs what is behind it`() {
        var bench = Bench(head: 6)
        let opened = bench.open(resume: 2, credit: Credit(bytes: 1, messages: 1))
        #expect(asked(opened) == 2)
        let passed = bench.session.sent(ends: [Chain.point(4)], byteCount: 0, at: nil)
        #expect(asked(passed) == 4)
        #expect(bench.session.sentThrough == Chain.point(4))
        let sent = bench.session.sent(
            ends: [Chain.point(5)], byteCount: 100, at: Timestamp(microseconds: 1))
        #expect(sent == [], "one message is under way")
    }

    /// Behind which event segments are asked for.
    private func asked(_ actions: [OutboxSession.Action]) -> UInt64? {
        if case .sendSegments(_, let after, _, _)? = actions.last { after } else { nil }
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
