import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport

/// An agent and an aggregator in virtual time, with a network and disks between that fail as the
/// seed says.
final class VirtualWorld {
    private enum Item {
        case toAgent([UInt8])
        case toAggregator([UInt8])
        case disk(VirtualAgent.Later, life: Int)
        case commit
    }

    let agent: VirtualAgent
    let aggregator: VirtualAggregator
    /// By two clocks, of which the one on the wall is set now and then.
    private(set) var now = ClockReading(
        wall: Timestamp(microseconds: 1_760_000_000_000_000), steady: SteadyTime(microseconds: 0))
    var random: SplitMix64
    var weather: Weather
    private var channel = VirtualChannel<Item>()
    private var commitIsDue = false
    /// Nil in calm weather.
    var crashOneIn: UInt64?
    private(set) var faults: [String] = []
    private let accounts: [AccountAddress]
    private let asset: Asset

    private static let tickInterval: Int64 = 50_000

    init(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let genesis = Genesis(
            writer: .agent, ledger: "test", agent: try AgentID("till-1"),
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: ToySigner(1).publicKey)
        agent = VirtualAgent(genesis: genesis)
        let credit = Credit(
            bytes: [1, 70_000, 1 << 20][random.below(3)], messages: UInt32(1 + random.below(8)))
        aggregator = VirtualAggregator(genesis: genesis, credit: credit)
        weather = Weather.rough(&random)
        accounts = try (0..<5).map { try AccountAddress("stores:\($0)") } + [.world]
        asset = try Asset("EUR/2")
        self.random = random
        agent.transportFailsOneIn = [10, .max][self.random.below(2)]
        crashOneIn = [40, 200, 1000][self.random.below(3)]
    }

    // MARK: Running

    /// Lets that much time pass, or stops earlier where `until` holds.
    ///
    /// - Returns: whether it held.
    @discardableResult
    func run(microseconds: Int64, recording: Bool, until: () -> Bool = { false }) throws -> Bool {
        let end = now.steady.advanced(byMicroseconds: microseconds)
        while now.steady < end {
            if recording { try recordSome() }
            if let crashOneIn { misbehave(crashOneIn) }
            if !agent.isConnected, crashOneIn == nil || random.oneIn(10) {
                agent.connect(now: now, &random)
            }
            agent.tick(now: now, &random)
            aggregator.tick(now: now)
            collect()
            passTime(to: now.steady.advanced(byMicroseconds: VirtualWorld.tickInterval))
            check()
            if until() { return true }
        }
        return until()
    }

    private func passTime(to end: SteadyTime) {
        while let next = channel.next, next <= end, let item = channel.take(now: end) {
            passTime(until: next)
            deliver(item)
            collect()
        }
        passTime(until: end)
    }

    private func passTime(until moment: SteadyTime) {
        now = now.advanced(byMicroseconds: max(0, moment.microseconds(since: now.steady)))
    }

    private func deliver(_ item: Item) {
        switch item {
        case .toAgent(let bytes): agent.receive(bytes, now: now, &random)
        case .toAggregator(let bytes): aggregator.receive(bytes, now: now, &random)
        case .disk(let work, let life):
            if life == agent.life { agent.finish(work, now: now, &random) }
        case .commit:
            commitIsDue = false
            aggregator.commit(now: now, fails: crashOneIn != nil && random.oneIn(30))
        }
    }

    /// What the two want done goes on its way.
    private func collect() {
        for bytes in agent.outbox where agent.isConnected { put(bytes) { .toAggregator($0) } }
        for bytes in aggregator.outbox { put(bytes) { .toAgent($0) } }
        agent.outbox = []
        aggregator.outbox = []
        for work in agent.later where crashOneIn == nil || !random.oneIn(20) {
            let delay = Int64(random.below(30_000))
            channel.add(
                .disk(work, life: agent.life), at: now.steady.advanced(byMicroseconds: delay))
        }
        agent.later = []
        if aggregator.hasWork, !commitIsDue {
            commitIsDue = true
            let delay = Int64(random.below(crashOneIn == nil ? 10_000 : 500_000))
            channel.add(.commit, at: now.steady.advanced(byMicroseconds: delay))
        }
    }

    private func put(_ bytes: [UInt8], _ item: ([UInt8]) -> Item) {
        for copy in weather.copies(bytes, &random) {
            channel.add(item(copy.bytes), at: now.steady.advanced(byMicroseconds: copy.delay))
        }
    }

    // MARK: Faults and load

    private func misbehave(_ oneIn: UInt64) {
        if random.oneIn(oneIn) { agent.crash() }
        if random.oneIn(oneIn) { aggregator.crash() }
        if random.oneIn(oneIn), agent.isConnected { agent.disconnect() }
        if random.oneIn(oneIn) {
            let distance = Int64(random.below(7_200_000_000)) - 3_600_000_000
            now.wall = now.wall.advanced(byMicroseconds: distance)
        }
    }

    func recordSome() throws {
        guard random.oneIn(12) else { return }
        let fate: VirtualAgent.WriteFate =
            crashOneIn == nil || !random.oneIn(8)
            ? .written : [.failed, .crashedBefore, .crashedAfter][random.below(3)]
        let batches = try (0...random.below(2)).map { _ in
            try (0...random.below(3)).map { _ in Submission(try transaction()) }
        }
        agent.record(batches, now: now, fate, &random)
        collect()
    }

    private func transaction() throws -> Transaction {
        let posting = Posting(
            source: accounts[random.below(6)], destination: accounts[random.below(6)], asset: asset,
            amount: try Amount(Int64(1 + random.below(1000))))
        return try Transaction(postings: [posting])
    }

    /// Everything fails no longer; what is on its way still arrives.
    func calmDown() {
        weather = .calm
        crashOneIn = nil
        agent.transportFailsOneIn = .max
    }

    /// How long what was delayed may still be on its way.
    var delayOfLast: Int64 { max(0, channel.last?.microseconds(since: now.steady) ?? 0) }

    // MARK: What must hold at every moment

    /// Whether the aggregator still has all that it ever committed.
    var isForgetful = false

    private func check() {
        let stored = aggregator.disk.segments
        if !isForgetful, agent.released > stored.last?.end.sequence ?? 0 {
            faults.append("released \(agent.released), which the aggregator does not have")
        }
        if agent.releasedWithoutOrder { faults.append("a release went back") }
    }
}
