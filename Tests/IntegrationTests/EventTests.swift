import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct EventTests {
        /// The numbers of merged transactions, until the one that is to be the last.
        private func merged(_ reader: EventReader, through last: Int) throws -> [Int] {
            var numbers: [Int] = []
            while numbers.last != last {
                let event = try reader.next("merged")
                let id = try #require(event.data["id"].string)
                let number = try #require(id.split(separator: ".").last.flatMap { Int($0) })
                #expect(event.id.hasSuffix("-\(number)"), "\(event.id) of \(id)")
                numbers.append(number)
            }
            return numbers
        }

        @Test
        func `an agent's events go on where their reader was, across SIGKILL and a new start`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let first = try EventReader(port: agent.daemon.port)
                let connection = try first.next("connection")
                #expect(connection.data["connected"] != .null)
                try agent.client.accept((1...300).map { .sale($0) })
                #expect(try merged(first, through: 200) == Array(1...200))
                let place = try #require(first.lastEventID)
                // More is merged while nobody listens, some of it unknown to the agent when it dies.
                try agent.client.accept((301...400).map { .sale($0) })
                try agent.daemon.killAndRestart()
                try agent.client.accept((401...420).map { .sale($0) })
                let second = try EventReader(port: agent.daemon.port, lastEventID: place)
                #expect(try merged(second, through: 420) == Array(201...420))
                // And at another place than its end, from a parameter, as browsers begin.
                let stream = try #require(place.split(separator: "-").first)
                let third = try EventReader(
                    port: agent.daemon.port, path: "/v1/events?last_event_id=\(stream)-399")
                #expect(try merged(third, through: 420) == Array(400...420))
                fleet.expectCleanEnds()
            }
        }

        @Test
        func `an agent says when its connection goes and comes, and refuses what is no place`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let reader = try EventReader(port: agent.daemon.port)
                func wait(connected: Bool) throws {
                    while try reader.next("connection").data["connected"] != .bool(connected) {}
                }
                try wait(connected: true)
                agent.link.cut()
                try wait(connected: false)
                agent.link.heal()
                try wait(connected: true)
                let http = agent.client.http
                for wrong in ["x", "k3f9qa2m", "k3f9qa2m-x", "k3f9qa2m-1-2"] {
                    let answer = try http.get("/v1/events?last_event_id=\(wrong)")
                    #expect(answer.status == 400)
                    #expect(
                        try answer.json()["errors"][0]["path"] == .string("last_event_id"))
                }
                #expect(try http.get("/v1/events?since=1").status == 400)
                let ahead = try EventReader(
                    port: agent.daemon.port, path: "/v1/events",
                    lastEventID: try #require(reader.lastEventID).replacing("-0", with: "-99"))
                #expect(try ahead.next("reset").data["reason"] == .string("ahead"))
                let other = try EventReader(port: agent.daemon.port, lastEventID: "00000001-7")
                #expect(try other.next("reset").data["reason"] == .string("other_stream"))
            }
        }

        @Test
        func `an aggregator's events go on at a place of the log, and are what was asked for`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let port = fleet.aggregator.daemon.port
                let all = try EventReader(port: port)
                let some = try EventReader(
                    port: port, path: "/v1/events?agent=till-2&account=stores:3:sales")
                try fleet.agents[0].client.accept((1...40).map { .sale($0, on: "till-1") })
                try fleet.agents[1].client.accept((1...40).map { .sale($0, on: "till-2") })
                var ids: Set<String> = []
                while ids.count < 50 {
                    ids.insert(try #require(try all.next("merged").data["id"].string))
                }
                for number in [3, 10, 17, 24, 31, 38] {
                    let event = try some.next("merged")
                    #expect(event.data["agent"] == "till-2")
                    #expect(event.data["reference"] == .string("receipt \(number)"))
                }
                let place = try #require(all.lastEventID)
                try fleet.aggregator.daemon.killAndRestart()
                let again = try EventReader(port: port, lastEventID: place)
                while ids.count < 80 {
                    let id = try #require(try again.next("merged").data["id"].string)
                    #expect(ids.insert(id).inserted, "\(id) is told twice")
                }
                try waitUntil("both agents online", within: .seconds(15)) {
                    try fleet.aggregator.client.agents().count { $0["state"] == "online" } == 2
                }
                fleet.agents[1].daemon.stop()
                var change = try again.next("fleet")
                while change.data["change"] != "offline" { change = try again.next("fleet") }
                #expect(change.data["agent"] == "till-2")
            }
        }

        @Test func `the ledger says how far it is complete, and names who holds it back`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let aggregator = fleet.aggregator
                // The other has nothing to say yet, and is complete all the same.
                try fleet.agents[0].client.accept([.sale(1)])
                let first = try wait(for: "both to say a watermark", within: .seconds(30)) {
                    try aggregator.client.ledger().json["complete_through"].string
                }
                #expect(try aggregator.client.ledger().json["held_back_by"] == .array([]))
                // An idle fleet goes on.
                try waitUntil("the watermarks grow", within: .seconds(30)) {
                    try aggregator.client.ledger().json["complete_through"].string ?? "" > first
                }
                let arguments = ["fleet", "--aggregator", aggregator.daemon.url]
                let well = try Program.trace(arguments, in: fleet.home)
                #expect(well.output.contains("Complete through "), "\(well.output)")
                #expect(!well.output.contains("except"), "\(well.output)")
                // One goes, and is named; the other goes on.
                fleet.agents[1].daemon.stop()
                let held = try wait(for: "till-2 to be named", within: .seconds(15)) {
                    let ledger = try aggregator.client.ledger().json
                    return ledger["held_back_by"][0]["agent"] == "till-2" ? ledger : nil
                }
                #expect(held["held_back_by"][0]["cause"] == "offline")
                #expect(held["held_back_by_count"] == .integer(1))
                let without = try #require(held["complete_through_without_them"].string)
                #expect(without >= (held["complete_through"].string ?? "~"))
                try waitUntil("the others go on", within: .seconds(30)) {
                    let ledger = try aggregator.client.ledger().json
                    return ledger["complete_through_without_them"].string ?? "" > without
                }
                let words = try Program.trace(arguments, in: fleet.home)
                #expect(words.output.contains("except this agent:"), "\(words.output)")
                #expect(words.output.contains("  till-2, offline since "), "\(words.output)")
                // It is kept across a new start.
                try aggregator.daemon.killAndRestart()
                let after = try aggregator.client.ledger().json["complete_through"].string
                #expect(after ?? "" >= first)
                // When it was last heard of is told by what is stored.
                let agents = try aggregator.client.agents()
                let gone = try #require(agents.first { $0["id"] == "till-2" })
                #expect(gone["state"] == "offline" && gone["last_seen_at"].string != nil)
                let json = try Program.trace(arguments + ["--json"], in: fleet.home).json()
                #expect(json["completeness"]["live_agents"] == .integer(2))
            }
        }

        @Test func `follow prints a merge, goes on when the aggregator comes back, and ends`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let url = fleet.aggregator.daemon.url
                let follow = try Following(["--count", "2"], url, fleet.home)
                try follow.waitFor("following")
                let ids = try agent.client.accept([.sale(7)])
                try follow.waitFor(ids[0])
                try fleet.aggregator.daemon.killAndRestart()
                let second = try agent.client.accept([.sale(8)])
                try follow.waitFor(second[0])
                #expect(follow.process.waitUntilEnded(within: .seconds(15)) == .status(0))
                let text = try follow.output()
                #expect(text.contains("1.07 EUR  customers:7 → stores:0:sales"), "\(text)")
                #expect(text.contains("trying again in"), "\(text)")
                #expect(text.components(separatedBy: ids[0]).count == 2, "told once: \(text)")
                #expect(!text.contains("\u{1B}"), "no colour in a file")
                let lines = text.split(separator: "\n").filter { !$0.hasPrefix("tributary-trace:") }
                #expect(lines.allSatisfy { $0.count <= 80 }, "\(text)")
                let json = try Following(
                    ["--json", "--count", "1", "--account", "stores:2:sales", "--after", "1-0-0"],
                    url, fleet.home)
                try agent.client.accept([.sale(9)])
                #expect(json.process.waitUntilEnded(within: .seconds(15)) == .status(0))
                let line = try #require(
                    try json.output().split(separator: "\n").last { $0.contains("\"merged\"") })
                let event = try JSONValue(parsing: Array(line.utf8))
                #expect(event["event"] == "merged")
                #expect(event["data"]["reference"] == "receipt 9")
            }
        }

        @Test
        func `follow takes next to no time of a core, and Ctrl-C ends it with a count`()
            async throws
        {
            try await withRunningFleet { fleet in
                let started = ContinuousClock.now
                let follow = try Following([], fleet.aggregator.daemon.url, fleet.home)
                try follow.waitFor("following")
                let ids = try fleet.agents[0].client.accept([.sale(7)])
                try follow.waitFor(ids[0])
                try fleet.aggregator.daemon.killAndRestart()
                try follow.waitFor("connected again")
                try waitUntil("the stream was quiet for a while", within: .seconds(30)) {
                    ContinuousClock.now - started > .seconds(3)
                }
                let share = try follow.processorTime() / (ContinuousClock.now - started)
                #expect(share < 0.2, "\(share) of a core")
                follow.process.send(SIGINT)
                #expect(follow.process.waitUntilEnded(within: .seconds(10)) == .status(0))
                let text = try follow.output()
                #expect(text.hasSuffix("\n1 merge.\n"), "\(text)")
            }
        }

        @Test func `gaps shows what a device announced and did not send, and what to do`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let url = fleet.aggregator.daemon.url
                try agent.client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                let fine = try Program.trace(["gaps", "--aggregator", url], in: fleet.home)
                #expect(fine.exit == .status(0) && fine.output.contains("Nothing is missing"))
                // The device takes ten more while the aggregator is away, says how far it is, and is
                // switched off.
                fleet.aggregator.daemon.process.kill()
                try agent.client.accept((2...11).map { .sale($0) })
                agent.daemon.stop()
                try fleet.aggregator.daemon.start()
                let gaps = try wait(for: "a gap", within: .seconds(30)) {
                    let gaps = try fleet.aggregator.client.http.items("/v1/gaps")
                    return gaps.isEmpty ? nil : gaps
                }
                #expect(gaps.count == 1)
                #expect(gaps[0]["first"] == .integer(2) && gaps[0]["last"] == .integer(11))
                #expect(gaps[0]["evidence"] == "announced" && gaps[0]["online"] == .bool(false))
                let words = try Program.run(
                    "tributary-trace", ["gaps", "--aggregator", url], in: fleet.home,
                    environment: ["COLUMNS": "80"])
                #expect(words.exit == .status(1))
                #expect(words.output.contains("2 to 11"), "\(words.output)")
                #expect(words.output.contains("bring the device back"), "\(words.output)")
                #expect(words.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
                let json = try Program.trace(
                    ["gaps", "--aggregator", url, "--json"], in: fleet.home)
                #expect(json.exit == .status(1))
                #expect(try json.json()["gaps"][0]["count"] == .integer(10))
                // It comes back, and nothing is missing any more.
                try agent.daemon.start()
                try waitUntil("no gap", within: .seconds(30)) {
                    try fleet.aggregator.client.http.items("/v1/gaps").isEmpty
                }
            }
        }
    }
}

/// `tributary-trace follow` under way.
private struct Following {
    let process: ChildProcess

    init(_ arguments: [String], _ url: String, _ home: String) throws {
        process = ChildProcess(
            name: "follow", executable: "/usr/bin/env",
            arguments: [
                "COLUMNS=80", "\(try FleetPlan.binariesBesideThis())/tributary-trace", "follow",
                "--aggregator", url,
            ] + arguments,
            log: "\(home)/follow-\(UInt32.random(in: 0 ... .max))")
        try process.start()
    }

    func output() throws -> String { try String(contentsOfFile: process.log, encoding: .utf8) }

    /// Of all its threads so far.
    func processorTime() throws -> Duration {
        let pid = try #require(process.pid)
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // Behind the name in brackets: proc(5), fields 14 and 15, in ticks of 10 ms.
        let fields = try #require(stat.split(separator: ")").last).split(separator: " ")
        let ticks = try #require(Int(fields[11])) + #require(Int(fields[12]))
        return .milliseconds(10 * ticks)
    }

    func waitFor(_ text: String) throws {
        try waitUntil("\"\(text)\" of follow", within: .seconds(30)) {
            try output().contains(text)
        }
    }
}
