import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct SearchTests {
        @Test func `what agents sold is searched, paged, stated and exported from the rows`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let count = 60
                for agent in fleet.agents {
                    try agent.client.accept(
                        (1...count).map { .sale($0, on: agent.daemon.name) })
                }
                try fleet.waitUntilDrained()
                let http = fleet.aggregator.client.http
                try waitUntilIndexed(http)

                #expect(try http.items("/v1/transactions", limit: 7).count == 2 * count)
                let own = try http.items("/v1/transactions?agent=till-2", limit: 7)
                #expect(own.count == count && own.allSatisfy { $0["agent"] == "till-2" })
                let receipt = try http.items("/v1/transactions?reference=receipt%2033")
                #expect(receipt.count == 2)
                #expect(receipt.allSatisfy { $0["metadata"]["n"] == "33" })
                let sales = try http.items("/v1/transactions?account=stores:3:sales&kind=transfer")
                #expect(sales.count == 2 * (1...count).filter { $0 % 7 == 3 }.count)
                #expect(try http.items("/v1/transactions?status=set_aside").isEmpty)
                #expect(try http.items("/v1/transactions?from=2999-01-01T00:00:00Z").isEmpty)
                #expect(
                    try http.items("/v1/transactions?to=2999-01-01T00:00:00Z").count == 2 * count)

                try expectStatement("stores:3:sales", sales.count, fleet.aggregator.client)
                try expectExport(http, 2 * count)
            }
        }

        private func waitUntilIndexed(_ http: HTTPClient) throws {
            try waitUntil("the rows are behind nothing", within: .seconds(20)) {
                let ledger = try http.json("/v1/ledger")
                return ledger["indexed_through"] == ledger["position"]
            }
        }

        private func expectStatement(
            _ account: String, _ count: Int, _ client: AggregatorClient
        ) throws {
            let entries = try client.http.items("/v1/accounts/\(account)/entries", limit: 5)
            #expect(entries.count == count)
            let balance = try client.balances(of: account)["EUR/2"]
            #expect(entries.first?["balance"].quantity == balance)
            for (later, earlier) in zip(entries, entries.dropFirst()) {
                let change = try #require(later["change"].quantity)
                let before = try #require(earlier["balance"].quantity)
                #expect(later["balance"].quantity == before + change)
            }
        }

        private func expectExport(_ http: HTTPClient, _ count: Int) throws {
            let answer = try http.send(
                "GET", "/v1/transactions", headers: ["Accept": "application/x-ndjson"])
            #expect(answer.headers["content-type"] == "application/x-ndjson")
            #expect(answer.headers["indexed-through"] != nil)
            let lines = answer.text.split(separator: "\n")
            let ids = try lines.map { line in
                try #require(try JSONValue(parsing: Array(line.utf8))["id"].string)
            }
            #expect(Set(ids).count == count && ids.count == count)
            let listed = try http.items("/v1/transactions").map { $0["id"].string }
            #expect(ids == listed)
        }

        @Test func `a projection that is deleted is made again, running or not`() async throws {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept((1...40).map { .sale($0) })
                try fleet.waitUntilDrained()
                let aggregator = fleet.aggregator
                let path = "\(aggregator.daemon.data)/projection.db"
                try waitUntilIndexed(aggregator.client.http)

                try FileManager.default.removeItem(atPath: path)
                try waitUntil("the file is there again", within: .seconds(20)) {
                    FileManager.default.fileExists(atPath: path)
                }
                try waitUntilIndexed(aggregator.client.http)
                #expect(try aggregator.client.http.items("/v1/transactions").count == 40)

                #expect(aggregator.daemon.stop(within: .seconds(10)) == .status(0))
                try Data("no database".utf8).write(to: URL(filePath: path))
                try aggregator.daemon.start()
                try waitUntilIndexed(aggregator.client.http)
                #expect(try aggregator.client.http.items("/v1/transactions").count == 40)
                try fleet.expectSoundFolders()
            }
        }
    }
}
