import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct RetentionTests {
        private static let short = ["--retention", "1s"]

        @Test
        func
            `what is merged and older than the retention is pruned, and everything is still right`()
            async throws
        {
            try await withRunningFleet(agentArguments: Self.short) { fleet in
                let agent = fleet.agents[0]
                let operations = (1...8_000).map { number in
                    var operation = Workload.Operation.sale(number)
                    operation.metadata["note"] = String(repeating: "n", count: 700)
                    return operation
                }
                let group = (9_001...9_003).map { Workload.Operation.sale($0) }
                let grouped = try Self.post(group, agent, status: 201)
                let ids = try Self.accept(operations, agent)
                let first = try agent.client.http.json("/v1/transactions/\(ids.last ?? "")")
                #expect(first["reference"].string == "receipt 8000")
                let file = "\(agent.daemon.data)/agent.db"
                var largest = try Self.byteCount(file)
                try waitUntil("the log is pruned and its file shorter", within: .seconds(30)) {
                    let size = try Self.byteCount(file)
                    largest = max(largest, size)
                    let storage = try agent.client.sync().json["storage"]
                    return storage["oldest_retained"].int ?? 0 > 7_900
                        && storage["free_bytes"].int ?? .max < 1 << 20 && size < largest * 3 / 4
                }
                print("retention: \(largest) bytes shrank to \(try Self.byteCount(file))")
                try Self.expectPrunedAnswers(agent, operations[4], ids[4])
                #expect(try Self.post(group, agent, status: 200) == grouped)

                try agent.daemon.killAndRestart()
                #expect(try agent.client.sync().json["head"].int == 8_003)
                try Self.expectPrunedAnswers(agent, operations[4], ids[4])
                #expect(try Self.post(group, agent, status: 200) == grouped)
                let more = (8_001...8_100).map { Workload.Operation.sale($0) }
                try agent.client.accept(more)
                try fleet.expectConvergence(with: Oracle(group + operations + more))
                try Self.expectTold(ids[4], fleet)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        /// The command line does not call it unknown.
        private static func expectTold(_ id: String, _ fleet: Fleet) throws {
            let agent = fleet.agents[0].daemon
            let hub = ["--aggregator", fleet.aggregator.daemon.url]
            for source in [["--agent", agent.url], ["--db", agent.data]] {
                let alone = try Program.trace(["why", id] + source, in: fleet.home)
                #expect(alone.exit == .status(3))
                #expect(alone.output.contains("was pruned"), "\(alone.output)")
                #expect(alone.output.contains("Next: tributary-trace why \(id) --aggregator"))
                let both = try Program.trace(["why", id] + source + hub, in: fleet.home)
                #expect(both.exit == .status(0), "\(both.output)")
            }
        }

        /// Nobody has it any more, which is said, with what to do.
        private static func expectLost(_ id: String, from first: Int, _ fleet: Fleet) throws {
            let hub = ["--aggregator", fleet.aggregator.daemon.url]
            let agent = ["--agent", fleet.agents[0].daemon.url]
            for arguments in [["fleet"], ["gaps"], ["why", id], ["why", id] + agent] {
                let told = try Program.trace(arguments + hub, in: fleet.home)
                #expect(told.exit == .status(1), "\(told.output)")
                #expect(told.output.contains("restore a later backup of"), "\(told.output)")
            }
            let gaps = try Program.trace(["gaps", "--json"] + hub, in: fleet.home).json()
            #expect(gaps["lacking"][0]["first"].int == first)
        }

        /// Posts an atomic group under one key.
        ///
        /// - Returns: of each member, what stays the same: its id, and when it was accepted.
        private static func post(
            _ group: [Workload.Operation], _ agent: AgentNode, status: Int
        ) throws -> [[String?]] {
            let response = try agent.client.http.post(
                "/v1/transactions/batch", group.groupJSON(key: "group"))
            #expect(response.status == 200, "\(response.text)")
            return try #require(try response.json()["results"].array).map { result in
                #expect(result["status"].int == status)
                let transaction = result["transaction"]
                return [transaction["id"].string, transaction["accepted_at"].string]
            }
        }

        /// The transaction is not here any more, its key is, and its money is in the balances.
        private static func expectPrunedAnswers(
            _ agent: AgentNode, _ operation: Workload.Operation, _ id: String
        ) throws {
            for path in ["/v1/transactions/\(id)", "/v1/transactions/\(id)/journey"] {
                let gone = try agent.client.http.get(path)
                #expect(gone.status == 404)
                #expect(gone.text.contains("pruned") && gone.text.contains("aggregator"), "\(gone)")
            }
            let response = try agent.client.http.post(
                "/v1/transactions", operation.transactionJSON(),
                headers: ["Idempotency-Key": "\"\(operation.idempotencyKey)\""])
            #expect(response.status == 200 && response.headers["idempotency-replayed"] == "true")
            let replay = try response.json()
            #expect(replay["id"].string == id && replay["status"].string == "merged")
            #expect(replay["accepted_at"].string?.isEmpty == false)
            #expect(operation.difference(from: replay) == nil)
            // Pages lead to the oldest that is kept, and end there.
            let oldest = try agent.client.sync().json["storage"]["oldest_retained"].int ?? 0
            let listed = try agent.client.http.items("/v1/transactions", limit: 7)
            #expect(listed.count <= 8_003 - oldest + 1 && !listed.isEmpty)
        }

        @Test
        func
            `a full quota refuses until what the aggregator has is older than the retention`()
            async throws
        {
            let arguments = Self.short + ["--limits-storage", "4MiB"]
            try await withFleet(agentArguments: arguments) { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                var accepted: [Workload.Operation] = []
                let full = try Self.fill(agent, &accepted)
                #expect(full.headers["retry-after"].flatMap(Int.init) ?? 0 > 0)
                #expect(full.text.contains("quota of 4194304 bytes"), "\(full.text)")
                // Time alone makes no room: nothing is acknowledged yet.
                #expect(try agent.client.sync().json["storage"]["oldest_retained"].int == 1)

                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                let one = Self.strangers(accepted.count)
                try waitUntil("there is room again", within: .seconds(30)) {
                    try agent.client.post(one)?.status == 201
                }
                accepted.append(one)
                try fleet.expectConvergence(with: Oracle(accepted))
                print("quota: \(accepted.count) transactions went through 4 MiB")
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `what is acknowledged and young stays, however full the quota is`() async throws
        {
            let arguments = ["--retention", "1h", "--limits-storage", "2MiB"]
            try await withRunningFleet(agentArguments: arguments) { fleet in
                let agent = fleet.agents[0]
                var accepted: [Workload.Operation] = []
                _ = try Self.fill(agent, &accepted)
                try fleet.waitUntilDrained()
                // A start looks at once for what may go.
                try agent.daemon.killAndRestart()
                try fleet.waitUntilDrained()
                var after: [Workload.Operation] = []
                let full = try Self.fill(agent, &after, from: accepted.count)
                #expect(full.text.contains("quota"), "\(full.text)")
                #expect(try agent.client.sync().json["storage"]["oldest_retained"].int == 1)
                try fleet.expectConvergence(with: Oracle(accepted + after))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test
        func
            `an aggregator restored from a backup older than the retention goes on behind what it lacks`()
            async throws
        {
            try await withRunningFleet(agentArguments: Self.short) { fleet in
                let agent = fleet.agents[0]
                let hub = fleet.aggregator.daemon
                let early = (1...200).map { Workload.Operation.sale($0) }
                let later = (201...600).map { Workload.Operation.sale($0) }
                _ = try Self.accept(early, agent)
                try fleet.waitUntilDrained()
                try Self.copyFolder(of: hub, to: "early")
                var ids: [String] = []
                for batch in 0..<4 {
                    ids += try Self.accept(Array(later[batch * 100..<batch * 100 + 100]), agent)
                    try fleet.waitUntilDrained()
                }
                try waitUntil("more is pruned than the backup has", within: .seconds(20)) {
                    try agent.client.sync().json["storage"]["oldest_retained"].int ?? 0 > 300
                }
                try Self.copyFolder(of: hub, to: "later", andRestore: "early")

                let lacking = try wait(for: "the gap has a name", within: .seconds(20)) {
                    let shown = try fleet.aggregator.client.agents().first
                    let lacking = shown?["streams"][0]["lacking"]
                    return lacking?["first"].int == nil ? nil : lacking
                }
                #expect(lacking["first"].int == 201)
                let through = try #require(lacking["through"].int)
                #expect(through >= 300)
                try Self.expectLost(ids[0], from: 201, fleet)
                // What nobody has any more is named as long as nobody has settled it, and the rest goes
                // on behind it.
                let last = Workload.Operation.sale(601)
                try agent.client.accept([last])
                try fleet.waitUntilDrained()
                let gaps = try fleet.aggregator.client.http.items("/v1/gaps")
                let gap = try #require(gaps.first)
                #expect(gap["evidence"] == "pruned" && gaps.count == 1, "\(gaps)")
                #expect(gap["first"].int == 201 && gap["last"].int == through)
                let metrics = try fleet.aggregator.client.http.get("/metrics").text
                #expect(metrics.contains("\ntributary_aggregator_lacking_streams 1\n"))
                let ledger = try fleet.aggregator.client.auditedLedger()
                #expect(ledger.isConserved == true)
                let log = try String(contentsOfFile: hub.process.log, encoding: .utf8)
                #expect(log.contains("the hub goes on in another stream"), "\(log.suffix(2_000))")

                // The agent has left the hub's stream that the later backup is of: it draws another.
                try Self.copyFolder(of: hub, to: "behind", andRestore: "later")
                try waitUntil("it has what was recorded meanwhile", within: .seconds(60)) {
                    let shown = try fleet.aggregator.client.agents().first
                    return shown?["streams"][0]["merged"].int == 601
                }
                try fleet.expectConvergence(with: Oracle(early + later + [last]))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: Steps

        /// A sale between accounts that nobody else has: what takes most room beside the log.
        private static func strangers(_ number: Int) -> Workload.Operation {
            var operation = Workload.Operation.sale(number)
            operation.postings[0].source = "c:\(number)"
            operation.postings[0].destination = "d:\(number)"
            operation.metadata = [:]
            return operation
        }

        /// Records until the quota is full.
        ///
        /// - Returns: the refusal.
        private static func fill(
            _ agent: AgentNode, _ accepted: inout [Workload.Operation], from first: Int = 0
        ) throws -> HTTPResponse {
            while accepted.count < 200_000 {
                let batch = (0..<200).map { strangers(first + accepted.count + $0) }
                let response = try agent.client.http.post(
                    "/v1/transactions/batch", batch.batchJSON())
                guard response.status == 200 else {
                    #expect(response.status == 507)
                    return response
                }
                accepted += batch
            }
            throw TimedOut(what: "a full quota", limit: .zero)
        }

        private static func accept(
            _ operations: [Workload.Operation], _ agent: AgentNode
        ) throws -> [String] {
            var ids: [String] = []
            for start in stride(from: 0, to: operations.count, by: 100) {
                let end = min(start + 100, operations.count)
                ids += try agent.client.accept(Array(operations[start..<end]))
            }
            return ids
        }

        /// Of a database and its write-ahead log together.
        private static func byteCount(_ path: String) throws -> Int {
            try [path, "\(path)-wal"].reduce(0) { sum, path in
                let size = try FileManager.default.attributesOfItem(atPath: path)[.size]
                return sum + (size as? Int ?? 0)
            }
        }

        /// Stops a daemon, keeps its folder under a name, and starts it again, from another one that was
        /// kept where that is said.
        private static func copyFolder(
            of daemon: Daemon, to name: String, andRestore other: String? = nil
        ) throws {
            #expect(daemon.stop() == .status(0))
            let files = FileManager.default
            try files.copyItem(atPath: daemon.data, toPath: "\(daemon.data)-\(name)")
            if let other {
                try files.removeItem(atPath: daemon.data)
                try files.copyItem(atPath: "\(daemon.data)-\(other)", toPath: daemon.data)
            }
            try daemon.start()
        }
    }
}
