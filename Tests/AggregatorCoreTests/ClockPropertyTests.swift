import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Agents that write and follow the hub's clock, and a hub that merges and follows theirs.
private struct ClockWorld {
    struct Agent {
        var writer: CopiedWriter
        /// By how much its clock stands ahead of the hub's, in microseconds.
        let error: Int64
        /// The last time of each segment.
        var times: [HybridTimestamp] = []
        /// The latest event that it can know of, its own or one that the hub had merged.
        var known = HybridTimestamp(rawValue: 0)

        var isSane: Bool { abs(error) < AggregatorLimits().driftMax }
    }

    var bench: HubBench
    var agents: [Agent] = []
    /// What must never happen, in words.
    private(set) var faults: [String] = []

    /// - Parameter errors: of the clock of each agent.
    init(_ errors: [Int64], seed: UInt64) throws {
        bench = try HubBench(seed: seed)
        bench.commit()
        for (index, error) in errors.enumerated() {
            let writer = try CopiedWriter(agent: "till-\(index)", &bench.random)
            agents.append(Agent(writer: writer, error: error))
            try greet(index)
        }
    }

    /// Of sound clocks, the latest event that the hub has made durable.
    private var merged: HybridTimestamp {
        agents.filter(\.isSane).reduce(HybridTimestamp(rawValue: 0)) { latest, agent in
            let committed = bench.hub.session(agent.writer.tag)?.committed.sequence ?? 0
            let ends = agent.writer.segments.map(\.end.sequence)
            return zip(ends, agent.times).reduce(latest) { latest, segment in
                segment.0 <= committed ? max(latest, segment.1) : latest
            }
        }
    }

    mutating func step() throws {
        bench.tick(after: Int64(bench.random.below(3_000_000)))
        let index = bench.random.below(agents.count)
        switch bench.random.below(12) {
        case 0...4: try write(index)
        case 5...7: try send(index)
        case 8: bench.failToCommit()
        case 9: bench.restart()
        default: try greet(index)
        }
    }

    private mutating func write(_ index: Int) throws {
        let before = agents[index].known
        agents[index].writer.wall = bench.now.wall.advanced(
            byMicroseconds: agents[index].error)
        try agents[index].writer.write(&bench.random)
        let latest = agents[index].writer.latestTime
        agents[index].times.append(latest)
        agents[index].known = latest
        let first = agents[index].writer.segments.last?.segment.header.base ?? before
        if first <= before { faults.append("\(first) is no later than \(before), which it knew") }
        if agents[index].isSane { expectSound(latest, "an event of a sound clock") }
    }

    private mutating func send(_ index: Int) throws {
        try greet(index)
        let count = agents[index].writer.segments.count
        guard count > 0 else { return }
        let first = 1 + bench.random.below(count)
        let sentAt = bench.now.wall.advanced(byMicroseconds: agents[index].error)
        bench.send(1...first, agents[index].writer, sentAt: sentAt)
        if !bench.random.oneIn(3) { bench.commit() }
        try greet(index)
    }

    /// What the hub says of its clock, the agent follows.
    private mutating func greet(_ index: Int) throws {
        let welcome = try bench.greet(agents[index].writer)
        agents[index].writer.lastSession = welcome.session
        agents[index].writer.observe(welcome.clock)
        let merged = merged
        agents[index].known = max(agents[index].known, merged)
        if welcome.clock < merged {
            faults.append("the hub says \(welcome.clock) behind \(merged)")
        }
        expectSound(welcome.clock, "the hub's clock")
        if bench.random.oneIn(2) { bench.commit() }
    }

    private mutating func expectSound(_ time: HybridTimestamp, _ what: String) {
        let ahead = time.time.microseconds(since: bench.now.wall)
        if ahead > bench.parts.limits.driftMax { faults.append("\(what) is \(ahead) ahead") }
    }
}

/// **Invariant 10** of the ledger: within what the drift limit accepts, whoever knew of an event writes
/// at a later hybrid time; and a clock beyond it is followed by nobody.
@Suite struct ClockPropertyTests {
    private static let limit = Int(AggregatorLimits().driftMax)

    private func error(_ random: inout SplitMix64, atMost most: Int) -> Int64 {
        Int64(random.below(2 * most)) - Int64(most)
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `whoever could know of an event writes at a later time, also across crashes of the hub`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let sound = Self.limit - 10_000_000
        let errors = (0..<3).map { _ in error(&random, atMost: sound) }
        var world = try ClockWorld(errors, seed: seed)
        for _ in 0..<30 { try world.step() }
        #expect(world.faults == [], "seed \(seed)")
        let isRestamped = world.bench.facts.contains {
            if case .restamped = $0 { true } else { false }
        }
        #expect(!isRestamped, "seed \(seed)")
    }

    @Test(arguments: 0..<1200 as Range<UInt64>)
    func `a clock beyond the limit is followed by nobody, and its segments are restamped`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        // By minutes, or decades: in 1970, or in 2038.
        let wrong = Int64(Self.limit + 60_000_000) << Int64(random.below(22))
        let rogue = random.oneIn(2) ? wrong : -min(wrong, HubBench.wall.microseconds)
        let errors = [error(&random, atMost: Self.limit / 2), rogue]
        var world = try ClockWorld(errors, seed: seed)
        for _ in 0..<30 { try world.step() }
        #expect(world.faults == [], "seed \(seed)")
        // All of the rogue's that is merged was judged.
        let tag = world.agents[1].writer.tag
        let merged = Set(
            world.bench.store.log.filter { $0.segment.header.stream == tag }.map(\.hash))
        let judged = Set(
            world.bench.facts.compactMap { fact -> Hash256? in
                if case .restamped(let span, _) = fact { span.segment } else { nil }
            })
        #expect(judged == merged, "seed \(seed)")
    }
}
