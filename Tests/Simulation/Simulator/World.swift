import LedgerCore
import TestSupport

/// What may happen next.
enum Item {
    case node(Int, life: Int, NodeEvent)
    case atBroker(Packet)
    case atClient(Packet)
    case client(Int, ClientEvent)
    case misfortune(Plan.Misfortune)
    case world(WorldEvent)
}

enum WorldEvent {
    case mend(Int, up: Bool, down: Bool)
    case cut(Int, up: Bool, down: Bool, until: Int64)
    /// The broker notices that a connection is dead.
    case brokerDrops(client: Int, epoch: Int)
    case brokerStarts
    /// Everybody's folder is copied away.
    case images
    /// A copy of a folder is put back.
    case putBack(node: Int, image: Int, isMarked: Bool)
    case intruderReturns(client: Int, times: Int)
    case diskHasRoom(Int)
    /// Somebody sees that the aggregator's log cannot be read.
    case hubReplaced
    /// The network is there again, for all.
    case opens
}

/// One run: agents, a broker, an aggregator and clients, all stepped by one timeline.
///
/// **Overview.** A step takes the next item and lets whom it concerns act; whatever follows is put on
/// the timeline. Nothing else moves time, and nothing draws a number but from the run's dice, so a
/// seed is a run. The cores decide; the nodes are shells around them; the network, the disks and the
/// clocks fail as the plan says; the oracle watches.
final class World {
    let plan: Plan
    let dice: Dice
    let places: Places
    private(set) var now: Int64 = 0
    private(set) var steps = 0
    var timeline = Timeline<Item>()
    var faults: FaultInjector
    var digest = StepDigest()
    private(set) var marks = [Int](repeating: 0, count: Mark.allCases.count)
    var network: Network
    var broker = Broker()
    var adversary: Adversary
    var oracle: Oracle
    var nodes: [any SimulatedNode] = []
    var clients: [SimulatedClient] = []
    /// Copies of folders, by node, the oldest first.
    var agentImages: [Int: [AgentContents]] = [:]
    var hubImages: [AggregatorContents] = []
    /// Late messages for whom nobody is connected.
    var held: [Packet] = []
    private(set) var violation: Violation?
    /// What the checks know of the aggregator's log.
    var watch = LogWatch()
    /// The last moment at which something that was held back may come.
    var lastLate: Int64 = 0
    /// Told what happens, in words, where somebody listens.
    let trace: ((String) -> Void)?

    init(_ plan: Plan, only: Set<FaultID>?, clientsMax: Int?, trace: ((String) -> Void)?) {
        self.plan = plan
        self.trace = trace
        dice = Dice(seed: plan.seed)
        places = Places.market
        faults = FaultInjector(plan, only: only)
        network = Network(plan)
        adversary = Adversary(plan)
        oracle = Oracle()
        populate(clientsMax ?? .max)
        for misfortune in plan.misfortunes {
            timeline.add(.misfortune(misfortune), at: misfortune.at)
        }
    }

    private func populate(_ clientsMax: Int) {
        add(SimulatedAggregator(self, Device(number: 0)))
        for name in 1...plan.agentCount {
            add(SimulatedAgent(self, Device(number: name), name: name))
        }
        for index in 0..<min(clientsMax, plan.agentCount * plan.clientsPerAgent) {
            let agent = 1 + index % plan.agentCount
            clients.append(SimulatedClient(self, number: index, node: agent))
        }
        for node in nodes.indices { begin(node) }
        for client in clients { client.begin() }
        for at in plan.imageTimes { timeline.add(.world(.images), at: at) }
    }

    func add(_ node: some SimulatedNode) {
        precondition(node.device.number == nodes.count, "nodes are numbered in their order")
        nodes.append(node)
        network.addNode()
    }

    var aggregator: SimulatedAggregator {
        guard let aggregator = nodes[0] as? SimulatedAggregator else {
            preconditionFailure("the first node is the aggregator")
        }
        return aggregator
    }

    var agents: [SimulatedAgent] { nodes.compactMap { $0 as? SimulatedAgent } }

    // MARK: Steps

    /// Lets the next thing happen.
    ///
    /// - Returns: false where nothing is left, or what holds no longer holds.
    func step() -> Bool {
        guard violation == nil, let (at, item) = timeline.take() else { return false }
        now = max(now, at)
        steps += 1
        digest.feed(now)
        perform(item)
        return violation == nil
    }

    private func perform(_ item: Item) {
        switch item {
        case .node(let number, let life, let event): wake(number, life, event)
        case .atBroker(let packet): arriveAtBroker(packet)
        case .atClient(let packet): arriveAtClient(packet)
        case .client(let number, let event): clients[number].handle(event)
        case .misfortune(let misfortune): strike(misfortune)
        case .world(let event): handle(event)
        }
    }

    private func wake(_ number: Int, _ life: Int, _ event: NodeEvent) {
        let node = nodes[number]
        guard node.device.life == life else { return }
        if case .start = event { return begin(number) }
        guard node.device.isRunning else { return }
        if case .resumes = event { return resume(number) }
        guard !node.device.isStalled else { return node.device.missed.append(.event(event)) }
        digest.feed(UInt64(number))
        if case .tick(let generation) = event {
            guard generation == node.device.ticker.generation else { return }
            node.handle(event)
            if node.device.isDoomed { crash(number, at: .afterPublish) }
            return tickLater(number)
        }
        note { "\(self.name(number)): \(event)" }
        if passesTransport(number, event) { node.handle(event) }
        if node.device.isDoomed { crash(number, at: .afterPublish) }
        tickSoon(number)
    }

    /// A process that stood still sees at once what happened meanwhile.
    private func resume(_ number: Int) {
        let node = nodes[number]
        let missed = node.device.missed
        node.device.missed = []
        node.device.isStalled = false
        let life = node.device.life
        for one in missed {
            switch one {
            case .event(let event): wake(number, life, event)
            case .packet(let packet): arriveAtClient(packet)
            }
        }
        tickSoon(number)
    }

    // MARK: Time

    func after(_ delay: Int64, _ item: Item) {
        timeline.add(item, at: now + max(0, delay))
    }

    func after(_ delay: Int64, _ node: Int, _ event: NodeEvent) {
        after(delay, .node(node, life: nodes[node].device.life, event))
    }

    func clock(_ node: Int) -> ClockReading {
        nodes[node].device.clock.reading(at: now)
    }

    /// Something happened to the node: its deadlines are looked at before long.
    func tickSoon(_ number: Int) {
        let ticker = nodes[number].device.ticker
        guard ticker.pause != Ticker.interval || ticker.next <= now else { return }
        nodes[number].device.ticker.pause = Ticker.interval
        scheduleTick(number)
    }

    private func tickLater(_ number: Int) {
        let isConnected = nodes[number].device.transport.isUp
        let longest = isConnected ? plan.pace.tickMax : Ticker.disconnectedMax
        let pause = nodes[number].device.ticker.pause
        nodes[number].device.ticker.pause = max(Ticker.interval, min(longest, pause * 2))
        scheduleTick(number, after: pause)
    }

    private func scheduleTick(_ number: Int, after pause: Int64 = Ticker.interval) {
        nodes[number].device.ticker.generation += 1
        nodes[number].device.ticker.next = now + pause
        after(pause, number, .tick(generation: nodes[number].device.ticker.generation))
    }

    // MARK: Notes

    func mark(_ mark: Mark) {
        marks[Int(mark.rawValue)] += 1
    }

    func violate(_ invariant: Invariant, _ detail: @autoclosure () -> String) {
        guard violation == nil else { return }
        let violation = Violation(invariant, detail(), step: steps)
        self.violation = violation
        note { "VIOLATION: \(invariant.rawValue): \(violation.detail)" }
    }

    /// Says what happens, in words, to whoever listens.
    func note(_ words: () -> String) {
        guard let trace else { return }
        trace("\(Words.time(now))  \(words())")
    }

    func name(_ number: Int) -> String {
        guard number > 0 else { return "hub" }
        let client = nodes[number].client
        return client == number ? "till-\(client)" : "till-\(client) (copy on node \(number))"
    }
}
