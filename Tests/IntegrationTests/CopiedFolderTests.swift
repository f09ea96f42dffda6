import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// A data folder that is an older copy, or has one: nothing is lost, nothing is refused, and
    /// nothing counts twice.
    @Suite struct CopiedFolderTests {
        private func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
            range.map { .sale($0) }
        }

        /// What of a folder is copied, and when.
        enum Copying: CaseIterable {
            case whileStopped
            /// Database and write-ahead log as they stand.
            case whileRunning
        }

        private func copy(
            _ agent: AgentNode, to path: String, _ copying: Copying
        ) throws {
            if copying == .whileStopped { #expect(agent.daemon.stop() == .status(0)) }
            try FileManager.default.copyItem(atPath: agent.daemon.data, toPath: path)
            if copying == .whileStopped { try agent.daemon.start() }
        }

        /// The device is replaced by what the copy holds.
        private func putBack(_ path: String, _ agent: AgentNode, _ fleet: Fleet) throws {
            #expect(agent.daemon.stop() == .status(0))
            try FileManager.default.moveItem(
                atPath: agent.daemon.data, toPath: "\(fleet.home)/original")
            try FileManager.default.moveItem(atPath: path, toPath: agent.daemon.data)
            try? FileManager.default.removeItem(atPath: "\(agent.daemon.data)/lock")
            try agent.daemon.start()
        }

        @Test(arguments: Copying.allCases)
        func `an older copy, put back, goes on in another stream, and what was merged stays`(
            copying: Copying
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let ids = try agent.client.accept(sales(1...20))
                try fleet.waitUntilDrained()
                let copy = "\(fleet.home)/copy"
                try self.copy(agent, to: copy, copying)
                try agent.client.accept(sales(21...40))
                try fleet.expectConvergence(with: Oracle(sales(1...40)))
                agent.link.cut()
                try putBack(copy, agent, fleet)
                // Until it meets the aggregator it cannot know; nothing is refused meanwhile.
                try agent.client.accept(sales(41...60))
                agent.link.heal()
                let streams = try endedStreams(agent)
                // A copy made within a session is told apart by what it does not have.
                let cause = copying == .whileStopped ? "rolled_back" : "forked"
                #expect(streams[0]["ended"]["cause"].string == cause, "\(streams[0])")
                #expect(try #require(streams[0]["ended"]["detail"].string).contains("copy"))
                try agent.client.accept(sales(61...70))
                try fleet.expectConvergence(with: Oracle(sales(1...70)), conflicts: ["fork"])
                try waitUntil("the former stream drained", within: .seconds(30)) {
                    try agent.client.sync().json["streams"][0]["state"] == "drained"
                }
                // Each is found by its id, whichever stream it is of.
                for (operation, id) in zip(sales(1...20), ids) {
                    let kept = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: kept) == nil)
                    #expect(kept["status"] == "merged")
                }
                #expect(try standings(agent, fleet).contains(cause))
                #expect(try agent.client.http.get("/readyz").status == 200)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `under load no client notices that the stream has changed`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let early = sales(1...20)
                try agent.client.accept(early)
                try fleet.waitUntilDrained()
                let copy = "\(fleet.home)/copy"
                try self.copy(agent, to: copy, .whileRunning)
                let late = sales(21...40)
                try agent.client.accept(late)
                try fleet.waitUntilDrained()
                agent.link.cut()
                try putBack(copy, agent, fleet)
                let load = sales(1_001...5_000)
                let feeder = Feeder(agent.client, load, batch: 20) {
                    .microseconds(1_000 * $0)
                }
                feeder.start()
                try waitUntil("some recorded offline", within: .seconds(20)) {
                    feeder.progress.accepted > 300
                }
                agent.link.heal()
                _ = try endedStreams(agent)
                // Once more, at any moment of it.
                try agent.daemon.killAndRestart()
                let fed = try feeder.wait(within: .seconds(60))
                #expect(fed.accepted == load.count && fed.refused == 0, "\(fed)")
                try fleet.expectConvergence(
                    with: Oracle(early + late + load), conflicts: ["fork"])
                #expect(try agent.client.sync().json["streams"].array?.count == 2)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `a copy of the very end is told apart by the sessions since`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...20))
                try fleet.waitUntilDrained()
                let copy = "\(fleet.home)/copy"
                try self.copy(agent, to: copy, .whileStopped)
                try waitUntil("a session since the copy", within: .seconds(30)) {
                    try agent.client.sync().json["session"] == "streaming"
                }
                try putBack(copy, agent, fleet)
                try agent.client.accept(sales(21...30))
                let streams = try endedStreams(agent)
                #expect(streams[0]["ended"]["cause"] == "rolled_back", "\(streams[0])")
                try fleet.expectConvergence(with: Oracle(sales(1...30)), conflicts: ["fork"])
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `a copy that is ahead of what the aggregator has loses nothing`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...20))
                try fleet.waitUntilDrained()
                agent.link.cut()
                try agent.client.accept(sales(21...30))
                let copy = "\(fleet.home)/copy"
                try self.copy(agent, to: copy, .whileStopped)
                // What is recorded only on the disk that is lost, nobody can know of.
                try putBack(copy, agent, fleet)
                try agent.client.accept(sales(31...35))
                agent.link.heal()
                try fleet.expectConvergence(with: Oracle(sales(1...35)))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `the same copy put back twice goes on in a third stream`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...10))
                try fleet.waitUntilDrained()
                let copy = "\(fleet.home)/copy"
                try self.copy(agent, to: copy, .whileRunning)
                try agent.client.accept(sales(11...20))
                try fleet.waitUntilDrained()
                try FileManager.default.copyItem(atPath: copy, toPath: "\(copy)-2")
                try putBack(copy, agent, fleet)
                // It ends below what was announced.
                let streams = try endedStreams(agent)
                #expect(streams[0]["ended"]["cause"] == "rolled_back", "\(streams[0])")
                #expect(try #require(streams[0]["ended"]["detail"].string).contains("older copy"))
                try agent.client.accept(sales(21...30))
                try fleet.expectConvergence(with: Oracle(sales(1...30)), conflicts: ["fork"])
                try FileManager.default.removeItem(atPath: "\(fleet.home)/original")
                try putBack("\(copy)-2", agent, fleet)
                try agent.client.accept(sales(31...40))
                _ = try endedStreams(agent)
                try fleet.expectConvergence(with: Oracle(sales(1...40)), conflicts: ["fork"])
                #expect(try standings(agent, fleet).count == 3)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `two that went on from one copy both go on, and all that both took is merged`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...20))
                try fleet.waitUntilDrained()
                #expect(agent.daemon.stop() == .status(0))
                let copy = "\(fleet.home)/copy"
                try FileManager.default.copyItem(atPath: agent.daemon.data, toPath: copy)

                // Both work offline first, so that each has something of its own.
                agent.link.cut()
                try agent.daemon.start()
                let ids = try agent.client.accept(sales(21...30))
                let clone = try clone(of: agent, in: copy, fleet)
                try clone.process.start()
                defer { clone.process.kill() }
                let cloneClient = AgentClient(port: clone.port)
                try waitUntil("the clone ready", within: .seconds(20)) {
                    try cloneClient.http.get("/healthz").status == 200
                }
                try cloneClient.accept(sales(31...45))
                agent.link.heal()

                let clients = [agent.client, cloneClient]
                try waitUntil("one of them goes on in another stream", within: .seconds(60)) {
                    try clients.contains { try $0.sync().json["streams"].array?.count ?? 0 > 1 }
                }
                try agent.client.accept(sales(46...50))
                try cloneClient.accept(sales(51...55))
                // To the broker they are one client, so they take turns.
                try waitUntil("both backlogs empty", within: .seconds(180)) {
                    try clients.allSatisfy { try $0.sync().backlog == 0 }
                }
                try fleet.expectConvergence(with: Oracle(sales(1...55)), conflicts: ["fork"])
                #expect(try standings(agent, fleet).contains { $0 != "open" })
                for (operation, id) in zip(sales(21...30), ids) {
                    let kept = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: kept) == nil)
                }
                #expect(clone.process.terminate(within: .seconds(10)) == .status(0))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        /// The streams of an agent that has gone on in another.
        private func endedStreams(_ agent: AgentNode) throws -> [JSONValue] {
            try wait(for: "another stream", within: .seconds(30)) {
                let streams = try agent.client.sync().json["streams"].array ?? []
                return streams.count > 1 ? streams : nil
            }
        }

        private func standings(_ agent: AgentNode, _ fleet: Fleet) throws -> [String] {
            let shown = try fleet.aggregator.client.http.json("/v1/agents/\(agent.id)")
            return (shown["streams"].array ?? []).compactMap(\.["standing"].string)
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
