import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// An agent: its disk, the thread that writes with `Admission`, and the thread that ships with
/// `OutboxSession`, as `CommitThread` and `Shipper` drive them.
///
/// What differs from those is only what a simulator must have in its hand: the disk takes time, each
/// thread wakes some time after its mailbox got something, and both stop where the power does.
final class SimulatedAgent: SimulatedNode {
    /// What the thread that writes finds in its mailbox.
    enum Work {
        case record([Submission], Ticket, Request)
        case group([Submission], Ticket, Request)
        case look(AccountAddress, Ticket)
        case snapshot(AccountSnapshot, session: UInt64)
        case receipt(through: UInt64)
        case session(UInt64, leaves: [ChainPoint], announced: ChainPoint)
        case see(Seen)
        case promise(acknowledged: UInt64)
        case stop
    }

    /// What the thread that ships finds in its mailbox, beside messages.
    enum Report {
        case appended(ChainPoint, byteCount: Int)
        case prepared(session: UInt64, found: ChainPoint?, hasAnnounced: Bool, byteCount: Int)
        case promised(HybridTimestamp?, acknowledged: UInt64)
        case unusable(number: UInt64, session: UInt64)
        case wanted(AccountAddress)
    }

    struct Waiter: Sendable {
        let ticket: Ticket
        /// Of the requests that wait.
        let index: Int
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
    var admission: Admission<Waiter>
    var isSpent = false
    var isWriting: Bool { disk.isWriting }
    var work: [Work] = []
    var isWriterAwake = false
    var requests: [Request] = []
    var pending = AgentContents.Change()
    var pendingSince: SteadyTime?
    var stagedSince: SteadyTime?
    var sessions: [(number: UInt64, leaves: [ChainPoint], announced: ChainPoint)] = []
    var looks: [(AccountAddress, Ticket)] = []
    var snapshots: [(AccountSnapshot, session: UInt64)] = []
    var promises: [Promise] = []
    var merged: MergedBalances
    var tail: OwnTail
    var retention: Retention
    var upkeepDue = SteadyTime(microseconds: 0)
    var segmentsSinceCheckpoint = 0
    var isStopped = false
    /// A segment under way that no client asked for.
    var odd: OddSegment?
    /// The last event whose acknowledgement is durable.
    var durablyAcknowledged: UInt64 = 0

    struct Promise {
        let acknowledged: UInt64
        var time: HybridTimestamp?
    }

    // The thread that ships.
    var reports: [Report] = []
    var isShipperAwake = false
    var session: OutboxSession
    var inbox: SnapshotInbox
    var watermarks: WatermarkPacer
    var seen = Seen.nothing
    /// Of the last hello, for the proof behind it.
    var greeting: Hash256?
    var head: ChainPoint
    var acknowledged: ChainPoint
    /// What the aggregator of the session said that it holds.
    var held: UInt64 = 0
    var backlogBytes = 0

    init(_ world: World, _ device: Device, name: Int) {
        self.world = world
        self.device = device
        self.name = name
        guard let id = try? AgentID("till-\(name)") else { preconditionFailure("till-\(name)") }
        self.id = id
        signer = ToySigner(UInt64(name))
        random = world.dice.sequence(.node, device.number, -1)
        disk = VirtualDisk(AgentContents(genesis: SimulatedAgent.found(id, signer, &random)))
        let limits = world.plan.agentLimits
        admission = Admission(disk.contents.origin(), hasher: hasher)
        merged = MergedBalances(limits: limits)
        tail = OwnTail(head: 0, byteCountMax: limits.ownTailBytesMax)
        retention = Retention(world.plan.retention, saved: nil, now: device.clock.reading(at: 0))
        head = disk.contents.head
        acknowledged = ChainPoint(sequence: 0, hash: .zero)
        session = OutboxSession(
            stream: disk.contents.tag, head: head, released: 0, lastSession: 0, limits: limits)
        inbox = SnapshotInbox(limits: limits)
        watermarks = WatermarkPacer(limits: limits)
    }

    private static func found(
        _ id: AgentID, _ signer: ToySigner, _ random: inout SplitMix64
    ) -> Genesis {
        Genesis(
            writer: .agent, ledger: "market", agent: id,
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
    }

    var limits: AgentLimits { world.plan.agentLimits }
    var client: Int { name }
    var contents: AgentContents { _read { yield disk.contents } }
    var now: ClockReading { device.clock.reading(at: world.now) }

    var will: (topic: Topic, bytes: [UInt8])? { (.status(name), status(isOnline: false)) }

    func status(isOnline: Bool) -> [UInt8] {
        let message = Message.status(
            Status(isOnline: isOnline, stream: contents.tag, head: head, at: now.wall))
        let content = message.framed(session: 0).signedContent(hasher)
        return message.framed(session: 0, signature: signer.sign(content)).encoded()
    }

    // MARK: Life

    func start() {
        let origin = contents.origin()
        admission = Admission(origin, hasher: hasher)
        merged = MergedBalances(contents.merged, limits: limits)
        tail = ownTail()
        retention = Retention(world.plan.retention, saved: contents.retention, now: now)
        upkeepDue = now.steady
        head = contents.head
        durablyAcknowledged = contents.acknowledged
        acknowledged = ChainPoint(sequence: durablyAcknowledged, hash: .zero)
        backlogBytes = contents.byteCount(behind: durablyAcknowledged)
        session = OutboxSession(
            stream: contents.tag, head: head, released: durablyAcknowledged,
            lastSession: contents.lastSession, limits: limits)
        inbox = SnapshotInbox(limits: limits)
        watermarks = WatermarkPacer(limits: limits)
    }

    private func ownTail() -> OwnTail {
        let after = contents.acknowledged
        let index = contents.index(behind: after)
        let behind = contents.segments[index...]
        let begins = behind.first.map { $0.segment.header.firstSequence == after + 1 } ?? true
        let byteCount = behind.reduce(0) { $0 + $1.segment.bytes.count }
        guard begins, byteCount <= limits.ownTailBytesMax else {
            return OwnTail(head: contents.head.sequence, byteCountMax: limits.ownTailBytesMax)
        }
        var tail = OwnTail(head: after, byteCountMax: limits.ownTailBytesMax)
        for sealed in behind { tail.append(sealed.segment) }
        return tail
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
        work = []
        requests = []
        reports = []
        isWriterAwake = false
        isShipperAwake = false
        isSpent = false
        pending = AgentContents.Change()
        pendingSince = nil
        stagedSince = nil
        sessions = []
        looks = []
        snapshots = []
        promises = []
        isStopped = false
        odd = nil
        seen = .nothing
        held = 0
        segmentsSinceCheckpoint = 0
    }

    /// Another disk, with nothing on it: a new stream under the same name.
    func loseDisk() {
        world.oracle.forget(agent: name)
        world.destroyed(contents.segments, of: self)
        let genesis = SimulatedAgent.found(id, signer, &random)
        disk.replace(with: AgentContents(genesis: genesis))
        head = contents.head
    }

    func lastTime(of segment: Segment) -> HybridTimestamp {
        contents.lastTime(of: segment)
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
        case .connected:
            _ = world.publish(
                device.number, .status(name), status(isOnline: true), isRetained: true)
            perform(session.connected(now: now.steady, &random))
        case .connectionLost: session.disconnected()
        case .delivered: perform(session.transportHasRoom())
        case .tick:
            tickShipper()
            write()
            writeOddly()
        case .start, .attempt, .keepAliveEnds, .resumes, .crashes: break
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
