import FleetHarness
import Testing
import Workload

extension IntegrationTests {
    @Suite struct GroupTests {
        private static let path = "/v1/transactions/batch"

        @Test func `a group is recorded once, also over a kill, and merged with the rest`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let operations = (1...300).map { Workload.Operation.sale($0) }
                let body = try operations.groupJSON(key: "day 1")
                let first = try agent.client.http.post(Self.path, body)
                #expect(first.status == 200, "\(first.text.prefix(500))")
                let ids = try results(first, status: 201)
                #expect(Set(ids).count == 300)
                for (operation, id) in zip(operations, ids) {
                    let shown = try agent.client.http.json("/v1/transactions/\(id)")
                    #expect(operation.difference(from: shown) == nil)
                }
                try agent.daemon.killAndRestart()
                // A POST on a connection that died with the agent would not be sent again.
                #expect(try agent.client.sync().json["head"].int == 300)
                let again = try agent.client.http.post(Self.path, body)
                #expect(again.headers["idempotency-replayed"] == "true")
                #expect(try results(again, status: 200) == ids)
                let other = try agent.client.http.post(
                    Self.path, operations.dropLast().groupJSON(key: "day 1"))
                #expect(other.status == 422)
                #expect(try other.json()["code"].string == "idempotency_mismatch")
                try fleet.expectConvergence(with: Oracle(operations))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `a group that is not whole or too large is refused, and nothing of it recorded`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let http = agent.client.http
                let good = try Workload.Operation.sale(1).transactionJSON()
                let item = String(decoding: good, as: UTF8.self)
                let bad = item.replacing("\"amount\":101", with: "\"amount\":0")
                let keyed = item.dropLast() + #","idempotency_key":"own"}"#
                let refused = try http.post(
                    Self.path, group([item, bad, item, String(keyed), "{}"]))
                #expect(refused.status == 400)
                let paths = try #require(try refused.json()["errors"].array)
                    .map { $0["path"].string }
                #expect(
                    paths == [
                        "transactions[1].postings[0].amount", "transactions[3].idempotency_key",
                        "transactions[4].postings",
                    ])
                #expect(try http.post(Self.path, group([])).status == 400)
                let many = try http.post(
                    Self.path, group(Array(repeating: #"{"postings":[]}"#, count: 1_001)))
                #expect(many.status == 413)
                #expect(try many.json()["limit_transactions"].int == 1_000)
                #expect(try many.json()["detail"].string?.contains("1000") == true)
                let long = item.replacing("receipt 1", with: String(repeating: "r", count: 200))
                let large = try http.post(Self.path, group(Array(repeating: long, count: 300)))
                #expect(large.status == 413, "\(large.text)")
                #expect(try large.json()["limit_bytes"].int == 48 << 10)
                let twoKeys = try http.post(
                    Self.path, group([item], more: #","idempotency_key":"a""#),
                    headers: ["Idempotency-Key": "\"b\""])
                #expect(try twoKeys.json()["errors"][0]["path"].string == "idempotency_key")
                #expect(try agent.client.sync().json["head"].int == 0)
                #expect(try http.items("/v1/accounts") == [])
                let most = try http.post(
                    Self.path, group(Array(repeating: #"{"postings":[\#(posting)]}"#, count: 1_000))
                )
                #expect(most.status == 200)
                #expect(try agent.client.sync().json["head"].int == 1_000)
            }
        }

        @Test func `keys that would name nothing are refused instead of ignored`() async throws {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let http = agent.client.http
                let item = #"{"postings":[\#(posting)]}"#
                let header = try http.post(
                    Self.path, Array(#"{"transactions":[\#(item)]}"#.utf8),
                    headers: ["Idempotency-Key": "\"a\""])
                #expect(try header.json()["errors"][0]["path"].string == "Idempotency-Key")
                let member = try http.post(
                    Self.path, Array(#"{"transactions":[\#(item)],"idempotency_key":"a"}"#.utf8))
                #expect(try member.json()["errors"][0]["path"].string == "idempotency_key")
                let lines = try http.post(
                    Self.path, Array(item.utf8),
                    headers: [
                        "Idempotency-Key": "\"a\"", "Content-Type": "application/x-ndjson",
                    ])
                #expect(try lines.json()["errors"][0]["path"].string == "Idempotency-Key")
                #expect(try agent.client.sync().json["head"].int == 0)
            }
        }

        private let posting =
            #"{"source":"a:1","destination":"b:1","asset":"EUR/2","amount":1}"#

        private func group(_ items: [String], more: String = "") -> [UInt8] {
            Array(
                #"{"transactions":[\#(items.joined(separator: ","))],"atomic":true\#(more)}"#.utf8)
        }

        private func results(_ response: HTTPResponse, status: Int) throws -> [String] {
            try #require(try response.json()["results"].array).map { result in
                #expect(result["status"].int == status)
                return try #require(result["transaction"]["id"].string)
            }
        }
    }
}
