import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// The aggregator: its disk, and the thread that merges with `StreamSession` and `GlobalLedger`, as
/// `Intake` and `Fleet` drive them.
final class SimulatedAggregator: SimulatedNode {
    unowned let world: World
    var device: Device
    let client = 0
    let will: (topic: Topic, bytes: [UInt8])? = nil
    let signer = ToySigner(0)
    let hasher = ToyHasher()
    let verifier = ToyVerifier()
    let hubName: AgentID
    var random: SplitMix64
    var disk: VirtualDisk<AggregatorContents>
    var isWriting: Bool { disk.isWriting }

    var mailbox: [(topic: Topic, bytes: [UInt8])] = []
    var isAwake = false
    var sessions: [StreamTag: StreamSession] = [:]
    /// In the order of their first greetings: dictionaries have none.
    var tags: [StreamTag] = []
    /// By agent: the stream of its last greeting.
    var greetings: [AgentID: StreamTag] = [:]
    /// Agents in the order of their first words.
    var known: [AgentID] = []
    let ids: [AgentID]
    var names: [AgentID: Int] = [:]
    var ledger = GlobalLedger()
    var schedule: SnapshotSchedule
    var pending = AggregatorContents.Change()
    var arrivals: [(stream: StreamTag, first: UInt64, position: Int)] = []
    var pendingBytes = 0
    var touched: [(tag: StreamTag, receivedAt: Timestamp)] = []
    var watermarked: [StreamTag] = []
    var watermarkedSince: SteadyTime?
    var isSpent = false
    var isTurnDue = false
    var mustSayUp = false
    var segmentsSinceCheckpoint = 0

    init(_ world: World, _ device: Device) {
        self.world = world
        self.device = device
        guard let hubName = try? AgentID("hub") else { preconditionFailure("hub is a name") }
        self.hubName = hubName
        random = world.dice.sequence(.node, 0, -1)
        let genesis = Genesis(
            writer: .hub, ledger: "market", agent: hubName,
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
        disk = VirtualDisk(AggregatorContents(hub: genesis))
        schedule = SnapshotSchedule(limits: world.plan.aggregatorLimits)
        ids = (1...world.plan.agentCount).compactMap { try? AgentID("till-\($0)") }
        for (index, id) in ids.enumerated() { names[id] = index + 1 }
    }

    var limits: AggregatorLimits { world.plan.aggregatorLimits }
    var contents: AggregatorContents { _read { yield disk.contents } }
    var now: ClockReading { device.clock.reading(at: world.now) }
    var hub: Seen { Seen(hub: contents.tag, position: 0) }

    // MARK: Life

    func start() {
        load()
    }

    /// Fold and sessions as the store has them.
    func load() {
        ledger = contents.ledger()
        sessions = [:]
        tags = contents.tags
        for tag in tags {
            guard let known = contents.streams[tag], let record = contents.record(tag) else {
                continue
            }
            sessions[tag] = StreamSession(
                genesis: known.genesis, ends: known.ends, record: record, limits: limits,
                hasher: hasher, verifier: verifier)
            if !self.known.contains(known.genesis.agent) { self.known.append(known.genesis.agent) }
        }
        greetings = [:]
        schedule = SnapshotSchedule(limits: limits)
        watermarked = []
        watermarkedSince = nil
        isSpent = false
        world.checkLoaded(self)
    }

    func crash() {
        var random = world.dice.sequence(.disk, 0, device.life)
        switch disk.crash(&random) {
        case .nothing: break
        case .lost: world.mark(.writeLost)
        case .torn: world.mark(.writeTorn)
        case .reordered: world.mark(.writeReordered)
        case .whole: world.mark(.writeKept)
        }
        world.logGrew(self)
        forget()
    }

    func stop() {
        forget()
    }

    private func forget() {
        mailbox = []
        isAwake = false
        clearPending()
        mustSayUp = false
        isTurnDue = false
        segmentsSinceCheckpoint = 0
    }

    func clearPending() {
        pending = AggregatorContents.Change()
        arrivals = []
        pendingBytes = 0
        touched = []
    }

    // MARK: Events

    func handle(_ event: NodeEvent) {
        switch event {
        case .writerWakes:
            isAwake = false
            work()
        case .written(let isDurable): written(isDurable)
        case .connected: mustSayUp = true
        case .tick:
            tick()
            work()
        case .start, .shipperWakes, .attempt, .keepAliveEnds, .connectionLost, .delivered,
            .resumes, .crashes:
            break
        }
    }

    func received(_ packet: Packet) {
        guard mailbox.count < limits.intakeQueueMax else { return }
        mailbox.append((packet.topic, packet.bytes))
        guard !isAwake else { return }
        isAwake = true
        world.after(random.between(0, world.plan.pace.handOverMax), 0, .writerWakes)
    }

    /// One turn of the thread. While a write is under way it stands still.
    func work() {
        guard device.isRunning, !isWriting else { return }
        var count = 0
        while count < mailbox.count, !isFull {
            receive(mailbox[count].topic, mailbox[count].bytes)
            count += 1
        }
        mailbox.removeFirst(count)
        commit()
        if !isWriting { tellOfAccounts() }
    }

    private var isFull: Bool {
        arrivals.count >= limits.messagesPerCommitMax || pendingBytes >= limits.bytesPerCommitMax
    }

    private func tick() {
        isTurnDue = true
        if mustSayUp {
            mustSayUp = false
            let notice = HubNotice(isUp: true, hub: hub, at: now.wall)
            let frame = Message.hub(notice).framed(session: 0).signed(by: signer, hasher)
            _ = world.publish(0, .hub, frame.encoded())
        }
        guard !isWriting, !isSpent else { return }
        for tag in tags { perform(session(tag) { $0.tick(now: now) }, tag) }
    }

    func session(
        _ tag: StreamTag, _ event: (inout StreamSession) -> [StreamSession.Action]
    ) -> [StreamSession.Action] {
        guard let index = sessions.index(forKey: tag) else { return [.drop(.notInSession)] }
        return event(&sessions.values[index])
    }

    // MARK: Committing

    private func commit() {
        guard !isSpent else { return }
        if segmentsSinceCheckpoint >= limits.segmentsPerCheckpoint { addCheckpoint() }
        if !pending.isEmpty || isWatermarkDue { addWatermarks() }
        guard !pending.isEmpty else { return }
        disk.begin(pending, pageCount: pending.pageCount)
        world.beginWrite(0, isLarge: true)
    }

    private func addCheckpoint() {
        world.mark(.checkpoint)
        _ = ledger.takeChangedPages()
        pending.checkpoint = ledger
    }

    private var isWatermarkDue: Bool {
        watermarkedSince.map { now.steady.microseconds(since: $0) >= limits.watermarkDelayMax }
            ?? false
    }

    private func addWatermarks() {
        for tag in watermarked {
            guard let session = sessions[tag] else { continue }
            pending.records.append((tag, session.record))
            touch(tag)
        }
        watermarked = []
        watermarkedSince = nil
    }

    func touch(_ tag: StreamTag) {
        guard !touched.contains(where: { $0.tag == tag }) else { return }
        touched.append((tag, now.wall))
    }

    private func written(_ isDurable: Bool) {
        guard isDurable else {
            // What is in memory ran ahead of the store. Agents send again what is not acknowledged.
            world.mark(.foldsReloaded)
            disk.rollBack()
            clearPending()
            isSpent = true
            return work()
        }
        disk.sync()
        world.logGrew(self)
        if device.crashPoint == .afterWrite { return world.crash(0, at: .afterWrite) }
        succeed()
        if !isWriting { tellOfAccounts() }
        work()
    }

    private func succeed() {
        let durable = Durable(position: Int64(contents.log.count))
        var runs: [StreamTag: [Ack.Run]] = [:]
        for arrival in arrivals {
            runs[arrival.stream, default: []].append(
                Ack.Run(firstSequence: arrival.first, position: UInt64(arrival.position)))
        }
        segmentsSinceCheckpoint =
            pending.checkpoint == nil ? segmentsSinceCheckpoint + pending.segments.count : 0
        let concerned = touched
        clearPending()
        for (tag, receivedAt) in concerned {
            for action in session(tag, { $0.persisted(durable) }) {
                if case .sendAck(let number, let point) = action {
                    sendAck(number, point, tag, runs: runs[tag] ?? [], receivedAt)
                } else {
                    perform([action], tag)
                }
            }
        }
    }

    // MARK: Accounts down

    private func tellOfAccounts() {
        guard isTurnDue, !isSpent, pending.isEmpty, device.isRunning else { return }
        isTurnDue = false
        let place = SnapshotSchedule.Place(
            hub: contents.tag, position: UInt64(contents.log.count), now: now)
        let room = world.plan.pace.window / 2 - device.transport.outstanding
        schedule.turn(
            place, &ledger, messagesMax: room,
            progress: { [self] in sessions[$0]?.progress },
            send: { [self] outgoing in
                guard let name = names[outgoing.agent] else { return true }
                world.mark(.snapshotSent)
                let frame = Message.accountSnapshot(outgoing.message).framed(
                    session: outgoing.session
                ).signed(by: signer, hasher)
                return world.publish(0, .down(name), frame.encoded())
            })
    }
}

extension StreamSession {
    fileprivate var progress: SnapshotSchedule.Progress? {
        provedSession.map {
            SnapshotSchedule.Progress(
                session: $0, committed: committed.sequence,
                lag: record.announced.sequence - min(record.announced.sequence, committed.sequence))
        }
    }
}
