import TestSupport

/// Where a message goes. Agents are meant by their names, which copies of a device share.
enum Topic: Hashable, Sendable {
    case up(Int)
    case down(Int)
    case status(Int)
    case hub
}

/// A message between a node and the broker.
struct Packet {
    /// The node at the other end of the link.
    let node: Int
    /// The connection that it was sent on.
    let epoch: Int
    let topic: Topic
    let bytes: [UInt8]
    var isRetained = false
    /// It arrives whatever became of the connection.
    var isLate = false
}

/// The links between nodes and the broker: how long a message takes, and which ways are cut.
struct Network {
    private struct Path {
        /// How many faults cut the way to the broker, and from it.
        var upCuts = 0
        var downCuts = 0
        /// When the last message of each way arrives.
        var lastUp: Int64 = 0
        var lastDown: Int64 = 0
        var random: SplitMix64
        /// What came to where a way is cut.
        var kept: [(packet: Packet, isUp: Bool)] = []
    }

    private var paths: [Path] = []
    private let pace: Plan.Pace
    private let dice: Dice

    init(_ plan: Plan) {
        pace = plan.pace
        dice = Dice(seed: plan.seed)
    }

    mutating func addNode() {
        paths.append(Path(random: dice.sequence(.link, paths.count)))
    }

    var nodeCount: Int { paths.count }

    func isUpOpen(_ node: Int) -> Bool { paths[node].upCuts == 0 }
    func isDownOpen(_ node: Int) -> Bool { paths[node].downCuts == 0 }
    func isOpen(_ node: Int) -> Bool { isUpOpen(node) && isDownOpen(node) }

    mutating func cut(_ node: Int, up: Bool, down: Bool) {
        if up { paths[node].upCuts += 1 }
        if down { paths[node].downCuts += 1 }
    }

    mutating func mend(_ node: Int, up: Bool, down: Bool) {
        if up { paths[node].upCuts -= 1 }
        if down { paths[node].downCuts -= 1 }
    }

    mutating func mendAll() {
        for node in paths.indices {
            paths[node].upCuts = 0
            paths[node].downCuts = 0
        }
    }

    mutating func keep(_ packet: Packet, isUp: Bool) {
        paths[packet.node].kept.append((packet, isUp))
    }

    mutating func takeKept(_ node: Int) -> [(packet: Packet, isUp: Bool)] {
        defer { paths[node].kept = [] }
        return paths[node].kept
    }

    /// How long something takes from end to end of a node's link.
    mutating func latency(_ node: Int) -> Int64 {
        paths[node].random.between(pace.latencyMin, pace.latencyMax)
    }

    /// When a message that is sent now arrives, where no fault says otherwise.
    mutating func arrival(_ node: Int, isUp: Bool, now: Int64) -> Int64 {
        let at = now + latency(node)
        guard pace.isOrdered else { return at }
        if isUp {
            paths[node].lastUp = max(paths[node].lastUp, at)
            return paths[node].lastUp
        }
        paths[node].lastDown = max(paths[node].lastDown, at)
        return paths[node].lastDown
    }
}
