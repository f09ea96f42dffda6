import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// Agents' folders that are copied, put back, cloned and lost: nothing that a client was told is lost
    /// or doubled, and nobody is refused meanwhile.
    @Suite struct StreamLifeTests {
        // MARK: An agent

        @Test(arguments: CopyMoment.allCases)
        func
            `an older copy that went on offline is merged as a branch, and the agent goes on at once`(
                moment: CopyMoment
            ) async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let (copy, first) = try fleet.copyOfFirst(moment)
                try agent.client.accept(.sales(21...40))
                try fleet.waitUntilDrained()
                try agent.goOn(from: copy, recording: 41...50)
                try agent.waitForStream(after: first)
                try agent.client.accept(.sales(51...60))
                try fleet.expectSales(through: 60)
                try expectClosed(first, fleet)

                // The same copy once more: it shares its beginning with all that came from it.
                let second = try agent.stream()
                try agent.goOn(from: copy, recording: 61...70)
                try agent.waitForStream(after: first)
                #expect(try agent.stream() != second)
                try agent.client.accept(.sales(71...80))
                try fleet.expectSales(through: 80)
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
                let (copy, first) = try fleet.copyOfFirst(moment)
                // A session that the copy knows nothing of.
                try agent.daemon.killAndRestart()
                try waitUntil("a session", within: .seconds(20)) {
                    try agent.client.sync().isConnected
                }
                try agent.client.accept(.sales(21...21))
                try fleet.waitUntilDrained()

                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(.sales(22...30))
                try agent.waitForStream(after: first)
                try fleet.expectSales(through: 30)
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
                try agent.client.accept(.sales(1...20))
                try fleet.waitUntilDrained()
                let first = try agent.stream()
                agent.link.cut()
                try agent.client.accept(.sales(21...40))
                let copy = try agent.daemon.copyData(moment, as: "copy")
                // Never announced to anyone, so nobody can miss them but their clients.
                try agent.client.accept(.sales(1001...1005))

                try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                try agent.client.accept(.sales(41...50))
                agent.link.heal()
                try fleet.expectSales(through: 50)
                #expect(try agent.stream() == first)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `two that run from one copy both keep and merge all they recorded`() async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let (copy, first) = try fleet.copyOfFirst(.running)
                agent.link.cut()
                try agent.client.accept(.sales(21...30))
                let clone = try Clone(of: agent, in: copy, fleet)
                defer { clone.process.kill() }
                try clone.start()
                try clone.client.accept(.sales(31...40))
                agent.link.heal()
                // Both under one name at the broker, which lets in one of them at a time.
                for client in [agent.client, clone.client] {
                    try waitUntil("a new stream", within: .seconds(60)) {
                        try client.sync().json["stream"].string != first
                    }
                }
                try agent.client.accept(.sales(41...50))
                try clone.client.accept(.sales(51...60))
                try fleet.expectSales(through: 60, within: .seconds(90))
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
                try agent.client.accept(.sales(1...20))
                try fleet.waitUntilDrained()
                let first = try agent.stream()
                try agent.daemon.replaceData(with: nil)
                try agent.daemon.start()
                try agent.client.accept(.sales(21...40))
                #expect(try agent.stream() != first)
                try fleet.expectSales(through: 40)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: What is asked

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
