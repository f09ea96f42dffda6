import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Both machines, the real codecs, and a world that fails in every way it may.
@Suite struct SessionContractTests {
    /// What is left when the faults stop must be gone by then: the longest wait between two
    /// greetings, twice, and the time to send what is there.
    private static let settlingTime: Int64 = 60_000_000

    private func expectAgreement(_ world: VirtualWorld, _ seed: UInt64) {
        let (agent, aggregator) = (world.agent, world.aggregator)
        let sent = agent.disk.segments
        #expect(aggregator.disk.segments == sent, "seed \(seed)")
        #expect(agent.released == agent.head.sequence, "seed \(seed)")
        #expect(agent.answered.allSatisfy { $0.upperBound <= agent.head.sequence }, "seed \(seed)")
        #expect(world.faults == [] && aggregator.faults == [], "seed \(seed)")
        #expect(agent.refused == [], "seed \(seed)")
        #expect(aggregator.standing == .open, "seed \(seed)")
        var plain = GlobalLedger()
        for sealed in sent { _ = plain.merge(sealed.segment) }
        let counts = GlobalLedger.Counts(
            transactions: agent.head.sequence, events: agent.head.sequence)
        #expect(
            Digests.state(aggregator.ledger.balances, counts, PlainSHA256())
                == Digests.state(plain.balances, plain.counts, PlainSHA256()), "seed \(seed)")
    }

    @Test(arguments: 0..<600 as Range<UInt64>)
    func `when the faults stop, the aggregator soon has every durable event once and in order`(
        seed: UInt64
    ) throws {
        let world = try VirtualWorld(seed: seed)
        try world.run(microseconds: 20_000_000, recording: true)
        world.calmDown()
        let bound = world.delayOfLast + SessionContractTests.settlingTime
        let settled = try world.run(microseconds: bound, recording: false) {
            world.agent.backlog == 0 && !world.aggregator.hasWork
        }
        #expect(settled, "seed \(seed): \(world.agent.session.phase), \(world.agent.backlog) left")
        // What comes late after that changes nothing.
        try world.run(microseconds: world.delayOfLast + 1_000_000, recording: false)
        expectAgreement(world, seed)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `a network that delivers everything twice, for ever, holds nothing up`(seed: UInt64) throws
    {
        let world = try VirtualWorld(seed: seed)
        world.calmDown()
        world.weather.duplicateOneIn = 1
        try world.run(microseconds: 5_000_000, recording: true)
        let settled = try world.run(microseconds: 10_000_000, recording: false) {
            world.agent.backlog == 0
        }
        #expect(settled, "seed \(seed): \(world.agent.session.phase), \(world.agent.backlog) left")
        try world.run(microseconds: 1_000_000, recording: false)
        expectAgreement(world, seed)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `on a slow line the agent seldom greets anew`(
        seed: UInt64
    ) throws {
        let world = try VirtualWorld(seed: seed)
        world.calmDown()
        world.weather.delayMax = 200_000
        try world.run(microseconds: 60_000_000, recording: true)
        let settled = try world.run(microseconds: 10_000_000, recording: false) {
            world.agent.backlog == 0
        }
        #expect(settled, "seed \(seed)")
        #expect(world.agent.disk.lastSession <= 8, "seed \(seed)")
        expectAgreement(world, seed)
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func `an aggregator that was restored from its backup is sent again what it forgot`(
        seed: UInt64
    ) throws {
        let world = try VirtualWorld(seed: seed)
        world.isForgetful = true
        try world.run(microseconds: 8_000_000, recording: true)
        let backup = world.aggregator.disk
        try world.run(microseconds: 8_000_000, recording: true)
        world.aggregator.crash(keeping: backup)
        try world.run(microseconds: 4_000_000, recording: true)
        world.calmDown()
        try world.recordUntilWritten()
        let bound = world.delayOfLast + SessionContractTests.settlingTime
        let settled = try world.run(microseconds: bound, recording: false) {
            world.agent.backlog == 0
        }
        #expect(settled, "seed \(seed): \(world.agent.session.phase), \(world.agent.backlog) left")
        try world.run(microseconds: world.delayOfLast + 1_000_000, recording: false)
        expectAgreement(world, seed)
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func
        `an agent restored from its backup is stopped, and nothing it wrote is merged`(
            seed: UInt64
        ) throws
    {
        let world = try VirtualWorld(seed: seed)
        try world.run(microseconds: 5_000_000, recording: true)
        world.calmDown()
        try world.run(microseconds: 5_000_000, recording: false)
        let backup = world.agent.disk
        world.agent.disconnect()
        try world.run(microseconds: world.delayOfLast + 5_000_000, recording: true)
        let settled = try world.run(
            microseconds: SessionContractTests.settlingTime, recording: false
        ) { world.agent.backlog == 0 }
        #expect(settled, "seed \(seed)")
        let known = world.agent.disk.segments
        world.agent.crash(keeping: backup)
        try world.recordUntilWritten()
        let stopped = try world.run(
            microseconds: SessionContractTests.settlingTime, recording: true
        ) { if case .ended = world.agent.session.phase { true } else { false } }
        #expect(stopped, "seed \(seed): \(world.agent.session.phase)")
        #expect(world.aggregator.disk.segments == known, "seed \(seed)")
        #expect(world.aggregator.faults == [], "seed \(seed)")
    }
}

extension VirtualWorld {
    /// At least one more event, whatever the seed says.
    fileprivate func recordUntilWritten() throws {
        let before = agent.head
        while agent.head == before { try recordSome() }
    }
}
