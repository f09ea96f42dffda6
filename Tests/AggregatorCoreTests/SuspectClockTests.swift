import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Agents whose clocks stand wrong, and the hub's own clock.
@Suite struct SuspectClockTests {
    private func writer(_ bench: inout HubBench, segments: Int, ahead: Int64 = 0) throws
        -> CopiedWriter
    {
        var writer = try CopiedWriter(&bench.random)
        writer.wall = bench.now.wall.advanced(byMicroseconds: ahead)
        for _ in 0..<segments { try writer.write(&bench.random) }
        return writer
    }

    private func expectOneDigest(_ bench: HubBench) {
        #expect(Set(bench.digests).count == 1)
    }

    @Test(arguments: [-1_700_000_000_000_000 as Int64, 500_000_000_000_000, 301_000_000])
    func `a clock that stands wrong harms only the times that its events are shown at`(
        error: Int64
    ) throws {
        var bench = try HubBench()
        bench.commit()
        let wall = bench.now.wall
        var writer = try CopiedWriter(&bench.random)
        writer.wall = wall.advanced(byMicroseconds: error)
        try writer.write(&bench.random)
        try bench.open(&writer)
        bench.send(1...1, writer, sentAt: writer.wall)
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head, "merged at once")
        guard case .restamped(let span, let offset)? = bench.facts.first else {
            Issue.record("\(bench.facts)")
            return
        }
        #expect(span.segment == writer.segments[0].hash && bench.facts.count == 1)
        let base = writer.segments[0].segment.header.base.time
        let shown = base.advanced(byMicroseconds: offset)
        #expect(abs(shown.microseconds(since: wall)) <= 1_000_000)
        // The hub's own clock does not follow it.
        let told = try #require(bench.take(Ack.self, of: writer)).clock.time
        #expect(told.microseconds(since: wall) <= 1_000_000)
        expectOneDigest(bench)
    }

    @Test func `segments of one clock are one conflict until it is settled`() throws {
        var bench = try HubBench()
        var writer = try CopiedWriter(&bench.random)
        writer.wall = bench.now.wall.advanced(byMicroseconds: 3_600_000_000)
        for _ in 0..<4 { try writer.write(&bench.random) }
        try bench.open(&writer)
        bench.send(1...3, writer)
        bench.commit()
        #expect(bench.hub.state.conflicts.all.count == 1 && bench.facts.count == 3)
        #expect(bench.hub.state.conflicts.all[0].repeats == 2)
        try bench.decide(.resolve(bench.hub.state.conflicts.all[0].id))
        bench.send(4...4, writer)
        bench.commit()
        #expect(bench.hub.state.conflicts.all.count == 2)
        expectOneDigest(bench)
    }

    @Test func `what was long on its way, or offline, is shown at its own times`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 2)
        try bench.open(&writer)
        let sentAt = bench.now.wall
        bench.now = bench.now.advanced(byMicroseconds: 3 * 86_400_000_000)
        bench.send(1...1, writer, sentAt: sentAt)
        bench.send(2...2, writer)
        bench.commit()
        #expect(bench.facts.isEmpty)
    }

    @Test func `the hub's clock is later than what it has merged, and never goes back`() throws {
        var bench = try HubBench()
        bench.commit()
        var writer = try CopiedWriter(&bench.random)
        writer.wall = bench.now.wall.advanced(byMicroseconds: bench.parts.limits.driftMax - 60_000)
        try writer.write(&bench.random)
        try bench.open(&writer)
        bench.send(1...1, writer)
        bench.commit()
        bench.commit()
        let first = try #require(bench.take(Ack.self, of: writer)).clock
        #expect(first > writer.segments[0].segment.header.base)
        var latest = first
        for _ in 0..<20 {
            // The wall clock is set back, and the hub is started again.
            bench.now.wall = bench.now.wall.advanced(byMicroseconds: -60_000_000)
            bench.restart()
            let welcome = try bench.greet(writer)
            #expect(welcome.clock >= latest)
            latest = welcome.clock
            bench.commit()
        }
    }

    @Test func `an agent is told of its clock, once until somebody has settled it`() throws {
        var bench = try HubBench()
        var writer = try writer(&bench, segments: 4, ahead: 3_600_000_000)
        try bench.open(&writer)
        bench.send(1...2, writer)
        bench.commit()
        bench.send(3...3, writer)
        bench.commit()
        #expect(
            bench.facts.count == 3 && bench.told(writer).map(\.content.fact) == [bench.facts[0]])
        let conflict = try #require(bench.hub.state.conflicts.all.first)
        var own = own(writer, bench)
        #expect(own.all.map(\.kind) == [.clockSuspect] && own.all.map(\.isOpen) == [true])
        #expect(own.all.map(\.id) == [conflict.id])
        try bench.decide(.resolve(conflict.id))
        bench.commit()
        bench.send(4...4, writer)
        bench.commit()
        own = self.own(writer, bench)
        #expect(own.all.map(\.isOpen) == [false, true])
        #expect(own.all.map(\.id) == bench.hub.state.conflicts.all.map(\.id))
    }

    @Test
    func `a message that says it was sent at no time that can be changes nothing but its mark`()
        throws
    {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        for _ in 0..<2 { try writer.write(&bench.random) }
        try bench.open(&writer)
        bench.send(1...1, writer, sentAt: Timestamp(microseconds: .min))
        bench.send(2...2, writer, sentAt: Timestamp(microseconds: .max))
        bench.commit()
        #expect(bench.take(Ack.self, of: writer)?.through == writer.head)
        #expect(bench.hub.ledger.counts.setAside == 0)
    }

    @Test func `what a former hub had judged is judged again where that was not written`() throws {
        var bench = try HubBench()
        var writer = try CopiedWriter(agent: "till-1", &bench.random)
        writer.wall = Timestamp(microseconds: 0)
        try writer.write(&bench.random)
        try bench.open(&writer)
        let first = writer.segments[0]
        let span = EventSpan(
            stream: writer.tag, segment: first.hash, sequences: first.segment.header.sequences)
        let restamped = HubFact.restamped(span, offset: 5)
        let former = try bench.formerHub()
        bench.say(former.returns([restamped], to: writer), writer)
        bench.failToCommit()
        #expect(bench.facts.isEmpty)
        try bench.open(&writer)
        bench.send(1...1, writer)
        bench.commit()
        guard case .restamped(span, _)? = bench.facts.first, bench.facts.count == 1 else {
            Issue.record("its clock is not marked: \(bench.facts)")
            return
        }
    }

    /// The conflicts as the agent has them of what it was told.
    private func own(_ writer: CopiedWriter, _ bench: HubBench) -> OwnConflicts {
        let (told, hub) = (bench.told(writer), bench.store.origin.genesis)
        let record = HubRecord(tag: StreamTag(genesisHash: hub.hash(PlainSHA256())), genesis: hub)
        return OwnConflicts(
            agent: writer.genesis.agent, hubs: [record], events: told.map { (record.tag, $0) })
    }
}
