import FleetHarness
import Foundation
import Testing
import Workload

/// Runs the body on a thread of its own, with a new folder, which stays where the body throws.
func withHome(_ body: @Sendable (String) throws -> Void) async throws {
    try await onThread {
        let home = try FleetPlan.temporaryHome()
        do {
            try body(home)
        } catch {
            print("what is left of it: \(home)")
            throw error
        }
        try FileManager.default.removeItem(atPath: home)
    }
}

/// Runs the body with a fleet that is not yet started, and ends whatever runs at its end.
func withFleet(
    agents: [String] = ["till-1"], over broker: BrokerKind = .mosquitto,
    agentArguments: [String] = [], aggregatorArguments: [String] = [],
    _ body: @Sendable (Fleet) throws -> Void
) async throws {
    try await withHome { home in
        var plan = FleetPlan(
            home: home, binaries: try FleetPlan.binariesBesideThis(), agents: agents)
        plan.broker = broker
        plan.agentArguments = agentArguments
        plan.aggregatorArguments = aggregatorArguments
        let fleet = try Fleet(plan)
        defer { fleet.end() }
        try body(fleet)
    }
}

/// As ``withFleet(agents:over:agentArguments:aggregatorArguments:_:)``, with everything started and ready.
func withRunningFleet(
    agents: [String] = ["till-1"], over broker: BrokerKind = .mosquitto,
    agentArguments: [String] = [], aggregatorArguments: [String] = [],
    _ body: @Sendable (Fleet) throws -> Void
) async throws {
    try await withFleet(
        agents: agents, over: broker, agentArguments: agentArguments,
        aggregatorArguments: aggregatorArguments
    ) { fleet in
        try fleet.start()
        try body(fleet)
    }
}

extension Fleet {
    var daemons: [Daemon] { [aggregator.daemon] + agents.map(\.daemon) }

    /// Ends every daemon with SIGTERM, and expects that each finishes within the ten seconds that it is given.
    func expectCleanEnds(sourceLocation: SourceLocation = #_sourceLocation) {
        let running = daemons.filter(\.process.isRunning).map(\.name)
        let exits = end(within: .seconds(10))
        for name in running {
            #expect(exits[name] == .status(0), "\(name)", sourceLocation: sourceLocation)
        }
    }

    /// Expects that `tributary-trace verify` finds nothing wrong in any data folder.
    func expectSoundFolders(sourceLocation: SourceLocation = #_sourceLocation) throws {
        for daemon in daemons {
            let verify = try Program.trace(["verify", daemon.data], in: home)
            #expect(
                verify.exit == .status(0), "\(daemon.name): \(verify.output)",
                sourceLocation: sourceLocation)
        }
    }

    /// Waits until nothing waits, and expects of the global ledger what the oracle says, and no conflicts but of
    /// these kinds.
    func expectConvergence(
        with oracle: Oracle, conflicts kinds: Set<String> = [],
        within limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try waitUntilDrained(within: limit)
        let reconciliation = try Reconciliation(aggregator.client, with: oracle)
        #expect(reconciliation.differences == [], sourceLocation: sourceLocation)
        #expect(reconciliation.findings == [], sourceLocation: sourceLocation)
        let found = try aggregator.client.conflicts()
        #expect(Set(found.compactMap(\.["kind"].string)) == kinds, sourceLocation: sourceLocation)
    }
}

extension Workload.Operation {
    /// A small sale. Its postings differ from those of other numbers.
    static func sale(_ n: Int, key: String? = nil, on node: String = "till-1") -> Self {
        Workload.Operation(
            n: n, node: node, at: nil,
            postings: [
                Workload.Posting(
                    source: "customers:\(n % 50)", destination: "stores:\(n % 7):sales",
                    asset: "EUR/2", amount: Int64(100 + n))
            ],
            reference: "receipt \(n)", metadata: ["n": "\(n)"],
            idempotencyKey: key ?? "\(node)-\(n)")
    }

    /// What of this differs from a transaction as a daemon shows it; nil where it is the same.
    func difference(from shown: JSONValue) -> String? {
        let expected = JSONValue.array(
            postings.map {
                .object([
                    "source": .string($0.source), "destination": .string($0.destination),
                    "asset": .string($0.asset), "amount": .integer($0.amount),
                ])
            })
        if shown["postings"] != expected { return "postings \(shown["postings"])" }
        if shown["reference"].string ?? "" != reference {
            return "reference \(shown["reference"])"
        }
        let metadata = metadata.mapValues { JSONValue.string($0) }
        let shownMetadata = shown["metadata"].object ?? [:]
        return shownMetadata == metadata ? nil : "metadata \(shown["metadata"])"
    }
}

extension AgentClient {
    /// Sends what must be accepted, and gives back the ids, in order.
    @discardableResult
    func accept(
        _ operations: [Workload.Operation], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String] {
        try submit(operations).map { receipt in
            try #require(
                receipt.isAccepted ? receipt.transaction?.id : nil, "\(receipt)",
                sourceLocation: sourceLocation)
        }
    }
}
