import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Hubs that were put back from older copies, or lost, and what nobody has any more.
@Suite struct HubRestoreTests {
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

    // MARK: Another stream

    /// A hub that has committed what an agent remembers, and an older copy of it.
    private func restored() throws -> (bench: HubBench, writer: CopiedWriter, at: LogPlace) {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 4)
        try bench.open(&writer)
        bench.send(1...2, writer)
        bench.commit()
        let copy = bench.store
        bench.send(3...4, writer)
        bench.commit()
        let position = UInt64(bench.store.log.count)
        let place = LogPlace(hub: bench.hub.tag, position: position)
        bench.restart(copy)
        return (bench, writer, place)
    }

    @Test func `an agent that has more of a hub than it shows that it was put back`() throws {
        let (before, writer, place) = try restored()
        let cases: [(inout HubBench) throws -> Welcome] = [
            { try $0.greet(writer, acknowledged: writer.head, at: place) },
            {
                try $0.greet(
                    writer, acknowledged: writer.segments[2].end,
                    at: LogPlace(hub: place.hub, position: 1))
            },
            { try $0.greet(writer, seen: Seen(hub: place.hub, position: 1)) },
            { try $0.greet(writer, hasLeft: true) },
        ]
        for show in cases {
            var bench = before
            let former = bench.hub.tag
            let position = UInt64(bench.store.log.count)
            let hash = bench.store.log.last?.hash
            let welcome = try show(&bench)
            bench.commit()
            #expect(welcome.hub.hub == former && bench.take(Ack.self, of: writer) == nil)
            #expect(bench.hub.session(writer.tag)?.provedSession == nil, "no session is believed")
            bench.tick(after: 50_000)
            bench.commit()
            bench.tick(after: 50_000)
            #expect(bench.hub.tag != former)
            #expect(bench.announced.first?.hub.hub == bench.hub.tag, "and all are to greet it")
            let parent = try #require(bench.hub.genesis.parent)
            #expect(
                parent
                    == Genesis.Parent(
                        stream: former, position: position, hash: try #require(hash)))
            // Nothing is lost: the agent sends again what the copy lacks.
            try bench.greet(writer, acknowledged: writer.head, at: place)
            bench.send(3...4, writer)
            bench.commit()
            let ack = try #require(bench.take(Ack.self, of: writer))
            #expect(ack.through == writer.head && ack.hub == bench.hub.tag)
            expectOneDigest(bench)
            let tag = bench.hub.tag
            bench.restart()
            #expect(bench.hub.tag == tag)
            expectOneDigest(bench)
        }
    }

    @Test func `an agent that has what the hub has, or another hub's word, shows nothing`() throws {
        var (bench, writer, place) = try restored()
        let tag = bench.hub.tag
        let held = writer.segments[1].end
        let inside = writer.segments[0].end
        let other = LogPlace(hub: try bench.formerHub().tag, position: 999)
        for (point, at) in [
            (held, LogPlace(hub: place.hub, position: 2)),
            (inside, LogPlace(hub: place.hub, position: 1)), (writer.head, other),
        ] {
            writer.lastSession = try bench.greet(writer, acknowledged: point, at: at).session
            bench.commit()
            bench.tick(after: 50_000)
            bench.commit()
            #expect(bench.hub.tag == tag)
            #expect(bench.hub.session(writer.tag)?.provedSession == writer.lastSession)
        }
    }

    @Test func `a greeting alone shows nothing, and neither does a proof of another key`() throws {
        var (bench, writer, place) = try restored()
        let tag = bench.hub.tag
        let hello = Hello(
            nonce: bench.random.bytes(Hello.nonceByteCount), lastSession: 9, head: writer.head,
            acknowledged: writer.head, acknowledgedAt: place, seen: .nothing, oldestRetained: 1,
            softwareVersion: "", genesis: writer.genesis)
        bench.say(.hello(hello), writer)
        bench.say(.proof(Proof(stream: writer.tag, head: writer.head, hasLeft: true)), writer)
        bench.tick(after: 50_000)
        bench.commit()
        #expect(bench.hub.tag == tag)
    }

    @Test
    func `a database that is marked as put back begins another stream before it says anything`()
        throws
    {
        var (bench, writer, _) = try restored()
        let former = bench.hub.tag
        bench.restart(isRestored: true)
        bench.tick(after: 50_000)
        bench.commit()
        bench.tick(after: 50_000)
        #expect(bench.hub.tag != former && bench.hub.genesis.parent?.stream == former)
        #expect(bench.announced.allSatisfy { $0.hub.hub == bench.hub.tag })
        bench.restart()
        let tag = bench.hub.tag
        bench.tick(after: 50_000)
        bench.commit()
        #expect(bench.hub.tag == tag, "once")
        writer.lastSession = try bench.greet(writer).session
        #expect(writer.lastSession > 0)
    }

    @Test func `the same copy put back twice gives two streams that nobody takes for one`() throws {
        let (bench, _, _) = try restored()
        let tags = (0..<2).map { number -> StreamTag in
            var bench = bench
            bench.random = SplitMix64(seed: UInt64(number))
            bench.restart(isRestored: true)
            bench.tick(after: 50_000)
            bench.commit()
            return bench.hub.tag
        }
        #expect(tags[0] != tags[1])
    }

    // MARK: Returns

    @Test func `what a former hub of the same key decided is taken over, once`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 2)
        try bench.open(&writer)
        let former = try bench.formerHub()
        let facts: [HubFact] = [.closed(writer.tag, .forked, evidence: nil)]
        bench.say(former.returns(facts, to: writer), writer)
        bench.say(former.returns(facts, to: writer), writer)
        bench.commit()
        #expect(bench.facts == facts && bench.hub.state.standing(of: writer.tag) == .forked)
        bench.restart()
        try bench.open(&writer)
        bench.say(former.returns(facts, to: writer), writer)
        bench.commit()
        #expect(bench.facts == facts)
        expectOneDigest(bench)
    }

    @Test func `of a hub with another key, an agent is believed in what concerns itself`() throws {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 1)
        var two = try writer(&bench, segments: 1, agent: "till-2")
        try bench.open(&one)
        try bench.open(&two)
        let former = try bench.formerHub(ToySigner(5))
        bench.say(former.returns([.declaredLost(two.tag)], to: one), one)
        bench.commit()
        #expect(bench.facts.isEmpty, "another agent's stream")
        bench.say(former.returns([.closed(one.tag, .closed, evidence: nil)], to: one), one)
        bench.commit()
        #expect(bench.facts.count == 1)
        // Signed by nobody who may.
        let forged = FormerHub(try bench.formerHub().genesis, ToySigner(5))
        bench.say(forged.returns([.declaredLost(one.tag)], to: one), one)
        bench.commit()
        #expect(bench.facts.count == 1)
    }

    @Test func `segments that a former hub had placed before others are told apart, by run`() throws
    {
        var bench = try HubBench()
        var one = try writer(&bench, segments: 3)
        var two = try writer(&bench, segments: 3, agent: "till-2")
        try bench.open(&one)
        try bench.open(&two)
        let former = try bench.formerHub()
        func run(_ writer: CopiedWriter, _ index: Int, at position: UInt64) -> Returns.Run {
            Returns.Run(
                sequences: writer.segments[index].segment.header.sequences, position: position)
        }
        bench.say(former.returns([], runs: [run(one, 0, at: 10)], to: one), one)
        bench.say(
            former.returns([], runs: [run(two, 0, at: 5), run(two, 1, at: 20)], to: two), two)
        bench.send(1...1, one)
        bench.send(1...1, two)
        bench.send(2...3, two)
        bench.commit()
        guard case .reordered(let span, let place)? = bench.facts.first else {
            Issue.record("\(bench.facts)")
            return
        }
        #expect(bench.facts.count == 1, "the second lies behind, and of the third nothing is known")
        #expect(span.segment == two.segments[0].hash)
        #expect(place == LogPlace(hub: former.tag, position: 5))
        expectOneDigest(bench)
    }

    // MARK: Gaps

    /// A hub that has two segments of an agent that keeps the last two of six.
    private func gap(namesInside: Bool) throws -> (bench: HubBench, writer: CopiedWriter) {
        for seed in 1...200 as ClosedRange<UInt64> {
            var bench = try HubBench(seed: seed)
            var writer = try writer(&bench, segments: 6)
            let inside = writer.segments[2..<4].contains {
                $0.segment.header.definitionCount > 0
            }
            guard inside == namesInside else { continue }
            try bench.open(&writer)
            bench.send(1...2, writer)
            bench.commit()
            bench.forgetSent()
            return (bench, writer)
        }
        throw InvalidValue("no seed has it")
    }

    private func definitions(_ writer: CopiedWriter, _ needs: NeedsDefinitions) throws -> Message {
        let all = try writer.segments.flatMap { try $0.segment.definitions() }
        return .definitions(
            DefinitionsMessage(
                stream: writer.tag, segment: needs.segment, first: needs.first,
                definitions: Array(all[Int(needs.first)..<Int(needs.through)]), isLast: true))
    }

    @Test(arguments: [false, true])
    func `a gap that nobody retains is given up, and the chain goes on behind it`(
        namesInside: Bool
    ) throws {
        var (bench, writer) = try gap(namesInside: namesInside)
        let (before, behind) = (writer.segments[1].end, writer.segments[3].end)
        writer.lastSession =
            try bench.greet(
                writer, acknowledged: writer.head,
                at: LogPlace(hub: try bench.formerHub().tag, position: 9),
                oldestRetained: behind.sequence + 1, retainedBehind: behind.hash
            ).session
        bench.commit()
        let lost = HubFact.LostGap(
            stream: writer.tag, sequences: before.sequence + 1...behind.sequence,
            before: before.hash, resumesBehind: behind.hash, cause: .pruned)
        #expect(bench.facts == [.gapLost(lost)])
        #expect(bench.told(writer).map(\.content.fact) == [.gapLost(lost)])
        // Its next greeting is told where to go on.
        bench.restart()
        let welcome = try bench.greet(
            writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash)
        #expect(welcome.leaves.contains(behind))
        bench.send(5...6, writer)
        bench.tick(after: 50_000)
        if namesInside {
            let needs = try #require(bench.take(NeedsDefinitions.self, of: writer))
            #expect(needs.segment == writer.segments[4].hash && needs.first == 0)
            bench.say(try definitions(writer, needs), writer)
        }
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        #expect(bench.facts == [.gapLost(lost)], "once")
        #expect(Set(bench.hub.leaves.map(\.end)) == [before, writer.head])
        expectOneDigest(bench)
        bench.restart()
        expectOneDigest(bench)

        // Whoever has it after all is welcome.
        var found = writer
        found.lastSession = welcome.session
        found.lastSession = try bench.greet(found).session
        bench.send(3...6, found)
        bench.commit()
        #expect(bench.hub.leaves.map(\.end) == [writer.head])
        #expect(bench.hub.ledger.counts.events == writer.head.sequence)
        #expect(bench.hub.state.standing(of: writer.tag) == .open)
        expectOneDigest(bench)
        bench.restart()
        #expect(bench.hub.leaves.map(\.end) == [writer.head])
    }

    @Test func `a closed stream goes on behind what nobody retains, too`() throws {
        var (bench, writer) = try gap(namesInside: false)
        try bench.decide(.closeStream(writer.tag))
        bench.commit()
        let (before, behind) = (writer.segments[1].end, writer.segments[3].end)
        writer.lastSession =
            try bench.greet(
                writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash
            ).session
        bench.commit()
        let lost = HubFact.LostGap(
            stream: writer.tag, sequences: before.sequence + 1...behind.sequence,
            before: before.hash, resumesBehind: behind.hash, cause: .pruned)
        #expect(bench.facts.last == .gapLost(lost))
        bench.send(5...6, writer)
        bench.commit()
        #expect(bench.hub.leaves.map(\.end).contains(writer.head))
    }

    @Test func `an agent that has what lies in a gap is not told to go on behind it`() throws {
        var (bench, writer) = try gap(namesInside: false)
        let behind = writer.segments[3].end
        writer.lastSession =
            try bench.greet(
                writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash
            ).session
        bench.commit()
        #expect(try bench.greet(writer).leaves.contains(behind) == false)
    }

    @Test func `names that are not those of the chain are not believed`() throws {
        var (bench, writer) = try gap(namesInside: true)
        let behind = writer.segments[3].end
        writer.lastSession =
            try bench.greet(
                writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash
            ).session
        bench.send(5...6, writer)
        bench.tick(after: 50_000)
        let needs = try #require(bench.take(NeedsDefinitions.self, of: writer))
        let wrong = (0..<needs.through).map { Definition.text("\($0)") }
        bench.say(
            .definitions(
                DefinitionsMessage(
                    stream: writer.tag, segment: needs.segment, first: 0, definitions: wrong,
                    isLast: true)), writer)
        bench.commit()
        #expect(bench.hub.ledger.counts.events == writer.segments[1].end.sequence)
        bench.forgetSent()
        bench.send(5...6, writer)
        bench.tick(after: bench.parts.limits.needsRepeat)
        let again = try #require(bench.take(NeedsDefinitions.self, of: writer))
        bench.say(try definitions(writer, again), writer)
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        expectOneDigest(bench)
    }

    @Test func `what an agent cannot read any more is given up, and nothing else`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 5)
        try bench.open(&writer)
        bench.send(1...1, writer)
        let (before, behind) = (writer.segments[1].end, writer.segments[2].end)
        let message = Unreadable(stream: writer.tag, behind: before, end: behind)
        let lost = message.sequences
        bench.say(.unreadable(message), writer)
        bench.send(4...4, writer)
        bench.commit()
        bench.tick(after: bench.parts.limits.reorderWindow)
        bench.commit()
        #expect(bench.facts.isEmpty, "the second may still come")
        bench.send(2...2, writer)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: writer) {
            bench.say(try definitions(writer, needs), writer)
        }
        bench.send(5...5, writer)
        bench.commit()
        let gap = HubFact.LostGap(
            stream: writer.tag, sequences: lost, before: before.hash, resumesBehind: behind.hash,
            cause: .unreadable)
        #expect(bench.facts == [.gapLost(gap)])
        let stream = try #require(bench.hub.agents(now: bench.now.steady).first?.streams.first)
        #expect(stream.lacking?.sequences == lost && stream.lacking?.cause == .unreadable)
        #expect(stream.missing.map(\.evidence) == [.unreadable], "not as pruned")
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        #expect(bench.hub.ledger.counts.events == writer.head.sequence - UInt64(lost.count))
        expectOneDigest(bench)
    }

    @Test func `two chains behind one gap are a fork`() throws {
        var (bench, writer) = try gap(namesInside: false)
        let behind = writer.segments[3].end
        let whole = writer
        writer.lastSession =
            try bench.greet(
                writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash
            ).session
        bench.send(5...6, writer)
        bench.commit()
        var other = try whole.cut(to: 4)
        try other.write(&bench.random)
        other.lastSession = writer.lastSession
        try bench.greet(
            other, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash,
            passesAnnounced: false)
        bench.commit()
        bench.send(5...5, other)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: other) {
            bench.say(try definitions(other, needs), other)
        }
        bench.commit()
        #expect(bench.hub.state.standing(of: writer.tag).isClosed)
        #expect(bench.hub.leaves.map(\.end).contains(other.head))
        expectOneDigest(bench)
    }
}
