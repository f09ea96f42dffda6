import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Copies of one folder, of which one still has what another has not any more, and hubs that have
/// forgotten what they said.
@Suite struct HubCopyTests {
    // MARK: What another copy lacked

    /// A folder of six segments, of which a copy has shown itself that keeps the last two: what is
    /// before them is given up.
    private func givenUp() throws -> (bench: HubBench, writer: CopiedWriter) {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        for _ in 0..<6 { try writer.write(&bench.random) }
        let behind = writer.segments[3].end
        try bench.greet(writer, oldestRetained: behind.sequence + 1, retainedBehind: behind.hash)
        bench.commit()
        bench.send(5...6, writer)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: writer) {
            bench.say(try definitions(writer, needs), writer)
        }
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        // This one has the session's number of before.
        bench.forgetSent()
        return (bench, writer)
    }

    private func definitions(_ writer: CopiedWriter, _ needs: NeedsDefinitions) throws -> Message {
        let all = try writer.segments.flatMap { try $0.segment.definitions() }
        return .definitions(
            DefinitionsMessage(
                stream: writer.tag, segment: needs.segment, first: needs.first,
                definitions: Array(all[Int(needs.first)..<Int(needs.through)]), isLast: true))
    }

    @Test func `a copy that has what was given up is not told that the hub has it`() throws {
        var (bench, copy) = try givenUp()
        let kept = copy.segments[1].end
        func greet() throws -> Welcome {
            defer { bench.commit() }
            return try bench.greet(
                copy, oldestRetained: kept.sequence + 1, retainedBehind: kept.hash)
        }
        copy.lastSession = try greet().session
        #expect(bench.hub.state.standing(of: copy.tag) == .rolledBack)
        let welcome = try greet()
        #expect(!welcome.leaves.contains { $0.sequence > kept.sequence })
        #expect(bench.take(Ack.self, of: copy).map { $0.through.sequence <= kept.sequence } ?? true)
    }

    @Test
    func `what is behind a gap is acknowledged to a copy when what it has of the gap is here`()
        throws
    {
        var (bench, copy) = try givenUp()
        let kept = copy.segments[1].end
        func greet(_ bench: inout HubBench) throws {
            copy.lastSession =
                try bench.greet(copy, oldestRetained: kept.sequence + 1, retainedBehind: kept.hash)
                .session
            bench.commit()
        }
        try greet(&bench)
        // Their order is lost on the way.
        bench.send(5...6, copy)
        bench.commit()
        #expect(bench.take(Ack.self, of: copy).map { $0.through.sequence <= kept.sequence } ?? true)
        bench.send(3...4, copy)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: copy) {
            bench.say(try definitions(copy, needs), copy)
        }
        bench.commit()
        // What it sends again, it hears of.
        try greet(&bench)
        bench.send(3...6, copy)
        bench.commit()
        #expect(bench.take(Ack.self, of: copy)?.through == copy.head)
        let missing = copy.segments[..<2].reduce(0) { $0 + $1.segment.header.count }
        #expect(bench.hub.ledger.counts.events == copy.head.sequence - UInt64(missing))
        #expect(Set(bench.digests).count == 1)
    }

    @Test func `what a copy cannot read of a gap does not account for the rest of it`() throws {
        var (bench, copy) = try givenUp()
        let kept = copy.segments[0].end
        func greet() throws -> UInt64 {
            defer { bench.commit() }
            return try bench.greet(
                copy, oldestRetained: kept.sequence + 1, retainedBehind: kept.hash
            ).session
        }
        copy.lastSession = try greet()
        copy.lastSession = try greet()
        bench.send(2...2, copy)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: copy) {
            bench.say(try definitions(copy, needs), copy)
        }
        bench.commit()
        let lost = Unreadable(
            stream: copy.tag, behind: copy.segments[1].end, end: copy.segments[2].end)
        bench.forgetSent()
        bench.say(.unreadable(lost), copy)
        bench.commit()
        #expect(bench.take(Ack.self, of: copy)?.through == lost.end)
        bench.forgetSent()
        bench.send(4...6, copy)
        bench.tick(after: 50_000)
        if let needs = bench.take(NeedsDefinitions.self, of: copy) {
            bench.say(try definitions(copy, needs), copy)
        }
        bench.commit()
        #expect(
            bench.take(Ack.self, of: copy).map { $0.through.sequence > lost.end.sequence } == true)
        let missing = [0, 2].reduce(0) { $0 + UInt64(copy.segments[$1].segment.header.count) }
        #expect(bench.hub.ledger.counts.events == copy.head.sequence - missing)
        #expect(Set(bench.digests).count == 1)
    }

    // MARK: What is not durable

    @Test func `a loss is acknowledged when it is written, not before`() throws {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        for _ in 0..<3 { try writer.write(&bench.random) }
        try bench.open(&writer)
        bench.send(1...1, writer)
        bench.commit()
        bench.forgetSent()
        let lost = Unreadable(
            stream: writer.tag, behind: writer.segments[0].end, end: writer.segments[1].end)
        bench.say(.unreadable(lost), writer)
        #expect(bench.take(Ack.self, of: writer) == nil)
        bench.failToCommit()
        #expect(bench.facts.isEmpty && bench.take(Ack.self, of: writer) == nil)
        writer.lastSession = try bench.greet(writer).session
        bench.say(.unreadable(lost), writer)
        bench.commit()
        #expect(bench.facts.count == 1 && bench.take(Ack.self, of: writer)?.through == lost.end)
    }

    @Test func `what the hub has is not given up because its agent cannot read it`() throws {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        for _ in 0..<3 { try writer.write(&bench.random) }
        try bench.open(&writer)
        bench.send(1...3, writer)
        bench.commit()
        bench.say(
            .unreadable(
                Unreadable(
                    stream: writer.tag, behind: writer.segments[0].end,
                    end: writer.segments[1].end)), writer)
        bench.commit()
        #expect(bench.facts.isEmpty && bench.hub.state.gaps(of: writer.tag).isEmpty)
    }

    // MARK: Idle agents

    @Test func `an agent that did not hear that the hub is new is told so when it says something`()
        throws
    {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        try bench.open(&writer)
        let idle = Watermark(
            stream: writer.tag, acknowledged: writer.head, through: writer.latestTime,
            sentAt: bench.now.wall)
        bench.forgetSent()
        bench.say(.watermark(idle), writer)
        #expect(bench.notices(to: writer) == 0, "it is in its session")
        bench.restart()
        bench.say(.watermark(idle), writer)
        #expect(bench.notices(to: writer) == 1)
    }

    // MARK: A hub that was put back by hand

    @Test func `a hub that wrote other events of the same numbers is known by their content`()
        throws
    {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        for _ in 0..<2 { try writer.write(&bench.random) }
        try bench.open(&writer)
        bench.send(1...2, writer)
        bench.commit()
        let copy = bench.store
        try bench.decide(.declareLost(writer.tag), because: "stolen")
        bench.commit()
        let event = try #require(bench.store.hubEvents.last)
        let seen = Seen(hub: bench.hub.tag, position: event.sequence)
        let digest = event.digest(of: bench.hub.tag, PlainSHA256())

        bench.restart(copy)
        let former = bench.hub.tag
        try bench.decide(.declareLost(writer.tag), because: "broken")
        bench.commit()
        #expect(bench.store.hubEvents.last?.sequence == event.sequence)
        let own = try #require(bench.store.hubEvents.last).digest(of: former, PlainSHA256())
        try bench.greet(writer, seen: seen, seenEvent: own)
        bench.tick(after: 50_000)
        bench.commit()
        #expect(bench.hub.tag == former, "it is the hub's own")
        try bench.greet(writer, seen: seen, seenEvent: digest)
        bench.tick(after: 50_000)
        bench.commit()
        #expect(bench.hub.tag != former && bench.hub.genesis.parent?.stream == former)
    }

    @Test
    func `two events of one number, told by a hub that was put back in between, are both kept`()
        throws
    {
        var bench = try HubBench()
        var writers: [CopiedWriter] = []
        for name in ["till-1", "till-2"] {
            var writer = try CopiedWriter(agent: name, &bench.random)
            try writer.write(&bench.random)
            try bench.open(&writer)
            writers.append(writer)
        }
        let former = try bench.formerHub()
        for writer in writers {
            bench.say(
                former.returns([.closed(writer.tag, .closed, evidence: nil)], to: writer), writer)
        }
        bench.commit()
        #expect(writers.allSatisfy { bench.hub.state.standing(of: $0.tag) == .closed })
        #expect(Set(bench.digests).count == 1)
    }
}
