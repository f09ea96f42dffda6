import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// An agent: its disk, the thread that writes as `GroupCommit` decides, and the thread that ships as
/// `Outbox` does.
///
/// What differs from the production's threads is only what a simulator must have in its hand: the disk
/// takes time, each thread wakes some time after its mailbox got something, and both stop where the
/// power does.
final class SimulatedAgent: SimulatedNode {
    /// What the thread that writes finds in its mailbox.
    enum Work {
        case record([Submission], isGroup: Bool, Ticket, Request)
        case look(AccountAddress, Ticket)
        case errand(Errand)
    }

    /// What the thread that ships finds in its mailbox, beside messages.
    enum Report {
        case report(CommitReport)
        case wanted(AccountAddress)
    }

    struct Waiter: Sendable {
        let ticket: Ticket
        /// Of the requests that wait.
        let request: Int
    }

    /// The write under way.
    enum Writing {
        case commit
        case draw(Genesis)
        /// Of a segment that nobody asked for.
        case odd(OddSegment)
    }

    unowned let world: World
    var device: Device
    /// Its name's number, which copies share.
    let name: Int
    let id: AgentID
    let signer: ToySigner
    let hasher = ToyHasher()
    var random: SplitMix64
    var disk: VirtualDisk<AgentContents>

    // The thread that writes.
    var commits: GroupCommit<Waiter>
    var writing: Writing?
    var isWriting: Bool { disk.isWriting }
    var work: [Work] = []
    var isWriterAwake = false
    var requests: [Int: Request] = [:]
    var requestCount = 0
    var looks: [(AccountAddress, Ticket)] = []
    var retention: Retention
    var upkeepDue = SteadyTime(microseconds: 0)

    // The thread that ships.
    var outbox: Outbox
    var reports: [Report] = []
    var isShipperAwake = false
    /// By stream, the last event that the aggregator of a session of this run said that it holds.
    var held: [StreamTag: UInt64] = [:]

    /// - Parameter contents: of its disk; nil for a device that is new.
    init(_ world: World, _ device: Device, name: Int, contents: AgentContents? = nil) {
        self.world = world
        self.device = device
        self.name = name
        guard let id = try? AgentID("till-\(name)") else { preconditionFailure("till-\(name)") }
        self.id = id
        signer = ToySigner(UInt64(name))
        random = world.dice.sequence(.node, device.number, -1)
        let contents =
            contents ?? AgentContents(genesis: SimulatedAgent.found(id, signer, &random))
        disk = VirtualDisk(contents)
        retention = Retention(world.plan.retention, saved: nil, now: device.clock.reading(at: 0))
        commits = SimulatedAgent.commits(contents, world.plan.agentLimits)
        outbox = SimulatedAgent.outbox(contents, id, signer, world.plan.agentLimits)
    }

    static func found(
        _ id: AgentID, _ signer: ToySigner, _ random: inout SplitMix64
    ) -> Genesis {
        Genesis(
            writer: .agent, ledger: "market", agent: id,
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
    }

    private static func commits(
        _ contents: AgentContents, _ limits: AgentLimits
    ) -> GroupCommit<Waiter> {
        GroupCommit(
            contents.origin(), streams: contents.records,
            tail: contents.tail(limits.ownTailBytesMax),
            merged: MergedBalances(contents.merged, limits: limits), hub: contents.hubs.last,
            limits: limits, hasher: ToyHasher())
    }

    private static func outbox(
        _ contents: AgentContents, _ id: AgentID, _ signer: ToySigner, _ limits: AgentLimits
    ) -> Outbox {
        let device = Outbox.Device(
            agent: id, ledger: "market", softwareVersion: "simulated", signer: signer,
            hasher: ToyHasher(), verifier: ToyVerifier())
        return Outbox(device, records: contents.records, hubs: contents.hubs, limits: limits)
    }

    var limits: AgentLimits { world.plan.agentLimits }
    var client: Int { name }
    var contents: AgentContents { _read { yield disk.contents } }
    var now: ClockReading { device.clock.reading(at: world.now) }

    var will: (topic: Topic, bytes: [UInt8])? { (.status(name), status(isOnline: false)) }

    private func status(isOnline: Bool) -> [UInt8] {
        Outbox.status(
            isOnline: isOnline, stream: contents.tag, head: contents.writing.head, at: now.wall,
            signer: signer, hasher: hasher
        ).encoded()
    }

    // MARK: Life

    func start() {
        if contents.mustDraw {
            world.mark(.drewAtStart)
            let genesis = SimulatedAgent.found(id, signer, &random)
            let end = StreamEnd(.restored, detail: "from a backup", at: now.wall)
            disk.write(.draw(genesis, end))
        }
        commits = SimulatedAgent.commits(contents, limits)
        outbox = SimulatedAgent.outbox(contents, id, signer, limits)
        retention = Retention(world.plan.retention, saved: contents.retention, now: now)
        upkeepDue = now.steady
    }

    func crash() {
        var random = world.dice.sequence(.disk, device.number, device.life)
        disk.decay { $0.now = world.now }
        switch disk.crash(&random) {
        case .nothing: break
        case .lost: world.mark(.writeLost)
        case .torn: world.mark(.writeTorn)
        case .reordered: world.mark(.writeReordered)
        case .whole: world.mark(.writeKept)
        }
        forget()
    }

    func stop() {
        _ = world.publish(
            device.number, .status(name), status(isOnline: false), isRetained: true)
        forget()
    }

    /// What was only in memory is gone.
    private func forget() {
        writing = nil
        work = []
        requests = [:]
        reports = []
        isWriterAwake = false
        isShipperAwake = false
        looks = []
        held = [:]
    }

    /// Another disk, with nothing on it: a new stream under the same name.
    func loseDisk() {
        disk.replace(
            with: AgentContents(genesis: SimulatedAgent.found(id, signer, &random)))
    }

    // MARK: Events

    func handle(_ event: NodeEvent) {
        switch event {
        case .writerWakes:
            isWriterAwake = false
            write()
        case .written(let isDurable): written(isDurable)
        case .shipperWakes:
            isShipperAwake = false
            ship()
        case .connected: perform(outbox.connected(waited: nil, now: now, &random))
        case .connectionLost: perform(outbox.disconnected())
        case .delivered: perform(outbox.transportHasRoom(now: now, &random))
        case .tick:
            perform(outbox.tick(now: now, &random))
            write()
            writeOddly()
        case .start, .attempt, .keepAliveEnds, .resumes, .crashes: break
        }
        noteHeld()
    }

    func received(_ packet: Packet) {
        guard let frame = try? Frame(decoding: packet.bytes) else {
            return world.mark(.brokenFrame)
        }
        if Frame.Kind(rawValue: frame.kind) == nil { world.mark(.unknownFrame) }
        perform(outbox.received(frame, now: now, &random))
        noteHeld()
    }

    /// What pruning may go by.
    private func noteHeld() {
        for stream in outbox.streams {
            if let held = stream.session.held { self.held[stream.tag] = held }
        }
    }

    func post(_ item: Work) {
        work.append(item)
        guard !isWriterAwake else { return }
        isWriterAwake = true
        world.after(random.between(0, world.plan.pace.handOverMax), device.number, .writerWakes)
    }

    func report(_ item: Report) {
        reports.append(item)
        guard !isShipperAwake else { return }
        isShipperAwake = true
        world.after(random.between(0, world.plan.pace.handOverMax), device.number, .shipperWakes)
    }
}
