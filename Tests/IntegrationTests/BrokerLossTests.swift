import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct BrokerLossTests {
        @Test func `a broker that forgets everything amid a backlog loses and doubles nothing`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let operations = fleet.agents.map { agent in
                    (1...6_000).map { Workload.Operation.sale($0, on: agent.id) }
                }
                for round in 0..<6 {
                    // The aggregator stands still: what the agents send piles up at the broker.
                    fleet.aggregator.daemon.process.send(SIGSTOP)
                    for (agent, operations) in zip(fleet.agents, operations) {
                        for batch in 0..<20 {
                            let from = round * 1_000 + batch * 50
                            try agent.client.accept(Array(operations[from..<(from + 50)]))
                        }
                    }
                    #expect(try fleet.backlogs().allSatisfy { $0 > 0 })
                    fleet.broker.process.kill()
                    // Half of the times the aggregator merges first what still reached it.
                    if round.isMultiple(of: 2) { fleet.aggregator.daemon.process.send(SIGCONT) }
                    try fleet.broker.start()
                    fleet.aggregator.daemon.process.send(SIGCONT)
                    if round == 3 { try fleet.waitUntilDrained() }
                }
                try fleet.expectConvergence(with: Oracle(operations.joined()))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `an agent without a broker from its first start works, and says why it waits`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let operations = (1...300).map { Workload.Operation.sale($0) }
                let ids = try agent.client.accept(operations)

                let ready = try agent.client.http.get("/readyz")
                #expect(ready.status == 200)
                #expect(try ready.json()["connected"] == .bool(false))
                try waitUntil("an error of the connection", within: .seconds(10)) {
                    try agent.client.sync().json["last_error"].string != nil
                }
                let sync = try agent.client.sync()
                #expect(!sync.isConnected)
                #expect(sync.reason == "waiting for the broker")
                #expect(sync.backlog == operations.count)
                #expect(sync.json["since"].string != nil)

                let unknown = try agent.client.http.get("/v1/accounts/nobody:1")
                #expect(unknown.status == 404 && unknown.headers["retry-after"] == nil)
                #expect(unknown.text.contains("will be asked for it when this device is connected"))
                try expectWhyNamesTheBroker(ids[17], agent, fleet, sync)
                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                try fleet.expectConvergence(with: Oracle(operations))
                try waitUntil("why says that it is merged", within: .seconds(15)) {
                    let why = try Program.trace(
                        ["why", ids[17], "--agent", agent.daemon.url], in: fleet.home)
                    return why.exit == .status(0)
                        && why.output.hasPrefix("Merged into the global ledger")
                }
                fleet.expectCleanEnds()
            }
        }

        private func expectWhyNamesTheBroker(
            _ id: String, _ agent: AgentNode, _ fleet: Fleet, _ sync: SyncStatus
        ) throws {
            let arguments = ["why", id, "--agent", agent.daemon.url]
            let why = try Program.trace(arguments, in: fleet.home)
            #expect(why.exit == .status(1))
            #expect(why.output.hasPrefix("Waiting for the broker since "), "\(why.output)")
            let error = try #require(sync.json["last_error"].string)
            // A sentence begins with a capital.
            #expect(why.output.contains(error.dropFirst()), "\(why.output)")
            #expect(why.output.contains("mqtt://127.0.0.1:\(agent.link.port)"))
            #expect(why.output.contains("299 more transactions wait"), "\(why.output)")
            let json = try Program.trace(arguments + ["--json"], in: fleet.home)
            #expect(json.exit == .status(1))
            #expect(try json.json()["verdict"]["stage"] == .string("waiting_for_broker"))
        }

        @Test func `an outage is told in both logs by its loss and its end, and by no attempt`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try waitUntil("both are connected", within: .seconds(15)) {
                    try Self.areConnected(fleet)
                }
                fleet.broker.process.kill()
                try waitUntil("several attempts have failed", within: .seconds(30)) {
                    try agent.client.sync().json["attempts"].int ?? 0 > 3
                }
                try agent.client.accept([.sale(1), .sale(2)])
                try fleet.broker.start()
                try fleet.waitUntilDrained()
                try waitUntil("both are connected", within: .seconds(30)) {
                    try Self.areConnected(fleet)
                }
                #expect(try agent.client.sync().json["last_error"] == .null)
                for daemon in fleet.daemons {
                    let log = try String(contentsOfFile: daemon.process.log, encoding: .utf8)
                    let lines = log.split(separator: "\n")
                    let lost = lines.filter {
                        $0.contains(" warning ") && $0.contains(": broker lost")
                    }
                    #expect(lost.count == 1 && lost[0].contains("mqtt.reason="), "\(log)")
                    let absent = lines.count { $0.contains("no connection to the broker") }
                    #expect(absent <= 3, "\(log)")
                    let found = lines.filter { $0.contains(": broker connected") }
                    #expect(found.count == 2, "\(log)")
                    #expect(found[1].contains("mqtt.waited_seconds="), "\(log)")
                    if daemon.name == agent.id {
                        #expect(found[1].contains("sync.backlog=2"), "\(log)")
                    }
                }
            }
        }

        private static func areConnected(_ fleet: Fleet) throws -> Bool {
            try fleet.agents[0].client.sync().isConnected
                && fleet.aggregator.client.http.json("/readyz")["connected"] == .bool(true)
        }

        @Test func `an agent tells that another program may be connected under its name`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let twin = ChildProcess(
                    name: "twin",
                    executable: "\(try FleetPlan.binariesBesideThis())/tributary-agent",
                    arguments: [
                        "run", "--id", agent.id, "--data", "\(fleet.home)/twin", "--listen",
                        "127.0.0.1:\(try FreePort.next())", "--broker", fleet.broker.url,
                    ], log: "\(fleet.home)/twin.log")
                try twin.start()
                defer { twin.kill() }
                let question = "is another program connected as \(agent.id)?"
                try waitUntil("the question is asked", within: .seconds(60)) {
                    try agent.client.sync().json["last_error"].string?.hasSuffix(question) == true
                }
                let ready = try agent.client.http.json("/readyz")
                #expect(ready["reason"].string?.hasSuffix(question) == true, "\(ready)")
                try waitUntil("the log has it", within: .seconds(10)) {
                    try String(contentsOfFile: agent.daemon.process.log, encoding: .utf8)
                        .contains(question)
                }
            }
        }

        @Test func `an aggregator without its broker is ready, and serves what it has`()
            async throws
        {
            try await withRunningFleet { fleet in
                let ids = try fleet.agents[0].client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                fleet.broker.process.kill()
                let client = fleet.aggregator.client
                try waitUntil("the loss is noticed", within: .seconds(15)) {
                    try client.http.json("/readyz")["connected"] == .bool(false)
                }
                #expect(try client.transaction(ids[0])["id"] == .string(ids[0]))
                #expect(try client.auditedLedger().isConserved == true)
            }
        }
    }
}
