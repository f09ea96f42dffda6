import TestSupport

/// Processes begin, end and stand still; disks fill and are lost; clocks are set.
extension World {
    func begin(_ number: Int) {
        let node = nodes[number]
        guard !node.device.isRunning else { return }
        node.device.isRunning = true
        node.device.isStalled = false
        node.device.missed = []
        node.device.crashPoint = nil
        let life = node.device.life
        var random = dice.sequence(.node, number, life << 1)
        node.device.clock.restart(at: now, steady: random.between(0, Plan.day))
        note { "\(self.name(number)) starts" }
        node.start()
        wantConnection(number)
        tickSoon(number)
    }

    /// The power fails, now or at the next moment of that kind.
    func crashSoon(_ number: Int, _ random: inout SplitMix64) {
        let point =
            random.pick([.now, .duringWrite, .duringWrite, .afterWrite, .afterPublish])
            as CrashPoint
        nodes[number].device.crashPoint = point
        if point == .now { crash(number, at: .now) }
    }

    func crash(_ number: Int, at point: CrashPoint) {
        let node = nodes[number]
        guard node.device.isRunning else { return }
        switch point {
        case .now, .afterPublish: break
        case .duringWrite: mark(.crashBeforeWrite)
        case .afterWrite: mark(.crashAfterWrite)
        }
        note { "\(self.name(number)) CRASHES (\(point))" }
        node.crash()
        end(number)
        var random = dice.sequence(.node, number, node.device.life << 1 | 1)
        after(random.logarithmic(10_000, 600 * Plan.second), number, .start)
    }

    /// The process is gone; what it had asked for reaches nobody.
    func end(_ number: Int) {
        let node = nodes[number]
        node.device.isRunning = false
        node.device.crashPoint = nil
        node.device.isDoomed = false
        node.device.life += 1
        let transport = node.device.transport
        node.device.transport.isUp = false
        node.device.transport.isWaiting = false
        node.device.ticker = Ticker()
        if transport.isUp { noticeAtBroker(number, epoch: transport.epoch) }
    }

    func restart(_ number: Int, _ random: inout SplitMix64) {
        let node = nodes[number]
        guard node.device.isRunning, !node.device.isStalled, !node.isWriting else { return }
        note { "\(self.name(number)) is restarted" }
        node.stop()
        end(number)
        after(random.logarithmic(10_000, 60 * Plan.second), number, .start)
    }

    func stall(_ number: Int, _ random: inout SplitMix64) {
        let node = nodes[number]
        guard node.device.isRunning, !node.device.isStalled else { return }
        node.device.isStalled = true
        after(random.logarithmic(10_000, 30 * Plan.second), number, .resumes)
    }

    func fillDisk(_ number: Int, _ random: inout SplitMix64) {
        nodes[number].device.isDiskFull = true
        let end = random.logarithmic(100_000, 60 * Plan.second)
        after(end, .world(.diskHasRoom(number)))
    }

    /// What the clock says now; and what it says after the next start, where it is one without a
    /// battery.
    func spoilClock(_ kind: FaultKind, _ random: inout SplitMix64) {
        let number = random.below(nodes.count)
        switch kind {
        case .clockJump:
            let distance = random.logarithmic(1_000, 400 * Plan.day)
            nodes[number].device.clock.jump(by: random.oneIn(2) ? distance : -distance, at: now)
        case .clockDrift:
            let parts = random.between(-500, 500)
            nodes[number].device.clock.drift(partsPerMillion: parts, at: now)
        case .clock1970: nodes[number].device.clock.set(to: random.between(0, Plan.day), at: now)
        default:
            let end = Int64(Int32.max) * Plan.second
            nodes[number].device.clock.set(to: end - random.between(0, 10 * Plan.second), at: now)
        }
    }

    /// The device's disk is exchanged for an empty one, with all that was on it.
    func loseDisk(_ number: Int, _ random: inout SplitMix64) {
        guard let agent = nodes[number] as? SimulatedAgent else { return }
        halt(number)
        let before = agent.contents
        agent.loseDisk()
        exchanged(number, before, agent.contents)
        note { "\(self.name(number)) has a new disk" }
        after(random.logarithmic(10_000, 60 * Plan.second), number, .start)
    }

    // MARK: The end

    /// From here on nothing fails any more. What is on its way still arrives.
    func calmDown() {
        note { "the faults stop" }
        faults.isCalm = true
        network.mendAll()
        broker.start()
        for number in nodes.indices {
            let node = nodes[number]
            node.device.isDiskFull = false
            node.device.crashPoint = nil
            if node.device.isStalled { after(0, number, .resumes) }
            if !node.device.isRunning { after(Plan.second, number, .start) }
        }
        beginTurns()
        replaceHub()
        for client in clients { client.finish() }
        pathsOpened()
    }

    /// Everybody goes home until then; no fault, and nothing is lost by it.
    func closeUntil(_ end: Int64) {
        note { "closed until \(Words.time(end))" }
        for node in nodes.indices {
            network.cut(node, up: true, down: true)
            after(0, node, .connectionLost(epoch: nodes[node].device.transport.epoch))
        }
        timeline.add(.world(.opens), at: end)
    }
}
