import FleetHarness
import Testing
import Workload

extension [Workload.Operation] {
    /// Sales of these numbers, one each.
    static func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
        range.map { Workload.Operation.sale($0) }
    }
}

extension Fleet {
    /// Every sale up to that number is in the ledger, once, and no agent has anything left to send.
    func expectSales(
        through count: Int, within limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try waitUntil("\(count) transactions", within: limit) {
            try aggregator.client.ledger().transactions >= count
        }
        try waitUntilDrained()
        let oracle = Oracle([Workload.Operation].sales(1...count))
        let reconciliation = try Reconciliation(aggregator.client, with: oracle)
        #expect(reconciliation.differences == [], sourceLocation: sourceLocation)
        #expect(reconciliation.findings == [], sourceLocation: sourceLocation)
    }

    /// The first agent's folder as it is with twenty sales that are merged, and the stream that it
    /// writes.
    func copyOfFirst(_ moment: CopyMoment) throws -> (copy: String, stream: String) {
        let agent = agents[0]
        try agent.client.accept(.sales(1...20))
        try waitUntilDrained()
        let stream = try agent.stream()
        return (try agent.daemon.copyData(moment, as: "copy"), stream)
    }
}

extension AgentNode {
    /// The one that it writes.
    func stream() throws -> String { try #require(try client.sync().json["stream"].string) }

    func waitForStream(after former: String, within limit: Duration = .seconds(40)) throws {
        try waitUntil("a new stream", within: limit) { try stream() != former }
    }

    /// Has it go on from a copy of its folder, and record these before anybody hears of it.
    func goOn(from copy: String, recording sales: ClosedRange<Int>) throws {
        link.cut()
        try daemon.replaceData(with: copy)
        try daemon.start()
        try client.accept(.sales(sales))
        link.heal()
    }
}
