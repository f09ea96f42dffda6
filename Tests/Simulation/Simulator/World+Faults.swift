import TestSupport

/// What strikes at a moment.
extension World {
    func strike(_ misfortune: Plan.Misfortune) {
        let id = misfortune.id
        guard faults.happens(id) else { return }
        digest.feed(UInt64(id.kind.number) << 32 | UInt64(id.ordinal))
        note { "FAULT \(id)" }
        var random = dice.sequence(.misfortune, id.kind.number, id.ordinal)
        switch id.kind {
        case .partition: cutSome(&random, up: true, down: true)
        case .oneWayUp: cutSome(&random, up: true, down: false)
        case .oneWayDown: cutSome(&random, up: false, down: true)
        case .silence: keepSilent(&random)
        case .swizzle: swizzle(&random)
        case .night: night(id.ordinal)
        case .brokerRestart: restartBroker(forgetting: false, &random)
        case .brokerAmnesia: restartBroker(forgetting: true, &random)
        case .takeover: takeOver(&random)
        case .agentCrash: crashSoon(anAgent(&random), &random)
        case .aggregatorCrash: crashSoon(0, &random)
        case .restart: restart(random.below(nodes.count), &random)
        case .stall: stall(random.below(nodes.count), &random)
        case .diskFull: fillDisk(random.below(nodes.count), &random)
        case .clockJump, .clockDrift, .clock1970, .clock2038: spoilClock(id.kind, &random)
        case .agentDiskLoss: loseDisk(anAgent(&random), &random)
        case .agentRestore, .agentRestoreTwice: restore(id.kind, anAgent(&random), &random)
        case .agentClone: clone(anAgent(&random), &random)
        case .agentBitRot: rot(anAgent(&random), &random)
        case .aggregatorRestore, .aggregatorRestoreTwice: restore(id.kind, 0, &random)
        case .aggregatorDiskLoss: loseHub(&random)
        case .aggregatorBitRot: rotHub(&random)
        case .replayedUp, .replayedDown, .alteredUp, .alteredHello, .alteredDown, .forgedUp,
            .forgedDown, .newerFrame:
            injectFrame(id.kind, &random)
        default: preconditionFailure("\(id.kind) does not strike at a moment")
        }
    }

    private func anAgent(_ random: inout SplitMix64) -> Int {
        1 + random.below(nodes.count - 1)
    }

    func handle(_ event: WorldEvent) {
        switch event {
        case .cut(let node, let up, let down, let end):
            guard !faults.isCalm else { return }
            cut(node, up: up, down: down, until: end)
        case .mend(let node, let up, let down):
            guard !faults.isCalm else { return }
            network.mend(node, up: up, down: down)
            note { "\(self.name(node)): the way is open again" }
            pathsOpened()
        case .brokerDrops(let client, let epoch): brokerDrops(client, epoch: epoch)
        case .brokerStarts:
            guard !broker.isUp else { return }
            broker.start()
            note { "the broker is up" }
            pathsOpened()
        case .intruderReturns(let client, let times): intrude(client, times: times)
        case .diskHasRoom(let node): nodes[node].device.isDiskFull = false
        case .images: takeImages()
        case .hubReplaced: replaceHub()
        case .putBack(let node, let image, let isMarked):
            guard !faults.isCalm else { return }
            putBack(node, image: image, isMarked: isMarked)
        case .opens:
            network.mendAll()
            pathsOpened()
        }
    }

    // MARK: Ways

    private func cutSome(_ random: inout SplitMix64, up: Bool, down: Bool) {
        let node = random.below(nodes.count)
        let end = now + random.logarithmic(50_000, 60 * Plan.second)
        cut(node, up: up, down: down, until: end)
        noticeCut(node, &random)
    }

    /// - Parameter end: when the way opens again.
    func cut(_ node: Int, up: Bool, down: Bool, until end: Int64) {
        network.cut(node, up: up, down: down)
        note { "\(self.name(node)): cut \(up ? "up" : "") \(down ? "down" : "")" }
        timeline.add(.world(.mend(node, up: up, down: down)), at: end)
    }

    /// Some see it at once, others only by their keepalive, where it lasts so long.
    func noticeCut(_ node: Int, _ random: inout SplitMix64) {
        let transport = nodes[node].device.transport
        guard transport.isUp else { return }
        let patience = plan.pace.keepAlive * 3 / 2
        let lost = NodeEvent.connectionLost(epoch: transport.epoch)
        if random.oneIn(2) {
            after(random.between(0, 100_000), node, lost)
        } else {
            after(patience, node, .keepAliveEnds(epoch: transport.epoch))
        }
        let client = nodes[node].client
        if !network.isUpOpen(node) {
            let drops = WorldEvent.brokerDrops(client: client, epoch: transport.epoch)
            after(patience + random.between(0, Plan.second), .world(drops))
        }
    }

    /// Nothing flows and nobody notices: somewhere between, pings are answered.
    private func keepSilent(_ random: inout SplitMix64) {
        let node = random.below(nodes.count)
        let end = now + random.logarithmic(Plan.second, 300 * Plan.second)
        cut(node, up: true, down: random.oneIn(2), until: end)
    }

    /// Several come off one after the other, and back in another order.
    private func swizzle(_ random: inout SplitMix64) {
        let chosen = nodes.indices.filter { _ in random.oneIn(2) }
        for node in chosen {
            let start = random.between(0, 2 * Plan.second)
            let end = now + start + random.logarithmic(100_000, 20 * Plan.second)
            after(start, .world(.cut(node, up: true, down: true, until: end)))
        }
    }

    /// Everything is closed until the next day's work.
    private func night(_ index: Int) {
        let morning = plan.windows[index + 1].start
        for node in nodes.indices {
            cut(node, up: true, down: true, until: morning)
            after(0, node, .connectionLost(epoch: nodes[node].device.transport.epoch))
        }
    }

    // MARK: The broker

    private func restartBroker(forgetting: Bool, _ random: inout SplitMix64) {
        guard broker.isUp else { return }
        broker.stop(forgettingRetained: forgetting)
        for number in nodes.indices where nodes[number].device.transport.isUp {
            let epoch = nodes[number].device.transport.epoch
            after(network.latency(number), number, .connectionLost(epoch: epoch))
        }
        after(random.logarithmic(10_000, 30 * Plan.second), .world(.brokerStarts))
    }

    /// Somebody else connects under a client's id, and takes its messages until it is pushed out
    /// again.
    private func takeOver(_ random: inout SplitMix64) {
        let node = random.below(nodes.count)
        intrude(nodes[node].client, times: 1 + random.below(4))
    }

    private func intrude(_ client: Int, times: Int) {
        guard !faults.isCalm, times > 0, broker.isUp, let before = broker.connection(client)
        else { return }
        guard before.node != Broker.intruder else { return }
        let intruder = Broker.Connection(node: Broker.intruder, epoch: 0, will: nil)
        _ = broker.connect(client, intruder)
        mark(.takenOver)
        publishWill(before)
        let lost = NodeEvent.connectionLost(epoch: before.epoch)
        after(network.latency(before.node), before.node, lost)
        after(Plan.second, .world(.intruderReturns(client: client, times: times - 1)))
    }
}
