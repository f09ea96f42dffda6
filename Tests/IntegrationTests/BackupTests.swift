import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct BackupTests {
        private static let failure = ProcessExit.status(1)

        private func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
            range.map { .sale($0) }
        }

        private func backUp(_ agent: AgentNode, to file: String, _ fleet: Fleet) throws {
            let made = try Program.agent(
                ["backup", file, "--data", agent.daemon.data], in: fleet.home)
            #expect(made.exit == .status(0), "\(made.output)")
            #expect(made.output.contains("backed up"), "\(made.output)")
        }

        private func restore(_ file: String, to folder: String, _ fleet: Fleet) throws -> Program {
            try Program.agent(["restore", file, "--data", folder], in: fleet.home)
        }

        private func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }

        @Test(arguments: [true, false])
        func `a backup made under load or at rest opens into a new stream, and nothing is lost`(
            underLoad: Bool
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let file = "\(fleet.home)/till.backup"
                let ids = try agent.client.accept(sales(1...30))
                if underLoad {
                    try fleet.waitUntilDrained()
                    agent.link.cut()
                    try agent.client.accept(sales(31...60))
                    try backUp(agent, to: file, fleet)
                } else {
                    try agent.client.accept(sales(31...60))
                    #expect(agent.daemon.stop() == .status(0))
                    try backUp(agent, to: file, fleet)
                    try agent.daemon.start()
                }
                #expect(try mode(file) == 0o600)
                // What the device sends after that is merged too, although the backup lacks it.
                agent.link.heal()
                try agent.client.accept(sales(61...70))
                try fleet.expectConvergence(with: Oracle(sales(1...70)))
                #expect(agent.daemon.stop() == .status(0))
                try FileManager.default.removeItem(atPath: agent.daemon.data)

                let restored = try restore(file, to: agent.daemon.data, fleet)
                #expect(restored.exit == .status(0), "\(restored.output)")
                #expect(restored.output.contains("new stream"), "\(restored.output)")
                #expect(try mode("\(agent.daemon.data)/device.key") == 0o600)
                #expect(try mode("\(agent.daemon.data)/agent.db") == 0o600)
                let verify = try Program.trace(["verify", agent.daemon.data], in: fleet.home)
                #expect(verify.exit == .status(0), "\(verify.output)")
                try agent.daemon.start()
                let streams = try agent.client.sync().json["streams"].array ?? []
                #expect(streams.count == 2 && streams[0]["ended"]["cause"] == "restored")
                #expect(streams.last?["state"] == "writing")
                try agent.client.accept(sales(71...80))
                try fleet.expectConvergence(with: Oracle(sales(1...80)), conflicts: ["fork"])
                for (operation, id) in zip(sales(1...30), ids) {
                    let kept = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: kept) == nil)
                }
                // It opened into a new stream once.
                #expect(agent.daemon.stop() == .status(0))
                try agent.daemon.start()
                #expect(try agent.client.sync().json["streams"].array?.count == 2)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `the same backup restored on two devices makes two streams, and all is merged`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...20))
                try fleet.waitUntilDrained()
                let file = "\(fleet.home)/till.backup"
                try backUp(agent, to: file, fleet)
                #expect(agent.daemon.stop() == .status(0))
                // One after the other: to the broker they are one client.
                for (number, range) in [21...30, 31...40].enumerated() {
                    try FileManager.default.moveItem(
                        atPath: agent.daemon.data, toPath: "\(fleet.home)/before-\(number)")
                    #expect(
                        try restore(file, to: agent.daemon.data, fleet).exit == .status(0))
                    try agent.daemon.start()
                    try agent.client.accept(sales(range))
                    try fleet.waitUntilDrained()
                    #expect(agent.daemon.stop() == .status(0))
                }
                try agent.daemon.start()
                try fleet.expectConvergence(with: Oracle(sales(1...40)), conflicts: ["fork"])
                let shown = try fleet.aggregator.client.http.json("/v1/agents/\(agent.id)")
                #expect(shown["streams"].array?.count == 3)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `backup and restore refuse what they must not touch, and leave it as it is`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(sales(1...5))
                let file = "\(fleet.home)/till.backup"
                try backUp(agent, to: file, fleet)
                let before = try Data(contentsOf: URL(fileURLWithPath: file))

                func refused(_ arguments: [String], _ said: String) throws {
                    let result = try Program.agent(arguments, in: fleet.home)
                    #expect(result.exit == Self.failure, "\(arguments): \(result.output)")
                    #expect(result.output.contains(said), "\(arguments): \(result.output)")
                }
                try refused(["backup", file, "--data", agent.daemon.data], "is there already")
                #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
                try refused(
                    ["backup", "\(fleet.home)/b", "--data", fleet.aggregator.daemon.data],
                    "agent")
                try refused(["backup", "\(fleet.home)/b", "--data", "\(fleet.home)/none"], "none")
                #expect(!FileManager.default.fileExists(atPath: "\(fleet.home)/b"))

                try refused(["restore", file, "--data", agent.daemon.data], "in use")
                #expect(agent.daemon.stop() == .status(0))
                let folder = try FolderState(agent.daemon.data, but: ["lock"])
                try refused(["restore", file, "--data", agent.daemon.data], "not empty")
                #expect(
                    try FolderState(agent.daemon.data, but: ["lock"]).changes(since: folder) == [])

                let empty = "\(fleet.home)/empty"
                try refused(["restore", "\(fleet.home)/none", "--data", empty], "there is no")
                try refused(["restore", fleet.broker.process.log, "--data", empty], "damaged")
                let database = "\(agent.daemon.data)/agent.db"
                try refused(["restore", database, "--data", empty], "no backup")
                let left = try FileManager.default.contentsOfDirectory(atPath: empty)
                #expect(left == ["lock"])

                // A backup is no database of an agent.
                try FileManager.default.removeItem(atPath: database)
                try FileManager.default.copyItem(atPath: file, toPath: database)
                let start = try Program.agent(
                    [
                        "run", "--id", agent.id, "--data", agent.daemon.data, "--listen",
                        "127.0.0.1:\(try FreePort.next())",
                    ], in: fleet.home)
                #expect(start.exit == Self.failure && start.output.contains("another program"))
            }
        }
    }
}
