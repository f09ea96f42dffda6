import FleetHarness
import Testing

extension IntegrationTests {
    @Suite struct IdempotencyTests {
        @Test func `the same key and body get the first answer again, also after a restart`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let first = try post("1250", key: "\"receipt-1\"", to: agent)
                #expect(first.status == 201)
                #expect(first.headers["idempotency-replayed"] == nil)
                try expectAnswers(like: try first.json(), from: agent)
                try agent.daemon.killAndRestart()
                try expectAnswers(like: try first.json(), from: agent)
                #expect(agent.daemon.stop() == .status(0))
                try agent.daemon.start()
                try expectAnswers(like: try first.json(), from: agent)
                #expect(try agent.client.http.items("/v1/transactions").count == 1)
            }
        }

        @Test func `in a batch each item has its own key, in one key space with the header`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let single = try post("1250", key: "\"a\"", to: agent).json()
                let items = [
                    item("1250", key: "a"), item("7", key: "a"), item("7", key: "b"),
                    item("\"7\"", key: "b"), item("0", key: "c"), item("7", key: nil),
                ]
                let batch = #"{"transactions":[\#(items.joined(separator: ","))]}"#
                for round in 1...2 {
                    let response = try agent.client.http.post(
                        "/v1/transactions/batch", Array(batch.utf8))
                    #expect(response.status == 200)
                    let results = try #require(try response.json()["results"].array)
                    let new = round == 1 ? 201 : 200
                    #expect(results.map { $0["status"].int } == [200, 422, new, 200, 400, 201])
                    #expect(results[0]["transaction"] == single)
                    #expect(results[1]["problem"]["code"] == "idempotency_mismatch")
                    #expect(results[2]["transaction"] == results[3]["transaction"])
                    #expect(results[4]["problem"]["code"] == "invalid_field")
                }
                #expect(try agent.client.http.items("/v1/transactions").count == 4)
            }
        }

        @Test func `an absent member, a null, and another time are other bodies`() async throws {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                let members = [
                    "", #","reference":null"#, #","reference":"r""#, #","metadata":{"a":"1"}"#,
                    #","occurred_at":"2026-11-20T10:00:00Z""#, #","kind":"transfer""#,
                ]
                for (index, first) in members.enumerated() {
                    for second in members {
                        let key = ["Idempotency-Key": "\"k\(index)\""]
                        _ = try agent.client.http.post(
                            "/v1/transactions", body("5", first), headers: key)
                        let again = try agent.client.http.post(
                            "/v1/transactions", body("5", second), headers: key)
                        #expect(again.status == (first == second ? 200 : 422), "\(first)|\(second)")
                    }
                }
                // Members in another order are the same body.
                let reordered =
                    #"{"reference":"r","postings":[{"amount":"5","asset":"EUR/2","destination":"b:1","source":"a:1"}]}"#
                let again = try agent.client.http.post(
                    "/v1/transactions", Array(reordered.utf8),
                    headers: ["Idempotency-Key": "k2"])
                #expect(again.status == 200)
            }
        }

        private func expectAnswers(like first: JSONValue, from agent: AgentNode) throws {
            // The number as text, and the key bare, are the same request.
            for (amount, key) in [("1250", "\"receipt-1\""), ("\"1250\"", "receipt-1")] {
                let replay = try post(amount, key: key, to: agent)
                #expect(replay.status == 200)
                #expect(replay.headers["idempotency-replayed"] == "true")
                #expect(try replay.json() == first)
            }
            let other = try post("1251", key: "\"receipt-1\"", to: agent)
            #expect(other.status == 422)
            #expect(other.headers["content-type"] == "application/problem+json")
            #expect(try other.json()["code"] == "idempotency_mismatch")
            #expect(try other.json()["detail"].string?.contains(first["id"].string ?? "?") == true)
        }

        private func post(
            _ amount: String, key: String, to agent: AgentNode
        ) throws -> HTTPResponse {
            // On a connection of its own: one that is kept would not survive the restarts.
            try AgentClient(port: agent.daemon.port).http.post(
                "/v1/transactions", body(amount), headers: ["Idempotency-Key": key])
        }

        private func body(_ amount: String, _ members: String = "") -> [UInt8] {
            Array((#"{"postings":[\#(posting(amount))]"# + members + "}").utf8)
        }

        private func item(_ amount: String, key: String?) -> String {
            let member = key.map { #","idempotency_key":"\#($0)""# } ?? ""
            return #"{"postings":[\#(posting(amount))]\#(member)}"#
        }

        private func posting(_ amount: String) -> String {
            #"{"source":"a:1","destination":"b:1","asset":"EUR/2","amount":\#(amount)}"#
        }
    }
}
