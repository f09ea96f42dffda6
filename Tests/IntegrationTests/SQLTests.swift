import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct SQLTests {
        @Test func `a log answers in SQL what was put into it, and not a byte of it changes`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let operations = fleet.agents.map { agent in
                    (1...500).map { Workload.Operation.sale($0, on: agent.id) }
                }
                for (agent, operations) in zip(fleet.agents, operations) {
                    try agent.client.accept(operations)
                }
                try fleet.waitUntilDrained()
                let turnover = "SELECT sum(amount) AS units FROM postings WHERE asset = 'EUR/2'"
                let expected = operations.joined().reduce(0) { $0 + $1.postings[0].amount }
                let hub = fleet.aggregator.daemon.data
                #expect(try rows(hub, turnover, fleet)[0]["units"] == .integer(expected))
                let join = """
                    SELECT agent, count(*) AS n, min(p.amount) AS least FROM transactions
                    JOIN postings p USING (tx) GROUP BY agent ORDER BY agent
                    """
                let byAgent = try rows(hub, join, fleet)
                #expect(byAgent.map { $0["agent"] } == ["till-1", "till-2"])
                #expect(byAgent.map { $0["n"].int } == [500, 500])
                #expect(byAgent.map { $0["least"].int } == [101, 101])

                // The write-ahead log of a dead device is read too, and left as it is.
                let agent = fleet.agents[0]
                agent.daemon.process.kill()
                let before = try FolderState(agent.daemon.data)
                let one = try rows(
                    agent.daemon.data,
                    "SELECT * FROM transactions WHERE reference = 'receipt 500'", fleet)
                #expect(one.count == 1)
                #expect(one[0]["metadata"] == #"{"n":"500"}"#)
                #expect(one[0]["idempotency_key"] == "till-1-500")
                #expect(one[0]["id"].string?.hasPrefix("till-1.") == true)
                let segments = try rows(
                    agent.daemon.data,
                    "SELECT sum(events) AS n, sum(unreadable) AS u FROM segments",
                    fleet)
                #expect(segments[0]["n"] == .integer(500) && segments[0]["u"] == .integer(0))
                #expect(try FolderState(agent.daemon.data).changes(since: before) == [])
            }
        }

        private func rows(_ path: String, _ sql: String, _ fleet: Fleet) throws -> [JSONValue] {
            let result = try Program.traceApart(["sql", path, sql, "--json"], in: fleet.home)
            try #require(result.exit == .status(0), "\(sql): \(result.errors)")
            return try result.jsonLines()
        }

        @Test func `tables, CSV, mistakes and limits are what a person can use`() async throws {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept((1...3).map { .sale($0) })
                let data = fleet.agents[0].daemon.data
                func ask(_ arguments: String...) throws -> Program {
                    try Program.traceApart(["sql", data] + arguments, in: fleet.home)
                }
                let select = "SELECT source, amount, NULL AS x FROM postings ORDER BY amount"
                let table = try ask(select)
                #expect(
                    table.output == """
                        source       amount  x
                        customers:1     101  NULL
                        customers:2     102  NULL
                        customers:3     103  NULL

                        """)
                #expect(table.errors == "3 rows\n")
                let csv = try ask("SELECT 'a,\"b\"' AS one, 2 AS two, NULL AS x", "--csv")
                #expect(csv.output == "one,two,x\r\n\"a,\"\"b\"\"\",2,\r\n")

                let cases: [(sql: String, said: String)] = [
                    (
                        "SELECT amout FROM postings",
                        "no such column: amout\n  SELECT amout FROM postings\n         ^\n"
                    ),
                    ("SELECT * FROM payments", "no such table: payments"),
                    ("SELEC 1", "near \"SELEC\": syntax error\n  SELEC 1\n  ^\n"),
                    ("SELECT 1; SELECT 2", "one statement at a time"),
                    ("DELETE FROM postings", "only statements that read"),
                    ("ATTACH '/tmp/x.db' AS x", "only statements that read"),
                    (" -- nothing", "no statement"),
                ]
                for (sql, said) in cases {
                    let result = try ask(sql)
                    #expect(result.exit == .status(2), "\(sql): \(result.errors)")
                    #expect(result.errors.contains(said), "\(sql): \(result.errors)")
                }
                let small = try ask("SELECT 1 FROM postings", "--events-max", "2")
                #expect(small.exit == .status(1))
                #expect(
                    small.errors.contains("has 3 events, more than the limit of 2 (--events-max)"),
                    "\(small.errors)")
                let none = try Program.trace(
                    ["sql", "\(fleet.home)/none", "SELECT 1"], in: fleet.home)
                #expect(none.exit == .status(3))
                let noLog = try Program.trace(["sql", "/bin/sh", "SELECT 1"], in: fleet.home)
                #expect(noLog.exit == .status(1))
                #expect(noLog.output.contains("is no log of an agent"), "\(noLog.output)")
                let nothing = try Program.trace(["sql"], in: fleet.home)
                #expect(nothing.exit == .status(2) && nothing.output.contains("a statement"))
                let schema = try Program.trace(["sql", "--schema"], in: fleet.home)
                for word in ["transactions", "postings", "segments", "amount", "idempotency_key"] {
                    #expect(schema.output.contains(word))
                }
            }
        }
    }
}
