import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// An aggregator whose database is put back from an older copy or a backup, or gone: it goes on in
    /// another stream of the hub, and gets from its agents what it lacks.
    @Suite struct HubLifeTests {
        private static let tills = ["till-1", "till-2"]

        // MARK: Older copies

        @Test(arguments: CopyMoment.allCases)
        func
            `put back from an older copy, twice, it draws a new stream each time and lacks nothing`(
                moment: CopyMoment
            ) async throws
        {
            try await withRunningFleet(agents: Self.tills) { fleet in
                let hub = fleet.aggregator.daemon
                try accept(1...20, fleet)
                try fleet.waitUntilDrained()
                let copy = try hub.copyData(moment, as: "copy")
                try accept(21...40, fleet)
                try fleet.waitUntilDrained()
                var known = Set(try fleet.hubStreams())
                #expect(known.count == 1)
                for round in 0..<2 {
                    let facts = try fleet.facts()
                    try hub.replaceData(with: copy)
                    try hub.start()
                    try fleet.expectNewHub(&known, facts)
                    let range = 41 + 20 * round...60 + 20 * round
                    try accept(range, fleet)
                    try fleet.expectSales(through: range.upperBound)
                }
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: Backups

        @Test(arguments: CopyMoment.allCases)
        func `restored from a backup, twice, it draws a new stream before it says a word`(
            moment: CopyMoment
        ) async throws {
            try await withRunningFleet(agents: Self.tills) { fleet in
                let hub = fleet.aggregator.daemon
                let file = "\(fleet.home)/hub.backup"
                try accept(1...20, fleet)
                if moment == .stopped { #expect(hub.stop() == .status(0)) }
                let made = try Program.aggregator(
                    ["backup", file, "--data", hub.data], in: fleet.home)
                #expect(made.exit == .status(0) && made.output.contains("backed up"), "\(made)")
                if moment == .stopped { try hub.start() }
                try accept(21...40, fleet)
                try fleet.waitUntilDrained()
                var known = Set(try fleet.hubStreams())
                for round in 0..<2 {
                    let facts = try fleet.facts()
                    try hub.replaceData(with: nil)
                    let restored = try Program.aggregator(
                        ["restore", file, "--data", hub.data], in: fleet.home)
                    #expect(restored.exit == .status(0), "\(restored.output)")
                    #expect(restored.output.contains("new stream"), "\(restored.output)")
                    try expectSecret(hub.data)
                    let verify = try Program.trace(["verify", hub.data], in: fleet.home)
                    #expect(verify.exit == .status(0), "\(verify.output)")
                    // Also where no agent is there to show that the copy is old.
                    for agent in fleet.agents { agent.link.cut() }
                    try hub.start()
                    try waitUntil("a new stream", within: .seconds(30)) {
                        try !known.isSuperset(of: fleet.hubStreams())
                    }
                    for agent in fleet.agents { agent.link.heal() }
                    try fleet.expectNewHub(&known, facts)
                    let range = 41 + 20 * round...60 + 20 * round
                    try accept(range, fleet)
                    try fleet.expectSales(through: range.upperBound)
                }
                // It opened into a new stream once.
                let count = try fleet.hubStreams().count
                #expect(count == 2)
                try hub.killAndRestart()
                try accept(81...90, fleet)
                try fleet.expectSales(through: 90)
                #expect(try fleet.hubStreams().count == count)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `backup and restore refuse what they must not touch, and leave it as it is`()
            async throws
        {
            try await withRunningFleet { fleet in
                let hub = fleet.aggregator.daemon
                let agent = fleet.agents[0].daemon
                let file = "\(fleet.home)/hub.backup"
                func refused(
                    _ arguments: [String], by daemon: Daemon, _ said: String
                ) throws {
                    let result =
                        daemon === agent
                        ? try Program.agent(arguments, in: fleet.home)
                        : try Program.aggregator(arguments, in: fleet.home)
                    #expect(result.exit == .status(1), "\(arguments): \(result.output)")
                    #expect(result.output.contains(said), "\(arguments): \(result.output)")
                }
                #expect(
                    try Program.aggregator(["backup", file, "--data", hub.data], in: fleet.home)
                        .exit == .status(0))
                let empty = "\(fleet.home)/empty"
                try refused(["backup", file, "--data", hub.data], by: hub, "is there already")
                try refused(
                    ["backup", "\(fleet.home)/b", "--data", agent.data], by: hub, "aggregator")
                try refused(["restore", file, "--data", hub.data], by: hub, "in use")
                // Each daemon takes its own kind only.
                let till = "\(fleet.home)/till.backup"
                #expect(
                    try Program.agent(["backup", till, "--data", agent.data], in: fleet.home).exit
                        == .status(0))
                try refused(["restore", till, "--data", empty], by: hub, "of an agent")
                try refused(["restore", file, "--data", empty], by: agent, "of an aggregator")
                #expect(try FileManager.default.contentsOfDirectory(atPath: empty) == ["lock"])
                #expect(hub.stop() == .status(0))
                let folder = try FolderState(hub.data, but: ["lock"])
                try refused(["restore", file, "--data", hub.data], by: hub, "not empty")
                #expect(try FolderState(hub.data, but: ["lock"]).changes(since: folder) == [])
            }
        }

        // MARK: A lost disk

        @Test
        func `a lost disk is rebuilt from what agents keep: events, positions and hub events`()
            async throws
        {
            try await withRunningFleet(agents: Self.tills) { fleet in
                let (first, second) = (fleet.agents[0], fleet.agents[1])
                let hub = fleet.aggregator.daemon
                try first.client.accept(.sales(1...20))
                try fleet.waitUntilDrained()
                // The hub closes a stream of till-1, whose folder was put back from before its last
                // session: all that it recorded is in the copy.
                let closed = try #require(try first.client.sync().json["stream"].string)
                let session = try shown(closed, "session", fleet)?.int ?? 0
                let copy = try first.daemon.copyData(.stopped, as: "copy")
                try waitUntil("another session", within: .seconds(30)) {
                    try shown(closed, "session", fleet)?.int ?? 0 > session
                }
                try first.daemon.replaceData(with: copy)
                try first.daemon.start()
                try first.client.accept(.sales(21...30))
                try waitUntil("a new stream", within: .seconds(40)) {
                    try first.client.sync().json["stream"].string != closed
                }
                try fleet.waitUntilDrained()
                try second.client.accept(.sales(31...40))
                try fleet.expectSales(through: 40)
                let standing = try shown(closed, "standing", fleet)?.string
                #expect(["forked", "rolled_back"].contains(standing))
                // Told, and kept: the agent alone has it from here on.
                try waitUntil("the agent is told", within: .seconds(30)) {
                    try log(first.daemon).contains("told by the aggregator")
                }
                let facts = try fleet.facts()
                var known = Set(try fleet.hubStreams())

                // What came first comes last now.
                first.link.cut()
                try hub.replaceData(with: nil)
                try hub.start()
                try waitUntil("till-2 is back", within: .seconds(40)) {
                    try fleet.aggregator.client.ledger().transactions == 10
                }
                first.link.heal()
                try fleet.expectNewHub(&known, facts)
                try waitUntil("the stream is closed again", within: .seconds(40)) {
                    try shown(closed, "standing", fleet)?.string == standing
                }
                let told = try log(hub)
                #expect(told.contains("reordered"), "\(told.suffix(2_000))")
                try accept(41...60, fleet)
                try fleet.expectSales(through: 60)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: Steps

        private func accept(_ range: ClosedRange<Int>, _ fleet: Fleet) throws {
            for (index, agent) in fleet.agents.enumerated() {
                try agent.client.accept(
                    range.filter { $0 % fleet.agents.count == index }.map {
                        Workload.Operation.sale($0)
                    })
            }
        }

        private func expectSecret(_ folder: String) throws {
            for name in ["device.key", "aggregator.db"] {
                let found = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
                #expect(found[.posixPermissions] as? Int == 0o600, "\(name)")
            }
        }

        /// What the aggregator shows of a stream of till-1.
        private func shown(
            _ stream: String, _ member: String, _ fleet: Fleet
        ) throws -> JSONValue? {
            let agent = try fleet.aggregator.client.http.json("/v1/agents/till-1")
            return agent["streams"].array?.first { $0["stream"].string == stream }?[member]
        }

        private func log(_ daemon: Daemon) throws -> String {
            try String(contentsOfFile: daemon.process.log, encoding: .utf8)
        }
    }
}
