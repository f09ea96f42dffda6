import FleetHarness
import Glibc
import Testing
import Workload

extension IntegrationTests {
    /// What sync promises, over each broker that we support.
    @Suite struct SyncContractTests {
        @Test(arguments: BrokerKind.allCases)
        func `what piled up behind a cut and a silent link drains, and nothing is lost or doubled`(
            broker: BrokerKind
        ) async throws {
            try await withRunningFleet(agents: ["till-1", "till-2"], over: broker) { fleet in
                fleet.agents[0].link.cut()
                fleet.agents[1].link.stall()
                let operations = sales(1...3_000, fleet)
                try accept(operations, fleet)
                #expect(try fleet.backlogs() == [3_000, 3_000])
                for agent in fleet.agents { agent.link.heal() }
                try fleet.expectConvergence(with: Oracle(operations.joined()))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: BrokerKind.allCases)
        func `a broker killed amid a backlog, twice, loses and doubles nothing`(
            broker: BrokerKind
        ) async throws {
            try await withRunningFleet(agents: ["till-1", "till-2"], over: broker) { fleet in
                var all: [Workload.Operation] = []
                for round in 0..<2 {
                    // The aggregator stands still: what the agents send stays with the broker.
                    fleet.aggregator.daemon.process.send(SIGSTOP)
                    let operations = sales((round * 2_000 + 1)...(round + 1) * 2_000, fleet)
                    try accept(operations, fleet)
                    all += operations.joined()
                    fleet.broker.process.kill()
                    if round == 0 { fleet.aggregator.daemon.process.send(SIGCONT) }
                    try fleet.broker.start()
                    fleet.aggregator.daemon.process.send(SIGCONT)
                }
                try fleet.expectConvergence(with: Oracle(all))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: BrokerKind.allCases)
        func `agents and the aggregator killed amid a backlog lose and double nothing`(
            broker: BrokerKind
        ) async throws {
            try await withRunningFleet(agents: ["till-1", "till-2"], over: broker) { fleet in
                var all: [Workload.Operation] = []
                for round in 0..<3 {
                    let operations = sales((round * 1_000 + 1)...(round + 1) * 1_000, fleet)
                    try accept(operations, fleet)
                    all += operations.joined()
                    for daemon in fleet.daemons { daemon.process.kill() }
                    for daemon in fleet.daemons.shuffled() { try daemon.start() }
                }
                try fleet.expectConvergence(with: Oracle(all))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: BrokerKind.allCases)
        func `an agent that vanishes is seen as offline, also by an aggregator that comes later`(
            broker: BrokerKind
        ) async throws {
            try await withRunningFleet(agents: ["till-1", "till-2"], over: broker) { fleet in
                try accept(sales(1...1, fleet), fleet)
                try fleet.waitUntilDrained()
                try expectOnline(["till-1": true, "till-2": true], fleet)
                fleet.agents[1].daemon.process.kill()
                try expectOnline(["till-1": true, "till-2": false], fleet)
                try fleet.aggregator.daemon.killAndRestart()
                try expectOnline(["till-1": true, "till-2": false], fleet)
                try fleet.agents[1].daemon.start()
                try expectOnline(["till-1": true, "till-2": true], fleet)
            }
        }

        private func sales(_ numbers: ClosedRange<Int>, _ fleet: Fleet) -> [[Workload.Operation]] {
            fleet.agents.map { agent in numbers.map { .sale($0, on: agent.id) } }
        }

        /// In batches, so that there are many segments.
        private func accept(_ operations: [[Workload.Operation]], _ fleet: Fleet) throws {
            for (agent, operations) in zip(fleet.agents, operations) {
                for start in stride(from: 0, to: operations.count, by: 100) {
                    let end = min(start + 100, operations.count)
                    try agent.client.accept(Array(operations[start..<end]))
                }
            }
        }

        private func expectOnline(_ expected: [String: Bool], _ fleet: Fleet) throws {
            try waitUntil("agents online: \(expected)", within: .seconds(20)) {
                let agents = try fleet.aggregator.client.agents()
                let found = agents.compactMap { agent in
                    agent["id"].string.map { ($0, agent["state"] == "online") }
                }
                return Dictionary(found) { $1 } == expected
            }
        }
    }
}
