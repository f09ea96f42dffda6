import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What is under way: credit and acknowledgements.
@Suite struct OutboxFlowTests {
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
}
