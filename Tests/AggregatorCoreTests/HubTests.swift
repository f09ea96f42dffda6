import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What the hub writes, tells and decides.
@Suite struct HubTests {
    private func writer(_ bench: inout HubBench, segments: Int, agent: String = "till-1") throws
        -> CopiedWriter
    {
        var writer = try CopiedWriter(agent: agent, &bench.random)
        for _ in 0..<segments { try writer.write(&bench.random) }
        return writer
    }

    private func expectOneDigest(_ bench: HubBench) {
        #expect(Set(bench.digests).count == 1)
    }

    // MARK: Closing

    @Test func `a fork closes the stream with the head that was proved as evidence, and is told`()
        throws
    {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 2)
        var other = one
        try one.write(&bench.random)
        try other.write(&bench.random)
        try bench.open(&one)
        bench.send(1...3, one)
        bench.commit()
        other.lastSession = 0
        try bench.greet(other)
        bench.commit()
        let closed = try #require(bench.facts.first)
        guard case .closed(one.tag, .rolledBack, let evidence?) = closed else {
            Issue.record("\(closed)")
            return
        }
        #expect(evidence.proof.head == one.head)
        #expect(evidence.isSigned(by: one.genesis.publicKey, ToyVerifier()))
        #expect(bench.told(other).map(\.content.fact) == [closed])
        #expect(bench.hub.state.standing(of: one.tag) == .rolledBack)
        #expect(bench.hub.state.conflicts.all.map(\.event.content.fact) == [closed])
        // What the copy recorded is merged all the same.
        bench.send(3...3, other)
        bench.commit()
        #expect(bench.take(Ack.self, of: other)?.through == other.head)
        #expect(Set(bench.hub.leaves.map(\.end)) == [one.head, other.head])
        expectOneDigest(bench)
        bench.restart()
        #expect(try bench.greet(one).standing == .rolledBack)
    }

    @Test func `an event of the hub stands before the segments that it concerns`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        try writer.writePoisoned(&bench.random)
        try bench.open(&writer)
        bench.send(1...2, writer)
        bench.commit()
        let hub = bench.hub.tag
        let positions = bench.store.log.map { $0.segment.header.stream == hub }
        #expect(positions == [true, false, false])
    }

    @Test func `what was told is told again until it is seen, also behind a restart`() throws {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 2)
        let other = one
        try bench.open(&one)
        bench.send(1...2, one)
        bench.commit()
        try bench.greet(other, passesAnnounced: false)
        bench.commit()
        #expect(bench.told(other).count == 1)
        bench.forgetSent()
        bench.tick(after: bench.parts.limits.tellRepeatMin - 1)
        #expect(bench.told(other).isEmpty)
        bench.tick(after: 1)
        #expect(bench.told(other).count == 1)
        bench.restart()
        try bench.greet(other)
        #expect(bench.told(other).count == 1, "at once with the proof")
        bench.forgetSent()
        try bench.greet(other, seen: Seen(hub: bench.hub.tag, position: 1))
        bench.commit()
        bench.tick(after: 600_000_000)
        #expect(bench.told(other).isEmpty)
    }

    @Test func `a folder that was put back is told again what had been seen`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        for _ in 0..<2 { try writer.writePoisoned(&bench.random) }
        try bench.open(&writer)
        bench.send(1...3, writer)
        bench.commit()
        #expect(Set(bench.told(writer).map(\.sequence)) == [1, 2])
        // Then a copy greets that has seen nothing of it, and is told too that it is one.
        try bench.greet(writer, seen: Seen(hub: bench.hub.tag, position: 2))
        bench.commit()
        bench.forgetSent()
        try bench.greet(writer)
        bench.commit()
        #expect(Set(bench.told(writer).map(\.sequence)) == [1, 2, 3])
    }

    @Test func `what an agent does not take is told again from the beginning`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        for _ in 0..<3 { try writer.writePoisoned(&bench.random) }
        try bench.open(&writer)
        bench.send(1...3, writer)
        bench.commit()
        // Another folder of that name has the first two.
        writer.lastSession = try bench.greet(
            writer, seen: Seen(hub: bench.hub.tag, position: 2)
        ).session
        bench.commit()
        bench.forgetSent()
        bench.send(4...4, writer)
        bench.commit()
        #expect(bench.told(writer).map(\.sequence) == [3])
        bench.forgetSent()
        bench.tick(after: bench.parts.limits.tellRepeatMin)
        #expect(bench.told(writer).map(\.sequence) == [3])
        bench.forgetSent()
        bench.tick(after: 2 * bench.parts.limits.tellRepeatMin)
        #expect(bench.told(writer).map(\.sequence) == [1, 2, 3])
    }

    @Test func `failed writes do not push the hub's clock ahead`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        try bench.open(&writer)
        let before = try bench.greet(writer).clock
        for _ in 0..<20 {
            bench.failToCommit()
            bench.tick(after: 100_000)
            try bench.greet(writer)
        }
        let after = try bench.greet(writer).clock
        #expect(after.time.microseconds(since: before.time) < 10_000_000)
    }

    @Test
    func `a proof that comes again, or was altered, or comes from another agent, begins nothing`()
        throws
    {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 1)
        try one.writePoisoned(&bench.random)
        let stranger = try writer(&bench, segments: 1, agent: "till-2")
        try bench.open(&one)
        bench.send(1...2, one)
        bench.commit()
        bench.forgetSent()
        try bench.open(&one)
        #expect(bench.told(one).count == 1, "a proof that is new begins anew")
        let proof = try #require(bench.lastProof)
        let before = bench.hub.session(one.tag)
        bench.forgetSent()
        for _ in 0..<2 {
            for session in proof.session...proof.session + 1 {
                let frame = Frame(
                    kind: .proof, session: session, body: proof.body, signature: proof.signature)
                bench.say(frame, one)
                bench.say(frame, stranger)
            }
            // Once more while a challenge stands, which is another one.
            let hello = Hello(
                nonce: bench.random.bytes(Hello.nonceByteCount), lastSession: one.lastSession,
                head: one.head, acknowledged: one.start, acknowledgedAt: nil, seen: .nothing,
                oldestRetained: 1, softwareVersion: "", genesis: one.genesis)
            #expect(bench.challenge(one, hello)?.session == proof.session + 1)
        }
        #expect(bench.told(one).isEmpty && bench.told(stranger).isEmpty)
        #expect(!bench.notes.contains { if case .opened = $0 { true } else { false } })
        #expect(bench.hub.session(one.tag)?.provedSession == before?.provedSession)
        #expect(bench.hub.session(one.tag)?.record == before?.record)
    }

    @Test func `an event names the one before it that its agent was told`() throws {
        var bench = try HubBench()
        var first = try writer(&bench, segments: 0)
        var second = try writer(&bench, segments: 0, agent: "till-2")
        for _ in 0..<3 {
            try first.writePoisoned(&bench.random)
            try second.writePoisoned(&bench.random)
        }
        try bench.open(&first)
        try bench.open(&second)
        for number in 1...3 {
            bench.send(number...number, first)
            bench.send(number...number, second)
            bench.commit()
        }
        for writer in [first, second] {
            var before: UInt64 = 0
            for event in bench.told(writer) {
                #expect(event.content.address?.agent == writer.genesis.agent)
                #expect(event.content.address?.previous == before)
                before = event.sequence
            }
            #expect(before > 0)
        }
    }

    @Test func `what a failed commit would have told is told by nobody`() throws {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 1)
        try bench.open(&one)
        bench.forgetSent()
        try bench.greet(one, passesAnnounced: false)
        bench.failToCommit()
        #expect(bench.told(one).isEmpty && bench.facts.isEmpty)
        #expect(try bench.greet(one).standing == .open)
        expectOneDigest(bench)
    }

    // MARK: Quarantine

    @Test func `what cannot be read has no effect, is named, and delays nothing behind it`() throws
    {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        try writer.writePoisoned(&bench.random)
        try writer.write(&bench.random)
        try bench.open(&writer)
        bench.send(1...3, writer)
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        guard case .quarantined(let span, .unreadable)? = bench.facts.first else {
            Issue.record("\(bench.facts)")
            return
        }
        #expect(span.segment == writer.segments[1].hash && bench.facts.count == 1)
        #expect(bench.hub.ledger.counts.setAside == UInt64(span.sequences.count))
        #expect(bench.hub.state.conflicts.quarantinedCount == UInt64(span.sequences.count))
        expectOneDigest(bench)
        let id = HubEventID(hub: bench.hub.tag, sequence: 1)
        try bench.decide(.release(id))
        bench.commit()
        #expect(bench.decided[DecisionNumber(1)] == .failure(.cannotRelease))
        #expect(bench.hub.state.conflicts[id]?.isOpen == true)
    }

    @Test func `an event that a former hub had in quarantine stays there until it is released`()
        throws
    {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 3)
        try bench.open(&writer)
        bench.send(1...1, writer)
        bench.commit()
        let former = try bench.formerHub()
        let header = writer.segments[1].segment.header
        let span = EventSpan(
            stream: writer.tag, segment: writer.segments[1].hash,
            sequences: header.firstSequence...header.firstSequence)
        bench.say(former.returns([.quarantined(span, .unknownKind(9))], to: writer), writer)
        bench.send(2...3, writer)
        bench.commit()
        #expect(bench.hub.ledger.counts.setAside == 1)
        #expect(bench.store.hubEvents[0].content.origin == HubEventID(hub: former.tag, sequence: 1))
        expectOneDigest(bench)

        let id = HubEventID(hub: former.tag, sequence: 1)
        try bench.decide(.release(id), because: "it can be read now")
        bench.commit()
        guard case .success? = bench.decided[DecisionNumber(1)] else {
            Issue.record("\(bench.decided)")
            return
        }
        #expect(bench.facts.last == .released(span))
        #expect(bench.store.hubEvents.last?.content.decision?.reason == "it can be read now")
        #expect(
            bench.hub.ledger.counts.setAside == 0 && bench.hub.state.conflicts.quarantinedCount == 0
        )
        #expect(bench.hub.state.conflicts[id]?.isOpen == false)
        expectOneDigest(bench)
        var plain = GlobalLedger()
        for sealed in writer.segments { _ = plain.merge(sealed.segment) }
        #expect(
            Digests.state(plain.balances, plain.counts, PlainSHA256())
                == Digests.state(
                    bench.hub.ledger.balances, bench.hub.ledger.counts, PlainSHA256()))
        try bench.decide(.release(id), 2)
        #expect(bench.decided[DecisionNumber(2)] == .failure(.alreadyResolved))
    }

    @Test func `what a former hub had released before its segment came has its effect once`() throws
    {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 2)
        try bench.open(&writer)
        let former = try bench.formerHub()
        let header = writer.segments[1].segment.header
        let span = EventSpan(
            stream: writer.tag, segment: writer.segments[1].hash,
            sequences: header.firstSequence...header.firstSequence)
        bench.say(
            former.returns([.quarantined(span, .unknownKind(9)), .released(span)], to: writer),
            writer)
        bench.commit()
        bench.send(1...2, writer)
        bench.commit()
        #expect(bench.facts == [.quarantined(span, .unknownKind(9)), .released(span)])
        #expect(bench.hub.ledger.counts.setAside == 0)
        expectOneDigest(bench)
        bench.restart()
        #expect(bench.hub.ledger.counts.events == header.lastSequence)
        expectOneDigest(bench)
    }

    // MARK: Decisions

    @Test func `a new stream of a known agent waits for approval where it must`() throws {
        var bench = try HubBench(needsApproval: true)
        var first = try writer(&bench, segments: 1)
        try bench.open(&first)
        #expect(bench.hub.session(first.tag)?.provedSession != nil, "the first one needs none")
        var second = try writer(&bench, segments: 1)
        try bench.open(&second)
        #expect(bench.facts == [.awaitsApproval(second.tag)])
        bench.send(1...1, second)
        bench.commit()
        #expect(bench.hub.ledger.counts.events == 0)
        bench.restart()
        let welcome = try bench.greet(second)
        #expect(welcome.standing == .unapproved)
        second.lastSession = welcome.session
        try bench.decide(.approve(second.tag), because: "its disk was replaced")
        bench.forgetSent()
        bench.commit()
        #expect(bench.told(second).map(\.content.fact) == [.approved(second.tag)])
        #expect(bench.told(second).first?.content.decision?.operatorName == "ada")
        second.lastSession = try bench.greet(second).session
        bench.send(1...1, second)
        bench.commit()
        #expect(bench.take(Ack.self, of: second)?.through == second.head)
        try bench.decide(.approve(second.tag), 2)
        #expect(bench.decided[DecisionNumber(2)] == .failure(.standing(.open)))
        expectOneDigest(bench)
    }

    @Test func `an operator closes a stream, declares it lost, and settles a conflict, by name`()
        throws
    {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        try writer.writePoisoned(&bench.random)
        try bench.open(&writer)
        bench.send(1...2, writer)
        bench.commit()
        try bench.decide(.closeStream(writer.tag), 1)
        try bench.decide(.declareLost(writer.tag), 2)
        try bench.decide(.resolve(HubEventID(hub: bench.hub.tag, sequence: 1)), 3)
        #expect(bench.decided.isEmpty, "nothing is durable yet")
        bench.commit()
        for number in 1...3 {
            #expect(
                bench.decided[DecisionNumber(UInt64(number))]
                    == .success(HubEventID(hub: bench.hub.tag, sequence: UInt64(number) + 1)))
        }
        #expect(bench.hub.state.standing(of: writer.tag) == .lost)
        #expect(bench.hub.state.conflicts.openCount == 0)
        #expect(bench.store.hubEvents.dropFirst().allSatisfy { $0.content.decision != nil })
        try bench.decide(.declareLost(writer.tag), 4)
        #expect(bench.decided[DecisionNumber(4)] == .failure(.standing(.lost)))
        try bench.decide(.closeStream(try CopiedWriter(&bench.random).tag), 5)
        #expect(bench.decided[DecisionNumber(5)] == .failure(.unknownStream))
        try bench.decide(.resolve(HubEventID(hub: bench.hub.tag, sequence: 9)), 6)
        #expect(bench.decided[DecisionNumber(6)] == .failure(.unknownConflict))
        // Its events are taken all the same.
        try writer.write(&bench.random)
        try bench.open(&writer)
        bench.send(3...3, writer)
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        expectOneDigest(bench)
    }

    @Test func `a decision that could not be written is said to have failed`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 1)
        try bench.open(&writer)
        try bench.decide(.closeStream(writer.tag))
        bench.failToCommit()
        bench.tick()
        #expect(bench.decided[DecisionNumber(1)] == .failure(.notWritten))
        #expect(try bench.greet(writer).standing == .open)
    }
}
