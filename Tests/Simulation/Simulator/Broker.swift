/// An MQTT broker with clean sessions: who is connected under which client id, what is retained, and
/// the last wills.
///
/// It keeps nothing for clients that are away, as sessions are clean. Late messages, which a fault
/// holds back for days, wait for whom they are for.
struct Broker {
    struct Connection {
        let node: Int
        let epoch: Int
        /// What it says of itself when the connection breaks.
        let will: (topic: Topic, bytes: [UInt8])?
    }

    /// Of the intruder that takes somebody's id: no node.
    static let intruder = -1

    private(set) var isUp = true
    /// By client id: the hub's is 0, an agent's its name.
    private var connections: [Connection?] = []
    private(set) var retained: [Topic: [UInt8]] = [:]
    private var retainedOrder: [Topic] = []

    func connection(_ client: Int) -> Connection? {
        client < connections.count ? connections[client] : nil
    }

    func isCurrent(_ client: Int, node: Int, epoch: Int) -> Bool {
        guard let connection = connection(client) else { return false }
        return connection.node == node && connection.epoch == epoch
    }

    /// - Returns: the connection that had the id before; the broker closes it.
    mutating func connect(_ client: Int, _ connection: Connection) -> Connection? {
        while connections.count <= client { connections.append(nil) }
        defer { connections[client] = connection }
        return connections[client]
    }

    mutating func disconnect(_ client: Int) {
        guard client < connections.count else { return }
        connections[client] = nil
    }

    mutating func retain(_ topic: Topic, _ bytes: [UInt8]) {
        if retained.updateValue(bytes, forKey: topic) == nil { retainedOrder.append(topic) }
    }

    var retainedMessages: [(topic: Topic, bytes: [UInt8])] {
        retainedOrder.compactMap { topic in retained[topic].map { (topic, $0) } }
    }

    mutating func stop(forgettingRetained: Bool) {
        isUp = false
        connections = connections.map { _ in nil }
        if forgettingRetained {
            retained = [:]
            retainedOrder = []
        }
    }

    mutating func start() {
        isUp = true
    }

    /// Which clients have subscribed to a topic.
    func subscribers(_ topic: Topic) -> [Int] {
        switch topic {
        case .up, .status: [0]
        case .down(let name): [name]
        case .hub: Array(1..<max(1, connections.count))
        }
    }
}
