import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// The aggregator: its disk, and the thread that drives `Hub` as `Intake` does.
final class SimulatedAggregator: SimulatedNode {
    unowned let world: World
    var device: Device
    let client = 0
    let will: (topic: Topic, bytes: [UInt8])? = nil
    var random: SplitMix64
    var disk: VirtualDisk<AggregatorContents>
    var isWriting: Bool { disk.isWriting }

    var mailbox: [(topic: Topic, bytes: [UInt8])] = []
    var isAwake = false
    var hub: Hub
    /// The commit under way.
    private var commitUnderWay: HubCommit?
    let ids: [AgentID]
    private var names: [AgentID: Int] = [:]
    /// The store failed: everything is to be read again.
    var isSpent = false
    var isTurnDue = false
    /// A stream of which the log cannot be read.
    var rotten: StreamTag?
    /// Its key is on the disk.
    private var signer: ToySigner { ToySigner(contents.key) }
    private let hubName: AgentID

    init(_ world: World, _ device: Device) {
        self.world = world
        self.device = device
        guard let hubName = try? AgentID("hub") else { preconditionFailure("hub is a name") }
        self.hubName = hubName
        random = world.dice.sequence(.node, 0, -1)
        let signer = ToySigner(0)
        let genesis = SimulatedAggregator.found(hubName, signer, &random)
        disk = VirtualDisk(AggregatorContents(hub: genesis, key: 0))
        hub = SimulatedAggregator.hub(disk.contents, world, device, signer)
        ids = (1...world.plan.agentCount).compactMap { try? AgentID("till-\($0)") }
        for (index, id) in ids.enumerated() { names[id] = index + 1 }
    }

    private static func found(
        _ name: AgentID, _ signer: ToySigner, _ random: inout SplitMix64
    ) -> Genesis {
        Genesis(
            writer: .hub, ledger: "market", agent: name,
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
    }

    /// An empty disk.
    func newContents(key: UInt64) -> AggregatorContents {
        AggregatorContents(
            hub: SimulatedAggregator.found(hubName, ToySigner(key), &random), key: key)
    }

    private static func hub(
        _ contents: AggregatorContents, _ world: World, _ device: Device, _ signer: ToySigner
    ) -> Hub {
        let parts = Hub.Parts(
            limits: world.plan.aggregatorLimits, hasher: ToyHasher(), verifier: ToyVerifier(),
            signer: signer)
        return Hub(contents.origin, parts, now: device.clock.reading(at: world.now).wall)
    }

    var limits: AggregatorLimits { world.plan.aggregatorLimits }
    var contents: AggregatorContents { _read { yield disk.contents } }
    var now: ClockReading { device.clock.reading(at: world.now) }
    var ledger: GlobalLedger { hub.ledger }
    /// Whether all that it took is written.
    var isIdle: Bool { !isWriting && !hub.hasPending && !isSpent }

    // MARK: Life

    func start() {
        world.watch.hubWall = max(world.watch.hubWall, now.wall.microseconds)
        hub = SimulatedAggregator.hub(contents, world, device, signer)
        isSpent = false
        world.checkLoaded(self)
    }

    /// Fold and sessions as the store has them.
    private func reload() {
        hub.reload(contents.origin, now: now)
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
        isTurnDue = false
        commitUnderWay = nil
    }

    // MARK: Events

    func handle(_ event: NodeEvent) {
        world.watch.hubWall = max(world.watch.hubWall, now.wall.microseconds)
        switch event {
        case .writerWakes:
            isAwake = false
            work()
        case .written(let isDurable): written(isDurable)
        case .connected: hub.connected()
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
        while count < mailbox.count, !hub.isFull {
            receive(mailbox[count].topic, mailbox[count].bytes)
            count += 1
        }
        mailbox.removeFirst(count)
        commit()
        if !isWriting { tellOfAccounts() }
    }

    private func tick() {
        isTurnDue = true
        guard !isWriting else { return }
        if isSpent { reload() }
        perform(hub.tick(now: now, &random))
    }

    func receive(_ topic: Topic, _ bytes: [UInt8]) {
        guard let name = topic.name, name <= ids.count else { return }
        if isSpent { reload() }
        look(at: bytes)
        perform(hub.received(bytes, from: ids[name - 1], now: now, &random))
    }

    // MARK: Committing

    private func commit() {
        guard !isSpent, let commit = hub.takeCommit(now: now) else { return }
        mark(commit)
        commitUnderWay = commit
        disk.begin(commit, pageCount: commit.pageCount)
        world.beginWrite(0, isLarge: true)
    }

    private func written(_ isDurable: Bool) {
        guard isDurable, let commit = commitUnderWay else {
            // What is in memory ran ahead of the store. Agents send again what is not acknowledged.
            world.mark(.foldsReloaded)
            disk.rollBack()
            commitUnderWay = nil
            isSpent = true
            return work()
        }
        commitUnderWay = nil
        disk.sync()
        world.logGrew(self)
        if device.crashPoint == .afterWrite { return world.crash(0, at: .afterWrite) }
        let end = contents.whole.count
        perform(
            hub.persisted(
                Durable(position: Int64(end)), positions: commit.positions(endingAt: end), now: now)
        )
        if !isWriting { tellOfAccounts() }
        work()
    }

    // MARK: Accounts down

    private func tellOfAccounts() {
        guard isTurnDue, !isSpent, !hub.hasPending, device.isRunning else { return }
        isTurnDue = false
        let window = device.transport.isUp ? world.plan.pace.window / 2 : 0
        let room = window - device.transport.outstanding
        hub.tellOfAccounts(messagesMax: room, now: now) { [self] frame, agent in
            guard let name = names[agent] else { return true }
            let isTaken = world.publish(0, .down(name), frame.encoded())
            if isTaken { world.mark(.snapshotSent) }
            return isTaken
        }
    }

    // MARK: Actions

    func perform(_ actions: [Hub.Action]) {
        for action in actions { perform(action) }
    }

    private func perform(_ action: Hub.Action) {
        world.note { Words.action(action).map { "    hub \($0)" } ?? "" }
        switch action {
        case .send(let frame, let agent):
            guard let name = names[agent] else { return }
            mark(frame)
            _ = world.publish(0, .down(name), frame.encoded())
        case .announce(let frame, let shard):
            // All agents of this world listen to one.
            if shard == 0 { _ = world.publish(0, .hub, frame.encoded()) }
        case .lookUp(let lookUp, let stream):
            world.mark(.lookedUp)
            guard stream != rotten else {
                return perform(hub.found(nil, of: stream, now: now))
            }
            let answer = contents.answer(lookUp, of: stream)
            let names = hub.needsNames(answer, to: lookUp, of: stream).map {
                contents.names(of: stream, leadingTo: $0)
            }
            perform(hub.found(answer, names: names ?? [], of: stream, now: now))
        case .fetch(let span):
            let segment = span.stream == rotten ? nil : contents.segment(of: span)
            let names = segment.map {
                contents.names(of: span.stream, leadingTo: $0.header.dictionary)
            }
            perform(hub.fetched(span, segment, names: names ?? [], now: now))
        case .decided: break
        case .note(let note): mark(note)
        }
    }
}

extension HubCommit {
    var pageCount: Int {
        hubSegments.count + arrivals.reduce(0) { $0 + $1.run.segments.count } + 2
    }

    /// Where each arrival's first segment stands in a log that ends with them.
    func positions(endingAt end: Int) -> [Int64] {
        var position = end - arrivals.reduce(0) { $0 + $1.run.segments.count } + 1
        return arrivals.map { arrival in
            defer { position += arrival.run.segments.count }
            return Int64(position)
        }
    }
}
