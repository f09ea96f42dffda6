import Foundation

/// An agent of a fleet, and its link to the broker.
package struct AgentNode: Sendable {
    package let id: String
    package let daemon: Daemon
    /// All that it says to the broker passes here.
    package let link: Link
    package let client: AgentClient
}

/// The aggregator of a fleet.
package struct AggregatorNode: Sendable {
    package let daemon: Daemon
    package let client: AggregatorClient
}

/// What a fleet is made of.
package struct FleetPlan: Sendable {
    /// A folder for data and logs, made if need be.
    package var home: String
    /// Where the executables are.
    package var binaries: String
    package var agents: [String]
    package var broker = BrokerKind.mosquitto
    /// Added to the command line of each agent, and of the aggregator.
    package var agentArguments: [String] = []
    package var aggregatorArguments: [String] = []

    package init(home: String, binaries: String, agents: [String]) {
        self.home = home
        self.binaries = binaries
        self.agents = agents
    }

    /// The folder of the running executable: tests and demonstration are built beside the daemons.
    package static func binariesBesideThis() throws -> String {
        let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return (path as NSString).deletingLastPathComponent
    }

    /// A new folder for one fleet, under the system's folder for temporary files.
    package static func temporaryHome() throws -> String {
        let base = FileManager.default.temporaryDirectory.path
        let home = "\(base)/tributary-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: home, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        return home
    }
}

/// A broker, an aggregator and agents: real processes on free loopback ports.
///
/// **Function.** Making one starts nothing. ``start()`` starts all, in an order in which each finds what it
/// needs; each can be started, killed and stopped alone. ``run(_:_:)`` does all of it, and ends
/// everything whatever happens.
///
/// **Invariant.** Exactly the processes that it started are ended, and each of them: see ``LiveProcesses``.
package final class Fleet: Sendable {
    package let home: String
    package let broker: Broker
    package let aggregator: AggregatorNode
    package let agents: [AgentNode]

    package init(_ plan: FleetPlan) throws {
        try FileManager.default.createDirectory(
            atPath: plan.home, withIntermediateDirectories: true)
        let broker = try Broker(home: plan.home, kind: plan.broker)
        home = plan.home
        self.broker = broker
        aggregator = try Self.aggregator(plan, broker)
        agents = try plan.agents.map { try Self.agent($0, plan, broker) }
    }

    /// Starts everything, and waits until all are ready.
    ///
    /// - Parameter withBroker: false where the broker runs already.
    package func start(
        withBroker: Bool = true, readyWithin limit: Duration = .seconds(30)
    ) throws {
        if withBroker { try broker.start() }
        let daemons = [aggregator.daemon] + agents.map(\.daemon)
        for daemon in daemons { try daemon.process.start() }
        for daemon in daemons { try daemon.waitUntilReady(within: limit) }
    }

    /// Stops every daemon with SIGTERM, then the broker, and says how each daemon ended.
    @discardableResult package func end(
        within patience: Duration = .seconds(15)
    ) -> [String: ProcessExit] {
        let daemons = (agents.map(\.daemon) + [aggregator.daemon]).filter(\.process.isRunning)
        for daemon in daemons { daemon.process.send(SIGTERM) }
        let deadline = Deadline(in: patience)
        var exits: [String: ProcessExit] = [:]
        for daemon in daemons {
            exits[daemon.name] =
                daemon.process.waitUntilEnded(within: deadline.remaining) ?? daemon.process.kill()
        }
        broker.process.kill()
        for agent in agents { agent.link.close() }
        return exits
    }

    /// The backlog of each agent, in their order.
    package func backlogs() throws -> [Int] {
        try agents.map { try $0.client.sync().backlog }
    }

    /// Waits until nothing waits anywhere.
    package func waitUntilDrained(within limit: Duration = .seconds(60)) throws {
        try waitUntil("every backlog empty", within: limit, every: .milliseconds(100)) {
            try backlogs().allSatisfy { $0 == 0 }
        }
    }

    /// Runs the body with a started fleet, and ends the fleet when it returns or throws.
    ///
    /// Data and logs are left in the folder. Blocks its thread: in an `async` test, see ``onThread(_:)``.
    package static func run<Answer>(
        _ plan: FleetPlan, _ body: (Fleet) throws -> Answer
    ) throws -> Answer {
        let fleet = try Fleet(plan)
        defer { fleet.end() }
        try fleet.start()
        return try body(fleet)
    }

    private static func aggregator(_ plan: FleetPlan, _ broker: Broker) throws -> AggregatorNode {
        let daemon = try daemon(
            "aggregator", "tributary-aggregator", [], plan, broker: broker.url,
            plan.aggregatorArguments)
        return AggregatorNode(daemon: daemon, client: AggregatorClient(port: daemon.port))
    }

    private static func agent(
        _ id: String, _ plan: FleetPlan, _ broker: Broker
    ) throws -> AgentNode {
        let link = try Link(to: broker.port)
        let daemon = try daemon(
            id, "tributary-agent", ["--id", id], plan,
            broker: "mqtt://\(Loopback.host):\(link.port)", plan.agentArguments)
        return AgentNode(
            id: id, daemon: daemon, link: link, client: AgentClient(port: daemon.port))
    }

    private static func daemon(
        _ name: String, _ program: String, _ identity: [String], _ plan: FleetPlan,
        broker: String, _ extra: [String]
    ) throws -> Daemon {
        let port = try FreePort.next()
        let data = "\(plan.home)/\(name)"
        let process = ChildProcess(
            name: name, executable: "\(plan.binaries)/\(program)",
            arguments: ["run"] + identity + [
                "--data", data, "--broker", broker, "--listen", "\(Loopback.host):\(port)",
            ] + extra,
            log: "\(plan.home)/\(name).log")
        return Daemon(name: name, port: port, data: data, process: process)
    }
}
