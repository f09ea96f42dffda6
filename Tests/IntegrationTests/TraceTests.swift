import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct TraceTests {
        private static let fine = ProcessExit.status(0)
        private static let notFine = ProcessExit.status(1)
        private static let usage = ProcessExit.status(2)
        private static let notFound = ProcessExit.status(3)
        private static let unreachable = ProcessExit.status(4)

        @Test func `why and journey tell the way of a merged transaction, each source for itself`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let ids = try agent.client.accept((1...10).map { .sale($0) })
                try fleet.waitUntilDrained()
                try waitUntil("the receipt is written", within: .seconds(15)) {
                    try agent.client.http.json("/v1/transactions/\(ids[4])/journey")["receipt"]
                        != .null
                }
                let sources = [
                    ["--agent", agent.daemon.url], ["--aggregator", fleet.aggregator.daemon.url],
                    ["--db", agent.daemon.data],
                    [
                        "--agent", agent.daemon.url, "--aggregator", fleet.aggregator.daemon.url,
                    ],
                ]
                for source in sources {
                    let why = try trace("why", ids[4], source, fleet)
                    #expect(why.json["fine"] == .bool(true))
                    #expect(why.json["verdict"]["stage"] == "merged")
                    #expect(why.text.contains("customers:5 → stores:5:sales"), "\(why.text)")
                    #expect(why.text.contains("1.05 EUR"), "\(why.text)")
                    #expect(why.exit == Self.fine)
                    let journey = try trace("journey", ids[4], source, fleet)
                    #expect(journey.exit == Self.fine)
                    let stages = try #require(journey.json["stages"].array)
                    try expectOrder(stages.compactMap { $0["name"].string }, of: source)
                    let times = stages.compactMap { $0["at"].string }
                    // All of one machine's clock here.
                    #expect(times == times.sorted(), "\(journey.text)")
                }
            }
        }

        @Test func `what is not fine, not found, not reached or not understood has its status`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                agent.link.cut()
                let id = try agent.client.accept([.sale(1)])[0]
                let here = ["--agent", agent.daemon.url]
                let journey = try trace("journey", id, here, fleet)
                #expect(journey.exit == Self.notFine)
                let stages = try #require(journey.json["stages"].array)
                let names = stages.compactMap { $0["name"].string }
                #expect(names.starts(with: ["accepted", "durable"]), "\(names)")

                let unknown = id.replacing(#/\d+$/#, with: "999")
                let nowhere = ["--aggregator", "http://127.0.0.1:\(try FreePort.next())"]
                for command in ["why", "journey"] {
                    try expect(Self.notFound, [command, unknown] + here, "no source has", fleet)
                    try expect(Self.unreachable, [command, id] + nowhere, "cannot reach", fleet)
                    try expect(Self.usage, [command, "what"] + here, "", fleet)
                    try expect(Self.usage, [command], "<id>", fleet)
                    try expect(Self.usage, [command, id, "--agent", "what"], "--agent", fleet)
                }
                try expect(Self.unreachable, ["fleet"] + nowhere, "cannot reach", fleet)
                try expect(Self.unreachable, ["verify", nowhere[1]], "cannot reach", fleet)
                try expect(Self.notFound, ["verify", "\(fleet.home)/none"], "none", fleet)
                try expect(Self.usage, ["verify"], "", fleet)
                try expect(Self.usage, ["verify", agent.daemon.url], "data folder", fleet)
                try expect(Self.usage, ["fleet", "--color"], "--color", fleet)
                // Each daemon knows the other by its looks.
                let hub = fleet.aggregator.daemon.url
                let device = agent.daemon.url
                for command in ["why", "journey"] {
                    try expect(
                        Self.usage, [command, id, "--agent", hub],
                        "is an aggregator: name it with --aggregator", fleet)
                    try expect(
                        Self.usage, [command, id, "--aggregator", device],
                        "is an agent: name it with --agent", fleet)
                }
                for command in ["fleet", "gaps", "follow"] {
                    try expect(
                        Self.usage, [command, "--aggregator", device],
                        "is an agent: this command asks an aggregator", fleet)
                }
                try expect(
                    Self.usage, ["follow", "--aggregator", "https://127.0.0.1:1"], "http://", fleet)
            }
        }

        @Test
        func `what one receipt says of many is not said of one, and waiting is drawn as waiting`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                agent.link.cut()
                // Each in a segment of its own.
                let ids = try (1...3).map { try agent.client.accept([.sale($0)])[0] }
                let since = ContinuousClock.now
                try waitUntil("they have waited for longer than work takes", within: .seconds(9)) {
                    ContinuousClock.now - since > .milliseconds(150)
                }
                agent.link.heal()
                try fleet.waitUntilDrained()
                let receipt = try wait(for: "the receipt", within: .seconds(15)) {
                    let journey = try agent.client.http.json("/v1/transactions/\(ids[2])/journey")
                    return journey["receipt"] == .null ? nil : journey["receipt"]
                }
                #expect(receipt["first"].int == 1 && receipt["through"].int == 3)
                let here = ["--agent", agent.daemon.url]
                let hub = ["--aggregator", fleet.aggregator.daemon.url]
                let one = try trace("why", ids[2], here, fleet)
                #expect(one.text.contains("at the latest"), "\(one.text)")
                #expect(!one.text.contains("position"), "\(one.text)")
                #expect(try trace("why", ids[0], here, fleet).text.contains("position 1"))
                for sources in [hub, hub + here] {
                    let both = try trace("why", ids[2], sources, fleet)
                    #expect(both.text.contains("position 3"), "\(both.text)")
                }
                let alone = try trace("journey", ids[2], hub, fleet)
                #expect(alone.text.contains("on the device; --agent tells why"), "\(alone.text)")
                #expect(!alone.text.contains("not waiting"), "\(alone.text)")
                #expect(try trace("journey", ids[2], hub + here, fleet).text.contains("of it"))
            }
        }

        @Test func `an aggregator that is cut off itself is said to be, first of all`()
            async throws
        {
            try await withRunningFleet { fleet in
                let id = try fleet.agents[0].client.accept([.sale(1)])[0]
                try fleet.waitUntilDrained()
                let hub = ["--aggregator", fleet.aggregator.daemon.url]
                let later = id.replacing(#/\d+$/#, with: "2")
                try expect(
                    Self.notFound, ["why", later] + hub, "till-1 had announced up to 1", fleet)
                fleet.broker.process.kill()
                try waitUntil("the aggregator knows it", within: .seconds(15)) {
                    let ready = try fleet.aggregator.client.http.json("/readyz")
                    return ready["connected"] == .bool(false)
                        && ready["broker"].string?.contains(": ") == true
                }
                let words = "This aggregator is not connected to its broker: "
                for command in ["fleet", "gaps"] {
                    let text = try Program.trace([command] + hub, in: fleet.home)
                    #expect(text.exit == Self.notFine)
                    #expect(text.output.hasPrefix(words), "\(text.output)")
                    let json = try Program.trace([command, "--json"] + hub, in: fleet.home)
                    #expect(json.exit == Self.notFine)
                    #expect(try json.json()["warning"].string?.hasPrefix(words) == true)
                }
                try expect(Self.notFound, ["why", later] + hub, words, fleet)
            }
        }

        @Test func `fleet shows each agent, and says when one needs somebody`() async throws {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                for agent in fleet.agents { try agent.client.accept([.sale(1, on: agent.id)]) }
                try fleet.waitUntilDrained()
                let arguments = ["fleet", "--aggregator", fleet.aggregator.daemon.url]
                try waitUntil("both agents online", within: .seconds(15)) {
                    try fleet.aggregator.client.agents().count { $0["state"] == "online" } == 2
                }
                let good = try Program.trace(arguments, in: fleet.home)
                #expect(good.exit == Self.fine, "\(good.output)")
                #expect(good.output.contains("till-1") && good.output.contains("till-2"))
                #expect(good.output.contains("No agent needs you."), "\(good.output)")
                let json = try Program.trace(arguments + ["--json"], in: fleet.home).json()
                let agents = try #require(json["agents"].array)
                #expect(agents.map { $0["id"] } == ["till-1", "till-2"])
                #expect(agents.allSatisfy { $0["online"] == .bool(true) })
            }
        }

        @Test func `a device that was wiped is named with its former stream, which is waited for`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                let former = try #require(try agent.client.sync().json["stream"].string)
                // Else it would be gone without having said anything.
                try waitUntil("its watermark is known", within: .seconds(20)) {
                    try fleet.aggregator.client.agents()[0]["complete_through"].string != nil
                }
                #expect(agent.daemon.stop() == .status(0))
                try FileManager.default.removeItem(atPath: agent.daemon.data)
                try agent.daemon.start()
                try agent.client.accept([.sale(2)])
                let arguments = ["fleet", "--aggregator", fleet.aggregator.daemon.url]
                let current = try #require(try agent.client.sync().json["stream"].string)
                // Until it has met the new one, the aggregator shows the former as if it were there.
                let words = try wait(for: "both are named", within: .seconds(20)) {
                    let fleet = try Program.trace(arguments, in: fleet.home)
                    let isNamed = [former, current].allSatisfy(fleet.output.contains)
                    return isNamed ? fleet : nil
                }
                #expect(words.exit == Self.notFine && current != former)
                #expect(words.output.contains("1 of 1 agent needs you."), "\(words.output)")
            }
        }

        @Test func `a dead agent's folder tells why, and not a byte of it changes`() async throws {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let ids = try agent.client.accept((1...50).map { .sale($0) })
                agent.daemon.process.kill()
                let before = try FolderState(agent.daemon.data)
                let source = ["--db", agent.daemon.data]
                // The write-ahead log holds all of it, and is read.
                let why = try trace("why", ids[49], source, fleet)
                #expect(why.exit == Self.notFine)
                #expect(why.json["verdict"]["stage"] == "on_device")
                #expect(why.text.contains("Not yet in the global ledger"), "\(why.text)")
                let journey = try trace("journey", ids[0], source, fleet)
                #expect(journey.exit == Self.notFine)
                let verify = try Program.trace(
                    ["verify", agent.daemon.data, "--json"], in: fleet.home)
                #expect(verify.exit == Self.fine)
                #expect(try verify.json()["events"].int == ids.count)
                #expect(try verify.json()["sound"] == .bool(true))
                #expect(try FolderState(agent.daemon.data).changes(since: before) == [])
            }
        }

        @Test func `verify reads the folder of a running daemon, and asks a running aggregator`()
            async throws
        {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept((1...100).map { .sale($0) })
                try fleet.waitUntilDrained()
                for place in fleet.daemons.map(\.data) + [fleet.aggregator.daemon.url] {
                    let words = try Program.trace(["verify", place], in: fleet.home)
                    #expect(words.exit == Self.fine, "\(words.output)")
                    #expect(words.output.hasPrefix("Sound: "), "\(words.output)")
                    let json = try Program.trace(["verify", place, "--json"], in: fleet.home)
                    #expect(try json.json()["events"].int == 100)
                    #expect(try json.json()["conserved"] == .bool(true))
                }
            }
        }

        private struct Answer {
            var exit: ProcessExit
            var text: String
            var json: JSONValue
        }

        /// Asks twice, in words and as JSON, and expects the same status.
        private func trace(
            _ command: String, _ id: String, _ source: [String], _ fleet: Fleet
        ) throws -> Answer {
            let words = try Program.trace([command, id] + source, in: fleet.home)
            let json = try Program.trace([command, id, "--json"] + source, in: fleet.home)
            #expect(json.exit == words.exit, "\(command) \(source): \(json.output)")
            return Answer(exit: words.exit, text: words.output, json: try json.json())
        }

        private func expect(
            _ exit: ProcessExit, _ arguments: [String], _ said: String, _ fleet: Fleet
        ) throws {
            let result = try Program.trace(arguments, in: fleet.home)
            #expect(result.exit == exit, "\(arguments): \(result.output)")
            #expect(result.output.contains(said) || said.isEmpty, "\(arguments): \(result.output)")
        }

        private func expectOrder(_ stages: [String], of source: [String]) throws {
            let all = ["accepted", "durable", "published", "received", "merged", "acked"]
            let known = all.filter(stages.contains)
            #expect(stages.filter { $0 != "waiting" } == known, "\(source)")
            #expect(known.contains("accepted") && known.contains("merged"), "\(source)")
        }
    }
}
