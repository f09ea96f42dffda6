import AgentCore
import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// Agents and a hub that tells them of their accounts, over a network that loses, doubles, reorders
/// and delays, with restarts on both sides and a hub that is restored.
final class SnapshotWorld {
    /// What an agent's disk keeps.
    private struct Disk {
        var segments: [SealedSegment] = []
        var dictionary = StreamDictionary()
        var balances = Balances()
        var merged: [MergedBalances.Place: MergedBalances.Others] = [:]
    }

    private final class Agent {
        let id: AgentID
        let origin: Hash256
        var disk = Disk()
        var admission: Admission<Int>
        var merged: MergedBalances
        var tail: OwnTail
        var inbox: SnapshotInbox
        /// The session under way; 0 while offline.
        var session: UInt64 = 0
        var lastSession: UInt64 = 0
        /// How far each place has come, as this agent's clients saw it.
        var seen: [MergedBalances.Place: MergedBalances.AsOf] = [:]

        init(_ number: Int, _ origin: Hash256, _ limits: AgentLimits) throws {
            id = try AgentID("till-\(number)")
            self.origin = origin
            admission = SnapshotWorld.admission(Disk(), origin)
            merged = MergedBalances(limits: limits)
            tail = OwnTail(head: 0, byteCountMax: limits.ownTailBytesMax)
            inbox = SnapshotInbox(limits: limits)
        }

        var tag: StreamTag { StreamTag(genesisHash: origin) }
        var head: UInt64 { disk.segments.last?.end.sequence ?? 0 }
    }

    private typealias Sums = [MergedBalances.Place: OwnTail.Sums]

    private struct Flying {
        let agent: Int
        let bytes: [UInt8]
    }

    private var random: SplitMix64
    private var agents: [Agent] = []
    private var log: [(agent: Int, segment: Segment, sums: Sums)] = []
    /// Of the log, what is durable.
    private var durable = 0
    private var hub: StreamTag
    private var ledger = GlobalLedger()
    private var schedule: SnapshotSchedule
    private var flying: [Flying] = []
    private var now = ClockReading(
        wall: Timestamp(microseconds: 1_760_000_000_000_000), steady: SteadyTime(microseconds: 0))
    private var isCalm = false
    private let places: [MergedBalances.Place]
    private let agentLimits: AgentLimits
    private let hubLimits: AggregatorLimits
    private(set) var faults: [String] = []
    private(set) var told = 0
    private(set) var asked = 0

    init(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var agentLimits = AgentLimits()
        agentLimits.ownTailBytesMax = [600, 2000, 1 << 20][random.below(3)]
        agentLimits.missingSnapshotsMax = [2, 256][random.below(2)]
        var hubLimits = AggregatorLimits()
        hubLimits.snapshotBytesMax = [100, 300, 16 << 10][random.below(3)]
        hubLimits.snapshotMessagesPerTurnMax = 1 + random.below(4)
        hubLimits.snapshotNoticesPerTurnMax = [4, 16_384][random.below(2)]
        self.agentLimits = agentLimits
        self.hubLimits = hubLimits
        let accounts = try (0..<4).map { try AccountAddress("stores:\($0)") } + [.world]
        let assets = [try Asset("EUR/2"), try Asset("KWH/3")]
        places = accounts.flatMap { account in
            assets.map { MergedBalances.Place(account: account, asset: $0) }
        }
        hub = random.streamTag()
        schedule = SnapshotSchedule(limits: hubLimits)
        for number in 0..<3 {
            agents.append(try Agent(number, random.hash(), agentLimits))
        }
        self.random = random
    }

    private static func admission(_ disk: Disk, _ origin: Hash256) -> Admission<Int> {
        let last = disk.segments.last
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: origin),
            firstSequence: (last?.end.sequence ?? 0) + 1, previous: last?.hash ?? origin,
            seen: .nothing, dictionary: last?.segment.header.dictionary ?? .empty)
        return Admission(
            AdmissionOrigin(
                place: place, dictionary: disk.dictionary, balances: disk.balances,
                latest: HybridTimestamp(rawValue: 0), keys: [:], transactions: 0),
            hasher: PlainSHA256())
    }

    // MARK: Running

    func step() throws {
        now = now.advanced(byMicroseconds: Int64(random.below(120_000)))
        if random.oneIn(100) {
            let distance = Int64(random.below(7_200_000_000)) - 3_600_000_000
            now.wall = now.wall.advanced(byMicroseconds: distance)
        }
        let index = random.below(agents.count)
        switch random.below(isCalm ? 8 : 40) {
        case 0, 1: merge(index)
        case 2, 3: turn()
        case 4, 5: deliver()
        case 6: tick(index)
        case 7: if isCalm || random.oneIn(3) { write(index) }
        case 8...13: merge(index)
        case 14...17: turn()
        case 18...23: deliver()
        case 24...29: try commit(index)
        case 30, 31, 32: if agents[index].session == 0 { connect(index) }
        case 33: disconnect(index)
        case 34: if random.oneIn(3) { restart(index) }
        case 35: if random.oneIn(4) { crashHub() }
        case 36: if random.oneIn(10) { restoreHub() }
        default: write(index)
        }
        check(index, [places[random.below(places.count)]])
    }

    /// Nothing fails any more and nobody records: everybody comes to know everything.
    func settle() throws {
        isCalm = true
        for index in agents.indices where agents[index].session == 0 { connect(index) }
        for _ in 0..<3_000 { try step() }
        for index in agents.indices {
            while merge(index) {}
        }
        for _ in 0..<3_000 { try step() }
        for index in agents.indices { check(index, places) }
    }

    // MARK: Agents

    private func commit(_ index: Int) throws {
        let submissions = try (0...random.below(3)).map { _ in
            let source = places[random.below(places.count)]
            let posting = Posting(
                source: source.account, destination: places[random.below(places.count)].account,
                asset: source.asset, amount: try Amount(Int64(1 + random.below(500))))
            return Submission(try Transaction(postings: [posting]))
        }
        agents[index].admission.submit(submissions, waiter: 0, now: now.wall) { _ in nil }
        let sealed = agents[index].admission.seal()
        _ = agents[index].admission.persisted(sealed, Durable(position: 0))
        agents[index].disk.segments += sealed
        agents[index].disk.dictionary = agents[index].admission.dictionary
        agents[index].disk.balances = agents[index].admission.balances
        for one in sealed { agents[index].tail.append(one.segment) }
        if random.oneIn(2) { write(index) }
    }

    /// What was staged becomes durable.
    private func write(_ index: Int) {
        agents[index].disk.merged.merge(agents[index].merged.staged) { _, new in new }
        agents[index].merged.persisted(Durable(position: 0))
    }

    private func restart(_ index: Int) {
        disconnect(index)
        let disk = agents[index].disk
        agents[index].admission = SnapshotWorld.admission(disk, agents[index].origin)
        agents[index].merged = MergedBalances(disk.merged, limits: agentLimits)
        agents[index].tail = OwnTail(
            head: agents[index].head, byteCountMax: agentLimits.ownTailBytesMax)
        agents[index].inbox = SnapshotInbox(limits: agentLimits)
    }

    private func connect(_ index: Int) {
        agents[index].lastSession += 1
        agents[index].session = agents[index].lastSession
        agents[index].inbox.follow(
            session: agents[index].session, of: agents[index].tag, hub: hub)
        schedule.began(
            agents[index].id, stream: agents[index].tag, session: agents[index].session)
    }

    private func disconnect(_ index: Int) {
        agents[index].session = 0
        agents[index].inbox.follow(session: nil, of: agents[index].tag, hub: nil)
        if random.oneIn(2) { schedule.ended(agents[index].id) }
    }

    private func tick(_ index: Int) {
        let isCaughtUp = agents[index].head == committed(index)
        let ask = agents[index].inbox.tick(
            now: now.steady, isCaughtUp: isCaughtUp, stream: agents[index].tag, &random)
        guard let ask, isCalm || !random.oneIn(3) else { return }
        asked += 1
        schedule.asked(
            agents[index].id, ask.request, session: ask.session, ledger.balances)
    }

    // MARK: The hub

    private func merged(_ index: Int) -> UInt64 {
        log.last { $0.agent == index }?.segment.header.lastSequence ?? 0
    }

    private func committed(_ index: Int) -> UInt64 {
        log[..<durable].last { $0.agent == index }?.segment.header.lastSequence ?? 0
    }

    @discardableResult
    private func merge(_ index: Int) -> Bool {
        guard agents[index].session > 0 else { return false }
        let merged = merged(index)
        guard
            let next = agents[index].disk.segments.first(where: {
                $0.segment.header.firstSequence == merged + 1
            })
        else { return false }
        _ = ledger.merge(next.segment)
        log.append((index, next.segment, sums(of: next.segment, by: index)))
        return true
    }

    private func turn() {
        durable = log.count
        var sent: [Flying] = []
        let agents = agents
        let slots = Dictionary(uniqueKeysWithValues: agents.enumerated().map { ($1.tag, $0) })
        let fails = !isCalm && random.oneIn(10)
        schedule.turn(
            SnapshotSchedule.Place(hub: hub, position: UInt64(durable), now: now), &ledger,
            messagesMax: 8,
            streams: { agent in agents.filter { $0.id == agent }.map(\.tag) },
            progress: { tag in
                guard let index = slots[tag], agents[index].session > 0 else { return nil }
                return SnapshotSchedule.Progress(
                    session: agents[index].session, committed: self.committed(index), lag: 0)
            },
            send: { outgoing in
                guard let index = agents.firstIndex(where: { $0.id == outgoing.agent }),
                    !fails
                else { return false }
                let frame = Message.accountSnapshot(outgoing.message).framed(
                    session: outgoing.session)
                sent.append(Flying(agent: index, bytes: frame.encoded()))
                return true
            })
        told += sent.count
        flying += sent
    }

    private func deliver() {
        guard !flying.isEmpty else { return }
        let index = isCalm ? 0 : random.below(min(flying.count, 6))
        let message = flying[index]
        if isCalm || !random.oneIn(5) { flying.remove(at: index) }
        if !isCalm, random.oneIn(6) { return }
        guard let frame = try? Frame(decoding: message.bytes),
            case .accountSnapshot(let snapshot)? = try? Message(frame)
        else {
            faults.append("a snapshot cannot be read")
            return
        }
        receive(snapshot, frame.session, message.agent)
    }

    private func receive(_ snapshot: AccountSnapshot, _ session: UInt64, _ index: Int) {
        guard agents[index].inbox.received(snapshot, session: session) else { return }
        let refusal = agents[index].merged.take(
            snapshot, stream: agents[index].tag, own: agents[index].admission.balances,
            tail: &agents[index].tail, dictionary: agents[index].admission.dictionary)
        switch refusal {
        case .tooFarBehind: agents[index].inbox.unusable(snapshot.number, session: session)
        case .impossible: faults.append("an honest snapshot was refused")
        case nil: break
        }
    }

    private func crashHub() {
        log.removeLast(log.count - durable)
        reload()
    }

    private func restoreHub() {
        log.removeLast(random.below(log.count + 1))
        hub = random.streamTag()
        reload()
    }

    private func reload() {
        durable = log.count
        ledger = GlobalLedger()
        for entry in log { _ = ledger.merge(entry.segment) }
        schedule = SnapshotSchedule(limits: hubLimits)
        for index in agents.indices { disconnect(index) }
    }

    // MARK: What must hold

    /// Every balance is all of the agent's own events and those of others up to a position that only
    /// rises while the hub is the same.
    private func check(_ index: Int, _ places: [MergedBalances.Place]) {
        let agent = agents[index]
        for place in places {
            let view = agent.merged.account(place.account, own: agent.admission.balances)
            guard let balance = view?.balances.first(where: { $0.asset == place.asset }) else {
                continue
            }
            let own = agent.disk.balances.sums(of: place.account, in: place.asset)
            if balance.local != own.input - own.output { faults.append("the own share is wrong") }
            checkPosition(balance.asOf, place, index)
            // Positions of a hub that is gone say nothing of this log.
            guard balance.asOf == nil || balance.asOf?.hub == hub else { continue }
            let others = others(than: index, place, through: Int(balance.asOf?.position ?? 0))
            if balance.input != own.input + others.input
                || balance.output != own.output + others.output
            {
                faults.append("\(place.account) is not own events and others' through a position")
            }
        }
    }

    private func checkPosition(
        _ asOf: MergedBalances.AsOf?, _ place: MergedBalances.Place, _ index: Int
    ) {
        if let before = agents[index].seen[place] {
            guard let asOf else { return faults.append("what was known is not known any more") }
            if asOf.hub == before.hub, asOf.position < before.position {
                faults.append("\(place.account) went back")
            }
        }
        agents[index].seen[place] = asOf
    }

    private func others(
        than index: Int, _ place: MergedBalances.Place, through position: Int
    ) -> OwnTail.Sums {
        var sums = OwnTail.Sums()
        for entry in log.prefix(position) where entry.agent != index {
            guard let moved = entry.sums[place] else { continue }
            sums.input += moved.input
            sums.output += moved.output
        }
        return sums
    }

    private func sums(of segment: Segment, by index: Int) -> Sums {
        let names = agents[index].admission.dictionary.definitions
        var sums = Sums()
        for case .event(let event) in segment.events(name: { names[Int($0)] }) {
            for posting in event.transaction.postings {
                let units = Int128(posting.amount.units)
                let source = MergedBalances.Place(account: posting.source, asset: posting.asset)
                sums[source, default: OwnTail.Sums()].output += units
                let destination = MergedBalances.Place(
                    account: posting.destination, asset: posting.asset)
                sums[destination, default: OwnTail.Sums()].input += units
            }
        }
        return sums
    }

    /// Accounts that an agent uses and does not know as the merged ledger does.
    func differences() -> [String] {
        agents.flatMap { agent in
            agent.admission.balances.accounts.flatMap { account in
                let cells = ledger.balances.cells(of: account) ?? []
                let view = agent.merged.account(account, own: agent.admission.balances)
                return cells.compactMap { cell -> String? in
                    let asset = ledger.balances.asset(cell.asset)
                    let found = view?.balances.first { $0.asset == asset }
                    let isSame =
                        found?.input == cell.input && found?.output == cell.output
                        && found?.asOf?.hub == hub
                    return isSame ? nil : "\(agent.id): \(account) in \(asset)"
                }
            }
        }
    }
}
