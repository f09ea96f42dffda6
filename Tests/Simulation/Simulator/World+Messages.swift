import SyncProtocol
import TestSupport

/// Messages on their way: from a node to the broker, and from there to whoever has subscribed.
extension World {
    // MARK: From a node

    /// Hands a message to a node's transport.
    ///
    /// - Returns: false where it has no connection, or no room.
    func publish(_ node: Int, _ topic: Topic, _ bytes: [UInt8], isRetained: Bool = false) -> Bool {
        let transport = nodes[node].device.transport
        guard transport.isUp else { return false }
        guard !nodes[node].device.isDoomed else { return true }
        guard transport.outstanding < plan.pace.window else {
            mark(.windowFull)
            return false
        }
        nodes[node].device.transport.outstanding += 1
        let packet = Packet(
            node: node, epoch: transport.epoch, topic: topic, bytes: bytes, isRetained: isRetained)
        digest.feed(bytes)
        note { "\(self.name(node)) sends \(Words.message(bytes))" }
        send(packet, isUp: true)
        if nodes[node].device.crashPoint == .afterPublish { nodes[node].device.isDoomed = true }
        return true
    }

    private func send(_ packet: Packet, isUp: Bool) {
        let link = packet.node * 2 + (isUp ? 0 : 1)
        let arrival = network.arrival(packet.node, isUp: isUp, now: now)
        let fate = faults.fate(ofMessageOn: link)
        for copy in fate.copies {
            var arriving = packet
            if var random = copy.damage { arriving = packet.damaged(&random) }
            arriving.isLate = copy.isLate
            let at = arrival + copy.delay
            if copy.isLate { lastLate = max(lastLate, at) }
            timeline.add(isUp ? .atBroker(arriving) : .atClient(arriving), at: at)
        }
        if isUp, !fate.copies.contains(where: { !$0.isLate }) {
            // What a broker loses, or holds back, it has taken.
            after(2 * network.latency(packet.node), packet.node, .delivered(epoch: packet.epoch))
        }
        if trace != nil, fate.copies.count != 1 || fate.copies[0].delay > 0 {
            note { "    … \(Words.fate(fate))" }
        }
    }

    // MARK: At the broker

    func arriveAtBroker(_ packet: Packet) {
        digest.feed(UInt64(packet.node) << 1)
        guard broker.isUp else { return }
        guard network.isUpOpen(packet.node) || packet.isLate else {
            network.keep(packet, isUp: true)
            return
        }
        let client = nodes[packet.node].client
        if packet.isLate {
            mark(.late)
        } else if broker.isCurrent(client, node: packet.node, epoch: packet.epoch) {
            after(network.latency(packet.node), packet.node, .delivered(epoch: packet.epoch))
        } else {
            // Of a connection that the broker has closed: its other end will hear of it.
            mark(.wrongConnection)
            let lost = NodeEvent.connectionLost(epoch: packet.epoch)
            return after(network.latency(packet.node), packet.node, lost)
        }
        if packet.isRetained { broker.retain(packet.topic, packet.bytes) }
        adversary.saw(packet.topic, packet.bytes)
        route(packet.topic, packet.bytes, isLate: packet.isLate)
    }

    /// Gives a message to all that have subscribed to its topic.
    func route(_ topic: Topic, _ bytes: [UInt8], isLate: Bool = false) {
        var isTaken = false
        for client in broker.subscribers(topic) {
            guard let connection = broker.connection(client) else {
                if isLate, client == 0 || topic != .hub { hold(client, topic, bytes) }
                continue
            }
            isTaken = true
            guard connection.node != Broker.intruder else { continue }
            let packet = Packet(
                node: connection.node, epoch: connection.epoch, topic: topic, bytes: bytes)
            send(packet, isUp: false)
        }
        if !isTaken { mark(.nobodySubscribed) }
    }

    private func hold(_ client: Int, _ topic: Topic, _ bytes: [UInt8]) {
        let named = nodes.indices.filter { nodes[$0].client == client }
        guard let node = named.first(where: { nodes[$0].device.isRunning }) ?? named.first else {
            return
        }
        var packet = Packet(node: node, epoch: 0, topic: topic, bytes: bytes)
        packet.isLate = true
        held.append(packet)
    }

    // MARK: At a node

    func arriveAtClient(_ packet: Packet) {
        let node = nodes[packet.node]
        digest.feed(UInt64(packet.node) << 1 | 1)
        guard node.device.isRunning, node.device.transport.isUp, network.isDownOpen(packet.node)
        else {
            // What was held back for days waits for whom it is for.
            if packet.isLate { held.append(packet) } else { network.keep(packet, isUp: false) }
            return
        }
        guard packet.isLate || node.device.transport.epoch == packet.epoch else { return }
        guard !node.device.isStalled else { return node.device.missed.append(.packet(packet)) }
        if packet.isLate { mark(.late) }
        digest.feed(packet.bytes)
        note { "\(self.name(packet.node)) gets \(Words.message(packet.bytes))" }
        node.received(packet)
        if node.device.isDoomed { crash(packet.node, at: .afterPublish) }
        tickSoon(packet.node)
    }

    /// A node is connected: what was held back for it comes now, in any order.
    private func releaseHeld(_ node: Int) {
        guard held.contains(where: { $0.node == node }) else { return }
        let mine = held.filter { $0.node == node }
        held.removeAll { $0.node == node }
        for packet in mine { after(network.latency(node), .atClient(packet)) }
    }
}

// MARK: Connections

extension World {
    /// What the transport makes of an event.
    ///
    /// - Returns: whether the node is to hear of it.
    func passesTransport(_ number: Int, _ event: NodeEvent) -> Bool {
        switch event {
        case .attempt:
            attempt(number)
            return false
        case .connected(let epoch): return connected(number, epoch: epoch)
        case .connectionLost(let epoch): return connectionLost(number, epoch: epoch)
        case .keepAliveEnds(let epoch):
            guard !network.isOpen(number) else { return false }
            mark(.keepAliveFailed)
            if connectionLost(number, epoch: epoch) {
                nodes[number].handle(.connectionLost(epoch: epoch))
            }
            return false
        case .delivered(let epoch):
            let transport = nodes[number].device.transport
            guard transport.isUp, transport.epoch == epoch else { return false }
            nodes[number].device.transport.outstanding = max(0, transport.outstanding - 1)
            return true
        case .crashes(let point):
            if !faults.isCalm { crash(number, at: point) }
            return false
        default: return true
        }
    }

    /// The node wants a connection from now on.
    func wantConnection(_ number: Int) {
        after(network.latency(number), number, .attempt)
    }

    private func attempt(_ number: Int) {
        guard !nodes[number].device.transport.isUp else { return }
        guard broker.isUp, network.isOpen(number) else {
            nodes[number].device.transport.isWaiting = true
            nodes[number].device.transport.failures += 1
            return
        }
        nodes[number].device.transport.isWaiting = false
        nodes[number].device.transport.epoch += 1
        let epoch = nodes[number].device.transport.epoch
        after(2 * network.latency(number), number, .connected(epoch: epoch))
    }

    /// - Returns: whether it is connected now.
    private func connected(_ number: Int, epoch: Int) -> Bool {
        let node = nodes[number]
        guard epoch == node.device.transport.epoch, !node.device.transport.isUp else {
            return false
        }
        guard broker.isUp, network.isOpen(number) else {
            retry(number)
            return false
        }
        node.device.transport.isUp = true
        node.device.transport.outstanding = 0
        node.device.transport.connectedAt = now
        let connection = Broker.Connection(node: number, epoch: epoch, will: node.will)
        if let before = broker.connect(node.client, connection) { close(before, of: node.client) }
        if node.client == 0 {
            for (topic, bytes) in broker.retainedMessages {
                mark(.retainedDelivered)
                send(Packet(node: number, epoch: epoch, topic: topic, bytes: bytes), isUp: false)
            }
        }
        releaseHeld(number)
        return true
    }

    /// The broker closes a connection because another one came under its id.
    private func close(_ connection: Broker.Connection, of client: Int) {
        publishWill(connection)
        guard connection.node != Broker.intruder else { return }
        if nodes[connection.node].device.transport.isUp,
            nodes[connection.node].device.transport.epoch == connection.epoch
        {
            mark(.takenOver)
            let lost = NodeEvent.connectionLost(epoch: connection.epoch)
            after(network.latency(connection.node), connection.node, lost)
        }
    }

    func publishWill(_ connection: Broker.Connection) {
        guard let will = connection.will else { return }
        mark(.willPublished)
        broker.retain(will.topic, will.bytes)
        route(will.topic, will.bytes)
    }

    /// The node's connection is gone, and it knows.
    ///
    /// - Returns: whether it had that one.
    private func connectionLost(_ number: Int, epoch: Int) -> Bool {
        let node = nodes[number]
        guard node.device.transport.isUp, node.device.transport.epoch == epoch else { return false }
        node.device.transport.isUp = false
        if now - node.device.transport.connectedAt >= Transport.stableAfter {
            node.device.transport.failures = 0
        }
        noticeAtBroker(number, epoch: epoch)
        retry(number)
        return true
    }

    /// Tries again after a pause: at least none, at most the doubled one.
    private func retry(_ number: Int) {
        nodes[number].device.transport.failures += 1
        var random = dice.sequence(.link, number, nodes[number].device.transport.epoch)
        let backoff = nodes[number].device.transport.backoff
        after(random.between(0, backoff), number, .attempt)
    }

    /// The broker sees a closed connection at once where there is a way, else by its keepalive.
    func noticeAtBroker(_ number: Int, epoch: Int) {
        let client = nodes[number].client
        guard broker.isCurrent(client, node: number, epoch: epoch) else { return }
        let delay =
            network.isUpOpen(number) ? network.latency(number) : plan.pace.keepAlive * 3 / 2
        after(delay, .world(.brokerDrops(client: client, epoch: epoch)))
    }

    func brokerDrops(_ client: Int, epoch: Int) {
        guard let connection = broker.connection(client), connection.epoch == epoch,
            connection.node != Broker.intruder
        else { return }
        broker.disconnect(client)
        publishWill(connection)
        let node = nodes[connection.node]
        guard node.device.isRunning, node.device.transport.isUp,
            node.device.transport.epoch == epoch
        else { return }
        // It closes its end, which the other hears of where there is a way.
        let lost = NodeEvent.connectionLost(epoch: epoch)
        if network.isDownOpen(connection.node) {
            after(network.latency(connection.node), connection.node, lost)
        }
    }

    /// A way is open again. What a connection had under way when it was cut comes now, where the
    /// network is one that sends again; else it is lost, and only its place in the window is free.
    private func bringKept(_ number: Int) {
        for (packet, isUp) in network.takeKept(number) {
            let transport = nodes[number].device.transport
            guard transport.isUp, transport.epoch == packet.epoch else { continue }
            if plan.pace.isOrdered {
                let at = network.arrival(number, isUp: isUp, now: now)
                timeline.add(isUp ? .atBroker(packet) : .atClient(packet), at: at)
            } else if isUp {
                after(network.latency(number), number, .delivered(epoch: packet.epoch))
            }
        }
    }

    /// Those that wait for a way try again soon, not all at once.
    func pathsOpened() {
        for number in nodes.indices where network.isOpen(number) { bringKept(number) }
        for number in nodes.indices where nodes[number].device.transport.isWaiting {
            guard nodes[number].device.isRunning, broker.isUp, network.isOpen(number) else {
                continue
            }
            nodes[number].device.transport.isWaiting = false
            var random = dice.sequence(.link, number, nodes[number].device.transport.epoch)
            after(random.between(0, nodes[number].device.transport.backoff), number, .attempt)
        }
    }
}

extension Packet {
    /// With some of its bits flipped, or cut off.
    fileprivate func damaged(_ random: inout SplitMix64) -> Packet {
        var bytes = bytes
        random.damage(&bytes, in: 0..<bytes.count)
        return Packet(
            node: node, epoch: epoch, topic: topic, bytes: bytes, isRetained: isRetained)
    }
}
