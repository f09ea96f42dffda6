import FleetHarness
import Foundation
import Synchronization
import Testing
import Workload

@Suite struct FeederTests {
    @Test func `everything is accepted once, though answers are lost and the agent is busy`()
        async throws
    {
        try await onThread {
            let ledger = StubLedger()
            let turn = Count()
            let server = try StubServer.http { _, body in
                turn.increment()
                switch turn.value % 4 {
                case 1: return StubServer.response(503, "{}")
                // It is recorded, and the answer is lost.
                case 2:
                    _ = ledger.record(body)
                    return nil
                default: return StubServer.response(200, ledger.record(body))
                }
            }
            let operations = Array(MarketDay(seed: 1, customers: 10, visits: 100))
            let feeder = Feeder(AgentClient(port: server.port), operations, batch: 10)
            feeder.start()
            let progress = try feeder.wait(within: .seconds(30))
            #expect(progress.failure == nil)
            #expect(progress.accepted == operations.count)
            #expect(progress.lastID == "id-\(operations[operations.count - 1].idempotencyKey)")
            #expect(progress.retries > 5)
            #expect(ledger.keys == operations.map(\.idempotencyKey))
        }
    }

    @Test func `what is refused is recorded, and the rest goes on`() async throws {
        try await onThread {
            let refused = #"{"status":422,"problem":{"code":"out_of_scope","detail":"not yours"}}"#
            let accepted = #"{"status":201,"transaction":{"id":"x"}}"#
            let server = try StubServer.http { _, _ in
                StubServer.response(200, #"{"results":[\#(accepted),\#(refused)]}"#)
            }
            let operations = Array(MarketDay(seed: 1, customers: 3, visits: 100).prefix(10))
            let feeder = Feeder(AgentClient(port: server.port), operations, batch: 2)
            feeder.start()
            let progress = try feeder.wait(within: .seconds(30))
            #expect(progress.accepted == 5 && progress.refused == 5)
            #expect(progress.refusals.first == "operation 2: 422, not yours")
            #expect(progress.failure == nil)
        }
    }

    @Test func `a batch that is refused as a whole ends the feeding, with the reason`() async throws
    {
        try await onThread {
            let server = try StubServer.http { _, _ in StubServer.response(413, "too large") }
            let operations = Array(MarketDay(seed: 1).prefix(10))
            let feeder = Feeder(AgentClient(port: server.port), operations)
            feeder.start()
            let progress = try feeder.wait(within: .seconds(30))
            #expect(progress.accepted == 0 && progress.isOver)
            #expect(progress.failure?.contains("answered 413: too large") == true)
        }
    }

    @Test func `an agent that never answers is given up when the patience is over`() async throws {
        try await onThread {
            let operations = Array(MarketDay(seed: 1).prefix(10))
            let agent = AgentClient(port: try FreePort.next())
            let feeder = Feeder(agent, operations, patience: .milliseconds(200))
            feeder.start()
            let progress = try feeder.wait(within: .seconds(30))
            #expect(progress.failure?.hasPrefix("no answer for 0.2 seconds") == true)
        }
    }
}

/// Records batches by their keys, each key once, and answers as an agent does.
private final class StubLedger: Sendable {
    private let recorded = Mutex<[String]>([])
    var keys: [String] { recorded.withLock { $0 } }

    func record(_ body: [UInt8]) -> String {
        let items = (try? JSONValue(parsing: body))?["transactions"].array ?? []
        let results = items.map { item in
            let key = item["idempotency_key"].string ?? "none"
            let isNew = recorded.withLock { keys in
                if keys.contains(key) { return false }
                keys.append(key)
                return true
            }
            return #"{"status":\#(isNew ? 201 : 200),"transaction":{"id":"id-\#(key)"}}"#
        }
        return #"{"results":[\#(results.joined(separator: ","))]}"#
    }
}
