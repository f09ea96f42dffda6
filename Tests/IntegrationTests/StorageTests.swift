import FleetHarness
import Testing
import Workload

extension IntegrationTests {
    @Suite struct StorageTests {
        @Test func `a full agent says 507, keeps what it accepted, and drains it`() async throws {
            try await withFleet(agentArguments: ["--limits-storage", "4MiB"]) { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let (accepted, full) = try fill(agent)
                print("storage: \(accepted.count) transactions in 4 MiB")
                #expect(full.status == 507)
                #expect(full.headers["content-type"] == "application/problem+json")
                #expect(try full.json()["code"] == "storage_full")
                #expect(try full.json()["retryable"] == .bool(true))
                #expect(full.headers["retry-after"].flatMap(Int.init) ?? 0 > 0)

                // It still answers, and its clients get their first answers again.
                #expect(try agent.client.sync().backlog == accepted.count)
                let replay = try agent.client.post(accepted[3].0)
                #expect(replay?.status == 200)
                #expect(replay?.transaction?.id == accepted[3].1)

                try agent.daemon.killAndRestart()
                for (operation, id) in accepted {
                    let kept = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: kept) == nil)
                }
                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                try fleet.expectConvergence(with: Oracle(accepted.map(\.0)))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        /// Sends until the agent has no room, and gives back what it accepted, and what it said then.
        private func fill(
            _ agent: AgentNode
        ) throws -> ([(Workload.Operation, String)], HTTPResponse) {
            var accepted: [(Workload.Operation, String)] = []
            for batch in 0..<1_000 {
                let operations = (0..<50).map { Self.operation(batch * 50 + $0) }
                let response = try agent.client.http.post(
                    "/v1/transactions/batch", operations.batchJSON())
                guard response.status == 200 else { return (accepted, response) }
                let results = try #require(try response.json()["results"].array)
                for (operation, result) in zip(operations, results) {
                    #expect(result["status"].int == 201)
                    let id = try #require(result["transaction"]["id"].string)
                    accepted.append((operation, id))
                }
            }
            throw TimedOut(what: "a full disk after 50,000 transactions", limit: .zero)
        }

        /// A thousand bytes, so that the room is soon used up.
        private static func operation(_ n: Int) -> Workload.Operation {
            var operation = Workload.Operation.sale(n)
            operation.metadata["note"] = String(repeating: "x", count: 1_000)
            return operation
        }
    }
}
