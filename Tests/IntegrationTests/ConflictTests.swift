import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What operators see of conflicts, and what they decide: on both APIs and in the metrics.
    @Suite struct ConflictTests {
        @Test func `a fork is seen on both sides, and settled by name and reason`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let forked = try fleet.makeFork()
                let hub = fleet.aggregator.client.http
                let conflict = try #require(try hub.items("/v1/conflicts").first)
                let id = try #require(conflict["id"].string)
                #expect(conflict["kind"] == "fork" && conflict["status"] == "open")
                #expect(conflict["agent"] == "till-1" && conflict["stream"].string == forked)
                #expect(conflict["branches"].array?.count == 2, "\(conflict)")
                #expect(conflict["evidence"]["signature"].string?.count == 128)
                #expect(conflict["resolution"] == .null)
                #expect(try hub.json("/v1/conflicts/\(id)") == conflict)
                let stream = try stream(forked, fleet)
                #expect(stream["standing"] == conflict["cause"], "\(stream)")
                #expect(stream["branches"] == conflict["branches"])
                #expect(stream["open_conflicts"].int == 1)
                #expect(try hub.json("/v1/agents/till-1")["state"] == conflict["cause"])
                // The device was told of it.
                let told = try wait(for: "the device knows", within: .seconds(20)) {
                    let shown = try agent.client.http.get("/v1/conflicts/\(id)")
                    return shown.status == 200 ? try shown.json() : nil
                }
                for member in ["id", "kind", "cause", "stream", "summary", "evidence"] {
                    #expect(told[member] == conflict[member], "\(member)")
                }
                try expectMetrics("fork", open: 1, total: 1, fleet)
                // Of other kinds and agents there is none.
                for query in ["kind=gap_lost", "status=resolved", "agent=till-9"] {
                    #expect(try hub.items("/v1/conflicts?\(query)") == [], "\(query)")
                }
                for query in ["kind=fork", "status=open", "agent=till-1"] {
                    #expect(try hub.items("/v1/conflicts?\(query)") == [conflict], "\(query)")
                }

                let decision = #"{"operator":"ada","reason":"the old disk is in the safe"}"#
                let answer = try post("/v1/conflicts/\(id)/resolve", decision, status: 200, fleet)
                let resolution = answer["conflict"]["resolution"]
                #expect(resolution["operator"] == "ada")
                #expect(resolution["reason"] == "the old disk is in the safe")
                #expect(resolution["event"] == answer["event"])
                let again = try post("/v1/conflicts/\(id)/resolve", decision, status: 409, fleet)
                #expect(again["code"] == "already_decided" && again["operator"] == "ada")
                #expect(again["event"] == answer["event"])
                try waitUntil("the device knows that, too", within: .seconds(20)) {
                    try agent.client.http.json("/v1/conflicts/\(id)")["status"] == "resolved"
                }
                try expectMetrics("fork", open: 0, total: 1, fleet)
                #expect(try hub.json("/v1/agents/till-1")["state"] == "online")
                try expectEvents(["conflict", "decision"], of: id, fleet)
                #expect(try hub.json("/v1/conflicts/\(id)") == answer["conflict"])
                // It is in the log.
                #expect(fleet.aggregator.daemon.stop() == .status(0))
                try fleet.aggregator.daemon.start()
                #expect(try hub.json("/v1/conflicts/\(id)") == answer["conflict"])
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `a poisoned event is in quarantine until it can be read, and may be given up`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let poisoned = try fleet.makePoison()
                let hub = fleet.aggregator.client.http
                let conflict = try wait(for: "the quarantine", within: .seconds(30)) {
                    try hub.items("/v1/quarantine").first
                }
                let id = try #require(conflict["id"].string)
                #expect(conflict["kind"] == "quarantined" && conflict["cause"] == "unreadable")
                #expect(conflict["without_effect"][0]["count"].int == 1)
                let number = try #require(poisoned.split(separator: ".").last.flatMap { Int($0) })
                #expect(conflict["events"][0]["first"].int == number, "\(conflict)")
                #expect(try hub.items("/v1/conflicts") == [conflict])
                for http in [hub, agent.client.http] {
                    try waitUntil("it says why it has no transaction", within: .seconds(20)) {
                        let missing = try http.get("/v1/transactions/\(poisoned)")
                        #expect(missing.status == 404)
                        return try missing.json()["conflict"].string == id
                    }
                }
                try expectMetrics("quarantined", open: 1, total: 1, fleet)
                let decision = #"{"operator":"ada","reason":"sold by hand"}"#
                let refused = try post("/v1/quarantine/\(id)/release", decision, status: 409, fleet)
                #expect(refused["code"] == "cannot_release")
                #expect(try hub.items("/v1/quarantine") == [conflict])
                let settled = try post("/v1/conflicts/\(id)/resolve", decision, status: 200, fleet)
                // It has no effect all the same.
                #expect(try hub.items("/v1/quarantine") == [settled["conflict"]])
                #expect(settled["conflict"]["without_effect"][0]["count"].int == 1)
                try expectMetrics("quarantined", open: 0, total: 1, fleet)
                let metrics = try hub.get("/metrics").text
                #expect(metrics.contains("\ntributary_aggregator_quarantined_events 1\n"))
                fleet.expectCleanEnds()
            }
        }

        @Test func `a new stream waits for approval, and a lost one is declared lost`() async throws
        {
            try await withRunningFleet(aggregatorArguments: ["--streams-approval", "operator"]) {
                fleet in
                let agent = fleet.agents[0]
                try agent.client.accept((1...5).map { .sale($0) })
                try fleet.waitUntilDrained()
                let former = try #require(try agent.client.sync().json["stream"].string)
                try agent.daemon.replaceData(with: nil)
                try agent.daemon.start()
                try agent.client.accept((6...9).map { .sale($0) })
                let current = try #require(try agent.client.sync().json["stream"].string)
                try waitUntil("it waits", within: .seconds(30)) {
                    try fleet.aggregator.client.http.json("/v1/agents/till-1")["state"]
                        == "unapproved"
                }
                #expect(try agent.client.sync().backlog == 4)
                let path = "/v1/agents/till-1"
                let decision = #"{"operator":"ada","reason":"new disk"}"#
                let approved = try post("\(path)/approve", decision, status: 200, fleet)
                #expect(approved["stream"].string == current)
                try fleet.waitUntilDrained()
                #expect(try fleet.aggregator.client.ledger().transactions == 9)
                let none = try post("\(path)/approve", decision, status: 409, fleet)
                #expect(none["code"] == "wrong_standing", "\(none)")
                #expect(try #require(none["detail"].string).contains("\(former) is open"))

                // Which one, only its name says.
                let unclear = try post("\(path)/declare-lost", decision, status: 400, fleet)
                #expect(unclear["errors"][0]["path"] == "stream", "\(unclear)")
                let named = #"{"operator":"ada","reason":"stolen","stream":"\#(former)"}"#
                let lost = try post("\(path)/declare-lost", named, status: 200, fleet)
                #expect(lost["stream"].string == former)
                #expect(try stream(former, fleet)["standing"] == "lost")
                #expect(try stream(current, fleet)["standing"] == "open")
                let twice = try post("\(path)/declare-lost", named, status: 409, fleet)
                #expect(twice["code"] == "wrong_standing" && twice["standing"] == "lost")
                let closed = try post("\(path)/close-stream", decision, status: 200, fleet)
                #expect(closed["stream"].string == current)
                // The device is told, goes on in another, and that one waits in turn.
                try waitUntil("another stream", within: .seconds(30)) {
                    try agent.client.sync().json["stream"].string != current
                }
                try waitUntil("it waits", within: .seconds(30)) {
                    try fleet.aggregator.client.http.json(path)["state"] == "unapproved"
                }
                try agent.client.accept([.sale(10)])
                _ = try post("\(path)/approve", decision, status: 200, fleet)
                try fleet.waitUntilDrained()
                #expect(try fleet.aggregator.client.ledger().transactions == 10)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: Steps

        private func post(
            _ path: String, _ body: String, status: Int, _ fleet: Fleet,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws -> JSONValue {
            // A POST is not sent again on a connection that the daemon has closed; a GET is.
            _ = try fleet.aggregator.client.http.get("/healthz")
            let response = try fleet.aggregator.client.http.post(path, Array(body.utf8))
            #expect(response.status == status, "\(response.text)", sourceLocation: sourceLocation)
            return try response.json()
        }

        private func stream(_ tag: String, _ fleet: Fleet) throws -> JSONValue {
            let agent = try fleet.aggregator.client.http.json("/v1/agents/till-1")
            return try #require(agent["streams"].array?.first { $0["stream"].string == tag })
        }

        private func expectMetrics(
            _ kind: String, open: Int, total: Int, _ fleet: Fleet,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let sides = [
                ("agent", fleet.agents[0].client.http),
                ("aggregator", fleet.aggregator.client.http),
            ]
            for (side, http) in sides {
                let lines = [
                    "\ntributary_\(side)_open_conflicts{kind=\"\(kind)\"} \(open)\n",
                    "\ntributary_\(side)_conflicts_total{kind=\"\(kind)\"} \(total)\n",
                ]
                try waitUntil("the metrics of the \(side)", within: .seconds(20)) {
                    let metrics = try http.get("/metrics").text
                    return lines.allSatisfy(metrics.contains)
                }
            }
        }

        /// From the beginning of the log on.
        private func expectEvents(_ names: [String], of id: String, _ fleet: Fleet) throws {
            let reader = try EventReader(
                port: fleet.aggregator.daemon.port, lastEventID: "1-0-1")
            var found: [String] = []
            while found.count < names.count {
                let event = try #require(try reader.next())
                if event.data["conflict"]["id"].string == id { found.append(event.name) }
            }
            #expect(found == names)
        }
    }
}

extension Fleet {
    /// Has the first agent go on from an older copy of its folder, as a restored or cloned disk does.
    ///
    /// - Returns: the stream that has two branches then, and is closed.
    func makeFork() throws -> String {
        let agent = agents[0]
        try agent.client.accept((1...20).map { .sale($0) })
        try waitUntilDrained()
        let stream = try #require(try agent.client.sync().json["stream"].string)
        let copy = try agent.daemon.copyData(.running, as: "clone")
        try agent.client.accept((21...30).map { .sale($0) })
        try waitUntilDrained()
        agent.link.cut()
        try agent.daemon.replaceData(with: copy)
        try agent.daemon.start()
        try agent.client.accept((31...40).map { .sale($0) })
        agent.link.heal()
        try waitUntil("another stream", within: .seconds(40)) {
            try agent.client.sync().json["stream"].string != stream
        }
        try waitUntilDrained()
        return stream
    }

    /// Has the first agent's log spoil one event of three.
    ///
    /// - Returns: the event's id.
    func makePoison() throws -> String {
        let agent = agents[0]
        agent.link.cut()
        let ids = try agent.client.accept((1...3).map { .sale($0) })
        #expect(agent.daemon.stop() == .status(0))
        try agent.poisonLastSegment { $0.spoil(event: 1) }
        try agent.daemon.start()
        agent.link.heal()
        try waitUntilDrained()
        return ids[1]
    }
}
