import AgentCore
import AgentRuntime
import AgentStore
import Foundation
import LedgerCore
import PowerCutVFS
import SegmentStore
import Signing
import SyncProtocol
import Synchronization
import TestSupport
import Testing

/// Commits, acknowledgements, clocks that are set, pruning, restarts and power cuts, at random, on a
/// real store, against a model that knows what time it really is.
@Suite(.serialized) final class RetentionModelTests {
    init() async {
        await Turn.atThePower.begin()
        let code = powercut_register(PrunedAgent.vfs)
        precondition(code == 0, "registering the VFS failed: \(code)")
        powercut_reset()
    }

    deinit {
        Turn.atThePower.end()
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func `nothing unheld or young is pruned, and balances and keys stay those of the model`(
        seed: UInt64
    ) throws {
        powercut_reset()
        var agent = try PrunedAgent(seed: seed)
        defer { agent.remove() }
        for _ in 0..<120 { try agent.doSomething() }
        try agent.restart()
        try agent.check()
        try agent.verify()
        print(
            "seed \(seed): \(agent.events.count) events, \(agent.pruned) pruned in \(agent.steps) steps, "
                + "\(agent.powerCuts) power cuts")
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `a full quota refuses, and never shortens the retention of what is acknowledged`(
        seed: UInt64
    ) throws {
        powercut_reset()
        var agent = try PrunedAgent(seed: seed, pageCountMax: 256)
        defer { agent.remove() }
        while agent.refusals == 0 { try agent.record(30) }
        agent.holdAll()
        // Four fifths of the retention: the model says of each step whether it pruned too early.
        for _ in 0..<40 {
            try agent.keepUp()
            try agent.record(30)
        }
        #expect(agent.pruned == 0 && agent.refusals > 1, "seed \(seed)")
        agent.pass(agent.spans.segments)
        let refusals = agent.refusals
        for _ in 0..<200 { try agent.keepUp() }
        #expect(agent.pruned > 0, "seed \(seed)")
        try agent.record(30)
        #expect(agent.refusals == refusals, "seed \(seed): there is room again")
        try agent.restart()
        try agent.check()
        try agent.verify()
    }

    @Test func `space is given back, and what is kept can still be read`() throws {
        var agent = try PrunedAgent(seed: 99)
        defer { agent.remove() }
        for _ in 0..<400 { try agent.record(30) }
        let full = try agent.fileByteCount()
        agent.holdAll()
        agent.pass(agent.spans.segments * 2)
        for _ in 0..<200 {
            agent.pass(1_000_000)
            try agent.keepUp()
        }
        // Without a restart, which would shorten the files anyway; on another thread's time.
        let deadline = ContinuousClock.now + .seconds(20)
        while try agent.fileByteCount() >= full / 2, ContinuousClock.now < deadline {
            agent.pass(1_000_000)
            try agent.keepUp()
        }
        let left = try agent.fileByteCount()
        print("the file shrank from \(full) to \(left) bytes")
        #expect(left < full / 2)
        try agent.restart()
        try agent.check()
        try agent.verify()
        #expect(agent.pruned > 11_000)
    }
}

/// An agent's store with the parts of the commit thread around it, and the model of what it holds.
private struct PrunedAgent {
    static let vfs = "powercut"
    private static let second: Int64 = 1_000_000

    /// A device: what time it really is, and what its clocks say.
    private final class Device: Sendable {
        struct State {
            var time: Int64 = 1_700_000_000_000_000
            var offset: Int64 = 0
        }
        let state = Mutex(State())

        var time: Int64 { state.withLock { $0.time } }

        @Sendable func clocks() -> ClockReading {
            state.withLock {
                ClockReading(
                    wall: Timestamp(microseconds: $0.time + $0.offset),
                    steady: SteadyTime(microseconds: $0.time))
            }
        }
    }

    private struct Recorded {
        let event: Event
        let at: Int64
        /// The last event of its segment.
        var segmentEnd: UInt64
    }

    let spans = Retention.Spans(
        segments: 100 * PrunedAgent.second, keys: 400 * PrunedAgent.second)
    private let seed: UInt64
    private let folder: String
    private let device = Device()
    private let hasher = SHA256Hasher()
    private let signer = Ed25519Signer.generate()
    private let nonce: [UInt8]
    private var limits = AgentLimits()
    private var random: SplitMix64
    private var store: AgentStore?
    private var upkeep: Upkeep?
    private var admission: Box?
    private var recorded: [Recorded] = []
    private var acknowledged: UInt64 = 0
    private var held: UInt64 = 0
    /// Each start counts up to a second wrong.
    private var tolerance: Int64 = 0
    private(set) var pruned: UInt64 = 0
    private(set) var steps = 0
    /// Commits that the quota refused.
    private(set) var refusals = 0
    private let pageCountMax: Int?
    private(set) var powerCuts = 0

    /// The machine cannot be copied, and this struct is made step by step.
    private final class Box {
        var admission: Admission<Int>
        init(_ origin: AdmissionOrigin, _ hasher: SHA256Hasher) {
            admission = Admission(origin, hasher: hasher)
        }
    }

    var events: [Event] { recorded.map(\.event) }

    init(seed: UInt64, pageCountMax: Int? = nil) throws {
        self.seed = seed
        self.pageCountMax = pageCountMax
        random = SplitMix64(seed: seed)
        nonce = random.bytes(Genesis.nonceByteCount)
        folder = NSTemporaryDirectory() + "tributary-retention-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        limits.segmentsPerPruneMax = 1 + random.below(6)
        limits.keysPerPruneMax = 1 + random.below(9)
        limits.pagesPerReturnMax = 1 + random.below(20)
        limits.freePagesKept = 2
        if seed == 99 { (limits.segmentsPerPruneMax, limits.pagesPerReturnMax) = (32, 20) }
        try open()
    }

    func remove() {
        _ = store?.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private var path: String { "\(folder)/agent.db" }

    private mutating func open() throws {
        var options = LogOptions()
        options.vfs = Self.vfs
        options.returnsSpace = true
        options.pageCountMax = pageCountMax
        options.pageCountReserve = 64
        options.checkpointPages = 24
        options.checkpointPagesMax = 48
        options.readersMax = 1
        let store = try AgentStore(
            path: path, options: options, agent: try AgentID("till-1"), ledger: "main",
            founding: AgentStore.Founding(nonce: nonce, publicKey: signer.publicKey),
            hasher: hasher, now: device.clocks().wall)
        let loaded = try store.load()
        self.store = store
        admission = Box(loaded.origin, hasher)
        upkeep = try Upkeep(store: store, spans: spans, limits: limits, clock: device.clocks)
        // Nothing is known of the aggregator until it has spoken in this run.
        let heldBefore = held
        held = 0
        tolerance += RetentionClock.driftMax
        try adopt(loaded, held: heldBefore)
    }

    /// What a power cut left undecided is decided by what is found: a commit that was refused may be
    /// there, and one that was reported must be.
    private mutating func adopt(_ loaded: AgentStore.Loaded, held: UInt64) throws {
        let head = loaded.origin.place.firstSequence - 1
        #expect(head == UInt64(recorded.count), "seed \(seed): a commit was lost or invented")
        let stream = loaded.writing
        #expect(stream.acknowledged >= acknowledged, "seed \(seed)")
        let kept = stream.keptBehind.sequence
        #expect(kept >= pruned, "seed \(seed): what was pruned came back")
        acknowledged = stream.acknowledged
        notePruned(through: kept, held: held)
    }

    // MARK: What happens

    mutating func doSomething() throws {
        switch random.below(12) {
        case 0...3: try record(1 + random.below(8))
        case 4: try acknowledge()
        case 5: pass(Int64(random.below(60)) * Self.second)
        case 6:
            let offset = (Int64(random.below(2_000)) - 1_000) * 86_400 * Self.second
            device.state.withLock { $0.offset = offset }
            try keepUp()
        case 7: held = random.oneIn(3) ? 0 : UInt64(random.below(Int(acknowledged) + 1))
        case 8 where random.oneIn(3): try restart()
        case 9 where random.oneIn(2): try failPower()
        default: try keepUp()
        }
    }

    mutating func pass(_ microseconds: Int64) {
        device.state.withLock { $0.time += microseconds }
    }

    mutating func record(_ count: Int) throws {
        var commit = AgentCommit()
        let submissions = try (0..<count).map { _ in try submission() }
        guard let admission, let store else { return }
        let now = device.clocks().wall
        let first = admission.admission.nextSequence
        admission.admission.submit(submissions, waiter: 0, now: now) { _ in nil }
        commit.segments = admission.admission.seal()
        if random.oneIn(8) { commit.checkpoint = checkpoint(admission) }
        let durable: Durable
        do throws(StoreError) { durable = try store.commit(commit, now: now) } catch {
            guard case .full = error, pageCountMax != nil else { throw error }
            refusals += 1
            self.admission = Box(try store.load().origin, hasher)
            return
        }
        for (_, outcomes) in admission.admission.persisted(commit.segments, durable) {
            for (submission, outcome) in zip(submissions, outcomes) {
                guard case .accepted(let place, let time) = outcome else {
                    Issue.record("seed \(seed): \(outcome)")
                    return
                }
                let event = Event(
                    sequence: place.sequence, time: time, transaction: submission.transaction,
                    keyed: submission.keyed)
                recorded.append(Recorded(event: event, at: device.time, segmentEnd: 0))
            }
        }
        for sealed in commit.segments {
            for sequence in sealed.segment.header.sequences {
                recorded[Int(sequence) - 1].segmentEnd = sealed.end.sequence
            }
        }
        let next = admission.admission.nextSequence
        #expect(first + UInt64(count) == next, "seed \(seed)")
    }

    private mutating func submission() throws -> Submission {
        let posting = Posting(
            source: try AccountAddress("customers:\(random.below(20))"),
            destination: try AccountAddress("stores:\(random.below(5))"),
            asset: try Asset(random.oneIn(3) ? "KWH/3" : "EUR/2"),
            amount: try Amount(Int64(1 + random.below(1_000))))
        let reference = String(repeating: "r", count: random.below(200))
        let transaction = try Transaction(postings: [posting], reference: reference)
        guard random.oneIn(2) else { return Submission(transaction) }
        let key = try IdempotencyKey(scope: "till-1", key: "key-\(random.next())")
        let digest = RequestDigest(high: random.next(), low: random.next())
        return Submission(transaction, keyed: KeyedRequest(key: key, digest: digest))
    }

    private func checkpoint(_ box: Box) -> AgentCommit.Checkpoint {
        let taken = box.admission.takeCheckpoint()
        return AgentCommit.Checkpoint(
            balances: box.admission.balances, changedPages: taken.changedPages, keys: taken.keys,
            transactions: box.admission.transactions)
    }

    /// The aggregator acknowledges up to the end of some segment.
    private mutating func acknowledge() throws {
        guard !recorded.isEmpty else { return }
        let through = recorded[random.below(recorded.count)].segmentEnd
        guard through > acknowledged else {
            held = max(held, through)
            return
        }
        try writeReceipt(through)
    }

    mutating func holdAll() {
        do { try writeReceipt(UInt64(recorded.count)) } catch { Issue.record("\(error)") }
    }

    private mutating func writeReceipt(_ through: UInt64) throws {
        guard through > acknowledged else {
            held = through
            return
        }
        guard let store else { return }
        let now = device.clocks().wall
        var commit = AgentCommit()
        let point = ChainPoint(sequence: through, hash: .zero)
        let hub = StreamTag(genesisHash: .zero)
        let receipt = Receipt(
            stream: store.writing.tag, first: acknowledged + 1, through: point, hub: hub,
            position: 1, publishedAt: nil, attempt: 1, acknowledgedAt: now, receivedAt: now,
            committedAt: now, waitedFor: "")
        commit.acknowledged = [
            Acknowledged(
                stream: store.writing.tag, receipts: [receipt], placements: [], through: point,
                at: LogPlace(hub: hub, position: 1), clock: HybridTimestamp(rawValue: 0))
        ]
        _ = try store.commit(commit, now: now)
        acknowledged = through
        held = through
    }

    /// One step, and the checkpoint that it may ask for.
    mutating func keepUp() throws {
        if try step() == false { Issue.record("seed \(seed): a step failed") }
    }

    /// - Returns: whether the disk did what it was asked.
    private mutating func step() throws -> Bool {
        pass(upkeepPause)
        guard let store else { return false }
        let standing = Upkeep.Standing(
            stream: store.writing.tag, head: UInt64(recorded.count), acknowledged: acknowledged,
            held: held)
        steps += 1
        let isIdle = random.oneIn(2)
        switch upkeep?.step([standing], isIdle: isIdle) {
        case .pruned(let through)?: notePruned(through: through.sequence, held: held)
        case .needsCheckpoint?:
            guard let admission else { return true }
            var commit = AgentCommit()
            commit.checkpoint = checkpoint(admission)
            do { _ = try store.commit(commit, now: device.clocks().wall) } catch {
                return false
            }
        case .failed?: return false
        case .nothing?, nil: break
        }
        return true
    }

    /// So that a step is due.
    private var upkeepPause: Int64 { 2 * Self.second }

    private mutating func notePruned(through: UInt64, held: UInt64) {
        guard through > pruned else { return }
        #expect(through <= min(acknowledged, held), "seed \(seed): pruned what is not held")
        let age = device.time - recorded[Int(through) - 1].at
        #expect(age >= spans.segments - tolerance, "seed \(seed): pruned at the age of \(age)")
        #expect(recorded[Int(through) - 1].segmentEnd == through, "seed \(seed)")
        pruned = through
    }

    mutating func restart() throws {
        // The clock was looked at since it was set: within the minute, where it runs.
        try keepUp()
        #expect(store?.close() == nil, "seed \(seed)")
        store = nil
        try open()
    }

    /// The power fails at some I/O of the steps that follow.
    private mutating func failPower() throws {
        try keepUp()
        powercut_after(Int64(1 + random.below(40)))
        var isOn = true
        for _ in 0..<30 where isOn { isOn = try step() }
        powercut_after(0)
        _ = store?.close()
        store = nil
        #expect(powercut_restore(random.oneIn(2) ? POWERCUT_DROP : POWERCUT_SUBSET, seed) == 0)
        powerCuts += 1
        try open()
    }

    // MARK: What must hold

    func check() throws {
        guard let store, let admission else { return }
        checkBalances(admission.admission.balances)
        let stream = store.writing.tag
        #expect(try store.oldestRetained(of: stream) == pruned + 1, "seed \(seed)")
        for entry in recorded {
            let event = entry.event
            let place = EventPlace(stream: stream, sequence: event.sequence)
            let found = try store.event(place)?.event
            #expect(
                found?.transaction == (event.sequence > pruned ? event.transaction : nil),
                "seed \(seed), event \(event.sequence)")
            try checkKey(entry, store, admission)
        }
        try checkListing(store)
    }

    private func checkBalances(_ found: Balances) {
        var expected: [String: Int64] = [:]
        for posting in events.flatMap(\.transaction.postings) {
            let asset = posting.asset.description
            expected["\(posting.source) \(asset)", default: 0] -= posting.amount.units
            expected["\(posting.destination) \(asset)", default: 0] += posting.amount.units
        }
        var sums: [String: Int64] = [:]
        for cell in found.cells {
            sums["\(found.address(of: cell.account)) \(found.asset(cell.asset))"] = Int64(
                cell.input - cell.output)
        }
        #expect(sums == expected, "seed \(seed)")
    }

    /// A key is there for as long as it is promised, with what is needed to give its answer again.
    private func checkKey(_ entry: Recorded, _ store: AgentStore, _ box: Box) throws {
        guard let keyed = entry.event.keyed else { return }
        let inMemory = box.admission.keys[keyed.key]
        let found = try inMemory ?? store.keyRecord(keyed.key)
        guard let found else {
            #expect(
                device.time - entry.at >= spans.keys - tolerance,
                "seed \(seed): a young key is gone")
            return
        }
        #expect(found.place.sequence == entry.event.sequence, "seed \(seed)")
        #expect(found.digest == keyed.digest, "seed \(seed)")
        let time = try inMemory?.time ?? store.time(of: keyed.key)
        #expect(time == entry.event.time, "seed \(seed)")
    }

    /// Pages lead from the newest to the oldest that is kept, and end.
    private func checkListing(_ store: AgentStore) throws {
        var before: EventPlace?
        var listed: [UInt64] = []
        for _ in 0..<recorded.count + 2 {
            let page = try store.events(before: before, limit: 7, segmentsMax: 3) { _ in true }
            listed += page.events.map(\.place.sequence)
            guard let next = page.next else { break }
            before = next
        }
        let kept = pruned < UInt64(recorded.count) ? pruned + 1...UInt64(recorded.count) : nil
        #expect(listed == (kept.map { Array($0.reversed()) } ?? []), "seed \(seed)")
    }

    /// Of the database and its write-ahead log together.
    func fileByteCount() throws -> Int64 {
        let counts = try #require(store?.fileByteCounts)
        return counts.database + counts.log
    }

    mutating func verify() throws {
        #expect(store?.close() == nil)
        let report = try LogVerifier(hasher: hasher).verify(database: path)
        #expect(report.isSound, "seed \(seed): \(report.findings)")
        #expect(report.events == Int64(recorded.count) - Int64(pruned), "seed \(seed)")
    }
}
