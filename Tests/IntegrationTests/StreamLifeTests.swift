import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// Agents' folders that are copied, put back, cloned and lost: nothing that a client was told is lost
    /// or doubled, and nobody is refused meanwhile.
    @Suite struct StreamLifeTests {
        private static func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
            range.map { Workload.Operation.sale($0) }
        }

        // MARK: An agent

        @Test(arguments: CopyMoment.allCases)
        func
            `an older copy that went on offline is merged as a branch, and the agent goes on at once`(
                moment: CopyMoment
            ) async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...20))
                try fleet.waitUntilDrained()
                let copy = try agent.daemon.copyData(moment, as: "copy")
                try agent.client.accept(Self.sales(21...40))
                try fleet.waitUntilDrained()
                let first = try stream(agent)

                agent.link.cut()
                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(41...50))
                agent.link.heal()
                try waitForNewStream(agent, after: first)
                try agent.client.accept(Self.sales(51...60))
                try expectAll(60, fleet)
                try expectClosed(first, fleet)

                // The same copy once more: it shares its beginning with all that came from it.
                let second = try stream(agent)
                agent.link.cut()
                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(61...70))
                agent.link.heal()
                try waitForNewStream(agent, after: first)
                #expect(try stream(agent) != second)
                try agent.client.accept(Self.sales(71...80))
                try expectAll(80, fleet)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: CopyMoment.allCases)
        func `a copy that ends where the aggregator does is recognised by its session`(
            moment: CopyMoment
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...20))
                try fleet.waitUntilDrained()
                let copy = try agent.daemon.copyData(moment, as: "copy")
                let first = try stream(agent)
                // A session that the copy knows nothing of.
                try agent.daemon.killAndRestart()
                try waitUntil("a session", within: .seconds(20)) {
                    try agent.client.sync().isConnected
                }
                try agent.client.accept(Self.sales(21...21))
                try fleet.waitUntilDrained()

                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(22...30))
                try waitForNewStream(agent, after: first)
                try expectAll(30, fleet)
                try expectClosed(first, fleet)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: CopyMoment.allCases)
        func `a copy that reaches further than the aggregator goes on in its stream`(
            moment: CopyMoment
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...20))
                try fleet.waitUntilDrained()
                let first = try stream(agent)
                agent.link.cut()
                try agent.client.accept(Self.sales(21...40))
                let copy = try agent.daemon.copyData(moment, as: "copy")
                // Never announced to anyone, so nobody can miss them but their clients.
                try agent.client.accept(Self.sales(1001...1005))

                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(41...50))
                agent.link.heal()
                try expectAll(50, fleet)
                #expect(try stream(agent) == first)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `two that run from one copy both keep and merge all they recorded`() async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...20))
                try fleet.waitUntilDrained()
                let first = try stream(agent)
                let copy = try agent.daemon.copyData(.running, as: "clone")
                agent.link.cut()
                try agent.client.accept(Self.sales(21...30))
                let clone = try Clone(of: agent, in: copy, fleet)
                defer { clone.process.kill() }
                try clone.start()
                try clone.client.accept(Self.sales(31...40))
                agent.link.heal()
                // Both under one name at the broker, which lets in one of them at a time.
                for client in [agent.client, clone.client] {
                    try waitUntil("a new stream", within: .seconds(60)) {
                        try client.sync().json["stream"].string != first
                    }
                }
                try agent.client.accept(Self.sales(41...50))
                try clone.client.accept(Self.sales(51...60))
                try expectAll(60, fleet, within: .seconds(90))
                #expect(
                    try agent.client.sync().json["stream"] != clone.client.sync().json["stream"])
                try expectClosed(first, fleet)
                #expect(clone.process.terminate(within: .seconds(10)) == .status(0))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `an agent whose disk was lost begins anew under its name`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...20))
                try fleet.waitUntilDrained()
                let first = try stream(agent)
                try agent.daemon.replaceData(with: nil)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(21...40))
                #expect(try stream(agent) != first)
                try expectAll(40, fleet)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: What is asked

        private func stream(_ agent: AgentNode) throws -> String {
            try #require(try agent.client.sync().json["stream"].string)
        }

        private func waitForNewStream(_ agent: AgentNode, after former: String) throws {
            try waitUntil("a new stream", within: .seconds(40)) { try stream(agent) != former }
        }

        /// Every sale up to that number is in the ledger, once.
        private func expectAll(
            _ count: Int, _ fleet: Fleet, within limit: Duration = .seconds(60),
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try waitUntil("\(count) transactions", within: limit) {
                try fleet.aggregator.client.ledger().transactions >= count
            }
            try fleet.waitUntilDrained()
            let oracle = Oracle(Self.sales(1...count))
            let reconciliation = try Reconciliation(fleet.aggregator.client, with: oracle)
            #expect(reconciliation.differences == [], sourceLocation: sourceLocation)
            #expect(reconciliation.findings == [], sourceLocation: sourceLocation)
        }

        private func expectClosed(_ stream: String, _ fleet: Fleet) throws {
            let agent = try fleet.aggregator.client.http.json("/v1/agents/till-1")
            let shown = agent["streams"].array?.first { $0["stream"].string == stream }
            #expect(["forked", "rolled_back"].contains(shown?["standing"].string))
        }
    }
}

/// The same agent on another folder and port: to the broker it is the same client.
private struct Clone {
    let process: ChildProcess
    let client: AgentClient

    init(of agent: AgentNode, in folder: String, _ fleet: Fleet) throws {
        let port = try FreePort.next()
        process = ChildProcess(
            name: "clone",
            executable: "\(try FleetPlan.binariesBesideThis())/tributary-agent",
            arguments: [
                "run", "--id", agent.id, "--data", folder, "--broker", fleet.broker.url,
                "--listen", "127.0.0.1:\(port)",
            ], log: "\(fleet.home)/clone.log")
        client = AgentClient(port: port)
    }

    func start() throws {
        try process.start()
        try waitUntil("the clone ready", within: .seconds(20)) {
            try client.http.get("/healthz").status == 200
        }
    }
}
