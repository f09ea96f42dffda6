import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What an agent says of accounts that others use too.
    @Suite struct MergedBalanceTests {
        private static let account = "stores:shared:sales"

        private static func sale(_ n: Int, _ amount: Int64, on agent: AgentNode)
            -> Workload.Operation
        {
            Workload.Operation(
                n: n, node: agent.id, at: nil,
                postings: [
                    Workload.Posting(
                        source: "customers:\(agent.id)", destination: account, asset: "EUR/2",
                        amount: amount)
                ],
                reference: "", metadata: [:], idempotencyKey: "\(agent.id)-\(n)")
        }

        private func entry(_ agent: AgentNode, _ account: String = account) throws -> JSONValue {
            let json = try agent.client.http.json("/v1/accounts/\(account)")
            return try #require(json["balances"].array?.first)
        }

        private func waitForBalance(_ balance: Int128, at agents: [AgentNode]) throws {
            for agent in agents {
                try waitUntil("\(balance) at \(agent.id)", within: .seconds(15)) {
                    try entry(agent)["balance"].quantity == balance
                }
            }
        }

        @Test
        func `agents see each other's sales, their own at once, and keep both through outages`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let (first, second) = (fleet.agents[0], fleet.agents[1])
                try first.client.accept([Self.sale(1, 100, on: first)])
                let own = try entry(first)
                #expect(own["balance"].quantity == 100)
                #expect(own["local"].quantity == 100)
                try second.client.accept([Self.sale(1, 30, on: second)])
                try waitForBalance(130, at: fleet.agents)
                let merged = try entry(second)
                #expect(merged["local"].quantity == 30)
                #expect(merged["input"].quantity == 130 && merged["output"].quantity == 0)
                #expect(merged["as_of"]["time"].string != nil)
                #expect(merged["as_of"]["hub"].string?.count == 8)
                let position = try #require(merged["as_of"]["position"].int)

                // Cut off, the second one goes on from what it knew.
                second.link.cut()
                try second.client.accept([Self.sale(2, 5, on: second)])
                try first.client.accept([Self.sale(2, 1_000, on: first)])
                #expect(try entry(second)["balance"].quantity == 135)
                try second.daemon.killAndRestart()
                let kept = try entry(second)
                #expect(kept["balance"].quantity == 135)
                #expect(kept["local"].quantity == 35)
                #expect(try #require(kept["as_of"]["position"].int) >= position)
                try second.client.accept([Self.sale(3, 7, on: second)])
                #expect(try entry(second)["balance"].quantity == 142)

                second.link.heal()
                try expectRisingBalance(to: 1_142, at: second)
                try waitForBalance(1_142, at: fleet.agents)
                let list = try second.client.http.items("/v1/accounts")
                let addresses = list.compactMap { $0["address"].string }
                #expect(addresses.sorted() == ["customers:till-2", Self.account])
            }
        }

        /// Only sales come in, so a balance that falls has gone back.
        private func expectRisingBalance(to balance: Int128, at agent: AgentNode) throws {
            var last: Int128 = 0
            try waitUntil(
                "\(balance) at \(agent.id)", within: .seconds(15), every: .milliseconds(5)
            ) {
                let now = try #require(try entry(agent)["balance"].quantity)
                #expect(now >= last)
                last = now
                return now == balance
            }
        }

        @Test func `an account that an agent never used is asked for, and then known`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let (first, second) = (fleet.agents[0], fleet.agents[1])
                try first.client.accept([Self.sale(1, 100, on: first)])
                try second.client.accept([.sale(1, on: second.id)])
                try fleet.waitUntilDrained()
                let path = "/v1/accounts/customers:till-1"
                let unknown = try second.client.http.get(path)
                #expect(unknown.status == 404 && unknown.headers["retry-after"] == "1")
                #expect(try unknown.json()["retryable"] == .bool(true))
                try waitUntil("the account is known", within: .seconds(15)) {
                    try second.client.http.get(path).status == 200
                }
                let known = try entry(second, "customers:till-1")
                #expect(known["balance"].quantity == -100)
                #expect(known["local"].quantity == 0)

                fleet.aggregator.daemon.process.kill()
                try first.client.accept([Self.sale(2, 11, on: first)])
                try fleet.aggregator.daemon.start()
                try waitUntil("what changed is told", within: .seconds(15)) {
                    try entry(second, "customers:till-1")["balance"].quantity == -111
                }
            }
        }
    }
}
