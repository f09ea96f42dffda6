import FleetHarness
import GRDB
import Testing

/// The hub's own streams, and the facts, of a fleet whose aggregator goes on in another.
extension Fleet {
    /// The hub goes on in a stream that nobody has seen, all agents follow it there, and the facts are
    /// what they were.
    func expectNewHub(_ known: inout Set<String>, _ facts: String?) throws {
        try waitUntil("a new stream", within: .seconds(60)) {
            try !known.isSuperset(of: hubStreams())
        }
        try waitUntil("the facts again", within: .seconds(60)) { try self.facts() == facts }
        known.formUnion(try hubStreams())
    }

    func facts() throws -> String? {
        try aggregator.client.ledger().json["facts_digest"].string
    }

    /// As the aggregator's database has them, in their order.
    func hubStreams() throws -> [String] {
        var reading = Configuration()
        reading.readonly = true
        reading.busyMode = .timeout(5)
        let queue = try DatabaseQueue(
            path: "\(aggregator.daemon.data)/aggregator.db", configuration: reading)
        return try queue.read {
            try String.fetchAll($0, sql: "SELECT tag FROM streams WHERE writer = 2 ORDER BY id")
        }
    }
}
