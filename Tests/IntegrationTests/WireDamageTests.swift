import FleetHarness
import Foundation
import GRDB
import LedgerCore
import Signing
import SyncProtocol
import Synchronization
import TestSupport
import Testing
import Workload

extension IntegrationTests {
    @Suite struct WireDamageTests {
        @Test
        func `damaged segments are dropped, counted, asked for again, and merged once`()
            async throws
        {
            try await withFleet { fleet in
                let damages = Count()
                fleet.agents[0].link.tamper { topic, payload in
                    // Segments, and neither greetings nor proofs, are as long.
                    guard topic.contains("/up/"), payload.count > 1_500 else { return payload }
                    let number = damages.next()
                    var damaged = payload
                    switch number {
                    case 1: damaged[payload.count / 2] ^= 0x10
                    case 2: damaged.removeLast(payload.count / 3)
                    case 3: damaged[payload.count - 20] ^= 0x01
                    default: break
                    }
                    return damaged
                }
                try fleet.start()
                let operations = (1...200).map { Workload.Operation.sale($0) }
                try fleet.agents[0].client.accept(operations)
                try fleet.expectConvergence(with: Oracle(operations))
                #expect(damages.next() > 4)
                let metrics = try fleet.aggregator.client.http.get("/metrics").text
                #expect(metrics.contains("\ntributary_aggregator_broken_messages_total 3\n"))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test
        func `damaged words of the aggregator are dropped, said again, and everything converges`()
            async throws
        {
            try await withFleet { fleet in
                let words = Count()
                fleet.agents[0].link.tamperDown { topic, payload in
                    guard topic.contains("/down/") else { return payload }
                    var damaged = payload
                    // A welcome, then acknowledgements and whatever else comes.
                    switch words.next() {
                    case 1, 4: damaged[payload.count / 2] ^= 0x10
                    case 2, 5: damaged.removeLast(payload.count / 3)
                    case 6: damaged[payload.count - 1] ^= 0x01
                    default: break
                    }
                    return damaged
                }
                try fleet.start()
                let operations = (1...200).map { Workload.Operation.sale($0) }
                for start in stride(from: 0, to: 200, by: 20) {
                    try fleet.agents[0].client.accept(Array(operations[start..<start + 20]))
                }
                try fleet.expectConvergence(with: Oracle(operations))
                #expect(words.next() > 6)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test
        func `poison is set aside each time it comes, and everything behind it merges`()
            async throws
        {
            try await withFleet(agents: ["till-1", "till-2"]) { fleet in
                // Each agent writes its poison itself, into its own log, so that it is well signed.
                let before = try Self.recordOffline(fleet, 1...5)
                try fleet.agents[0].poisonLastSegment { $0.spoil(event: 2) }
                try fleet.agents[1].poisonLastSegment { parts in
                    // The first account's name begins with what no account may.
                    parts.definitions[2] = UInt8(ascii: " ")
                }
                let behind = try Self.recordOffline(fleet, 6...10)
                // To this one aggregator, everything comes twice.
                for agent in fleet.agents { agent.link.repeatEach() }
                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                for agent in fleet.agents { try agent.daemon.start() }
                let good = before[0].enumerated().filter { $0.offset != 2 }.map(\.element)
                let merged = Oracle(good + behind[0] + behind[1])
                try Self.expect(merged, setAside: 6, count: 14, fleet)
                let metrics = try fleet.aggregator.client.http.get("/metrics").text
                let duplicates = try #require(
                    metrics.firstMatch(of: /dropped_total\{reason="duplicate"\} (\d+)/))
                #expect(Int(duplicates.1) ?? 0 >= 2, "no segment came twice")

                // A start takes the names from the log again, the spoiled ones as well.
                fleet.aggregator.daemon.stop()
                try fleet.aggregator.daemon.start()
                try Self.expect(merged, setAside: 6, count: 14, fleet)

                // An aggregator that lost everything is sent the same poison once more.
                fleet.aggregator.daemon.stop()
                try FileManager.default.removeItem(atPath: fleet.aggregator.daemon.data)
                try fleet.aggregator.daemon.start()
                try Self.expect(merged, setAside: 6, count: 14, fleet)
                fleet.expectCleanEnds()
            }
        }

        private final class Count: Sendable {
            private let value = Mutex(0)

            func next() -> Int {
                value.withLock { value in
                    value += 1
                    return value
                }
            }
        }

        // MARK: Steps

        private static func expect(
            _ oracle: Oracle, setAside: Int, count: Int, _ fleet: Fleet
        ) throws {
            let client = fleet.aggregator.client
            try waitUntil("everything sound is merged", within: .seconds(30)) {
                let ledger = try client.ledger()
                return ledger.transactions == count && ledger.json["set_aside"].int == setAside
            }
            let ledger = try client.auditedLedger()
            #expect(ledger.isConserved == true)
            #expect(try Reconciliation(client, with: oracle).differences == [])
            try waitUntil("the rows have followed", within: .seconds(20)) {
                try client.http.items("/v1/transactions").count == count
            }
        }

        /// Starts the agents, records on each what no other account has to do with, and stops them.
        private static func recordOffline(
            _ fleet: Fleet, _ numbers: ClosedRange<Int>
        ) throws -> [[Workload.Operation]] {
            try fleet.agents.map { agent in
                try agent.daemon.start()
                let operations = numbers.map { number in
                    var operation = Workload.Operation.sale(number, on: agent.id)
                    operation.postings = [
                        Workload.Posting(
                            source: "\(agent.id):from:\(numbers.lowerBound)",
                            destination: "\(agent.id):to:\(numbers.lowerBound)",
                            asset: "KWH/\(numbers.lowerBound % 4)", amount: Int64(number))
                    ]
                    return operation
                }
                // Without keys, whose scope is a name, too.
                let items = operations.map { operation in
                    let posting = operation.postings[0]
                    return
                        #"{"postings":[{"source":"\#(posting.source)","destination":"\#(posting.destination)","#
                        + #""asset":"\#(posting.asset)","amount":\#(posting.amount)}]}"#
                }
                // A POST is not sent again on a connection of the last run; a GET is.
                _ = try agent.client.sync()
                let batch = #"{"transactions":[\#(items.joined(separator: ","))]}"#
                let response = try agent.client.http.post(
                    "/v1/transactions/batch", Array(batch.utf8))
                #expect(response.status == 200)
                #expect(agent.daemon.stop() == .status(0))
                return operations
            }
        }
    }
}
