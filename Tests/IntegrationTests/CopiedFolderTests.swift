import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct CopiedFolderTests {
        @Test func `an older copy of a data folder, put back, is recognised and stopped`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let early = (1...20).map { Workload.Operation.sale($0) }
                let late = (21...40).map { Workload.Operation.sale($0) }
                try agent.client.accept(early)
                try fleet.waitUntilDrained()
                #expect(agent.daemon.stop() == .status(0))
                let copy = "\(fleet.home)/copy"
                try FileManager.default.copyItem(atPath: agent.daemon.data, toPath: copy)
                try agent.daemon.start()
                try agent.client.accept(late)
                try fleet.expectConvergence(with: Oracle(early + late))
                #expect(agent.daemon.stop() == .status(0))

                let original = "\(fleet.home)/original"
                try FileManager.default.moveItem(atPath: agent.daemon.data, toPath: original)
                try FileManager.default.copyItem(atPath: copy, toPath: agent.daemon.data)
                // Until it meets the aggregator it cannot know.
                try agent.daemon.process.start()
                let reason = try refusal(of: agent.client)
                #expect(reason.contains("older copy"), "\(reason)")
                let refused = try agent.client.http.post(
                    "/v1/transactions", try Workload.Operation.sale(41).transactionJSON())
                #expect(refused.status == 503, "\(refused.text)")
                try expectClosed("rolled_back", agent, fleet)

                // What was merged stays, and the log that was replaced has lost nothing.
                let all = early + late
                #expect(try Reconciliation(fleet.aggregator.client, with: Oracle(all)).isClean)
                let verify = try Program.trace(["verify", original, "--json"], in: fleet.home)
                #expect(verify.exit == .status(0))
                #expect(try verify.json()["events"].int == all.count)
                fleet.expectCleanEnds()
            }
        }

        @Test func `of two that went on from one copy, the stream is stopped and no money is lost`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let common = (1...20).map { Workload.Operation.sale($0) }
                try agent.client.accept(common)
                try fleet.waitUntilDrained()
                #expect(agent.daemon.stop() == .status(0))
                let copy = "\(fleet.home)/copy"
                try FileManager.default.copyItem(atPath: agent.daemon.data, toPath: copy)

                // Both work offline first, so that each has something of its own.
                agent.link.cut()
                try agent.daemon.start()
                let own = (21...30).map { Workload.Operation.sale($0) }
                let ids = try agent.client.accept(own)
                let clone = try clone(of: agent, in: copy, fleet)
                try clone.process.start()
                defer { clone.process.kill() }
                let cloneClient = AgentClient(port: clone.port)
                try waitUntil("the clone ready", within: .seconds(20)) {
                    try cloneClient.http.get("/healthz").status == 200
                }
                try cloneClient.accept((31...45).map { .sale($0) })
                agent.link.heal()

                let clients = [agent.client, cloneClient]
                try waitUntil("one of them stopped", within: .seconds(40)) {
                    try clients.contains { try $0.http.get("/readyz").status == 503 }
                }
                try waitUntil("the stream is closed", within: .seconds(20)) {
                    try standing(agent, fleet) != "open"
                }
                #expect(try fleet.aggregator.client.agents()[0]["state"] != "online")
                for (operation, id) in zip(own, ids) {
                    let kept = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: kept) == nil)
                }
                #expect(try fleet.aggregator.client.auditedLedger().isConserved == true)
                let fleetView = try Program.trace(
                    ["fleet", "--aggregator", fleet.aggregator.daemon.url], in: fleet.home)
                #expect(fleetView.exit == .status(1))
                #expect(fleetView.output.contains("1 of 1 agent needs you"), "\(fleetView.output)")
                #expect(clone.process.terminate(within: .seconds(10)) == .status(0))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        /// The sentence with which the agent says that it is not ready.
        private func refusal(of client: AgentClient) throws -> String {
            try wait(for: "a refusal", within: .seconds(30)) {
                let ready = try client.http.get("/readyz")
                guard ready.status == 503 else { return nil }
                return try ready.json()["detail"].string
            }
        }

        private func standing(_ agent: AgentNode, _ fleet: Fleet) throws -> String? {
            let shown = try fleet.aggregator.client.http.json("/v1/agents/\(agent.id)")
            return shown["streams"][0]["standing"].string
        }

        private func expectClosed(
            _ expected: String, _ agent: AgentNode, _ fleet: Fleet
        ) throws {
            try waitUntil("the standing \(expected)", within: .seconds(20)) {
                try standing(agent, fleet) == expected
            }
        }

        /// The same agent on another folder and port: to the broker it is the same client.
        private func clone(
            of agent: AgentNode, in folder: String, _ fleet: Fleet
        ) throws -> (process: ChildProcess, port: UInt16) {
            let port = try FreePort.next()
            let process = ChildProcess(
                name: "clone",
                executable: "\(try FleetPlan.binariesBesideThis())/tributary-agent",
                arguments: [
                    "run", "--id", agent.id, "--data", folder, "--broker", fleet.broker.url,
                    "--listen", "127.0.0.1:\(port)",
                ], log: "\(fleet.home)/clone.log")
            return (process, port)
        }
    }
}
