import FleetHarness
import Foundation
import GRDB
import LedgerCore
import Signing
import SyncProtocol
import TestSupport
import Testing
import Workload

extension IntegrationTests {
    /// What an agent's disk did to its own log, and what its log has that nobody else knows.
    @Suite struct DamagedLogTests {
        private static func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
            range.map { Workload.Operation.sale($0) }
        }

        @Test(arguments: [false, true])
        func `what rots in an agent's log is named on both sides, and all around it merges`(
            isRestarted: Bool
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...10))
                try fleet.waitUntilDrained()
                agent.link.cut()
                // A segment each.
                for start in stride(from: 11, through: 41, by: 10) {
                    try agent.client.accept(Self.sales(start...start + 9))
                }
                let rotten = try rot(agent, containing: 21)
                #expect(rotten == 21...30)
                if isRestarted {
                    // The folds are saved behind what rots: a start does not need it.
                    #expect(agent.daemon.stop() == .status(0))
                    try agent.daemon.start()
                    try agent.client.accept(Self.sales(51...51))
                }
                agent.link.heal()

                let sound = Self.sales(1...20) + Self.sales(31...(isRestarted ? 51 : 50))
                try waitUntil("all around it is merged", within: .seconds(60)) {
                    try fleet.aggregator.client.ledger().transactions == sound.count
                }
                try fleet.waitUntilDrained()
                let gaps = try fleet.aggregator.client.http.items("/v1/gaps")
                #expect(gaps.count == 1, "\(gaps)")
                #expect(gaps.first?["first"].int == 21 && gaps.first?["last"].int == 30)
                #expect(gaps.first?["evidence"] == "unreadable")
                let conflict = try #require(
                    try fleet.aggregator.client.http.items("/v1/conflicts?kind=gap_lost").first)
                #expect(conflict["cause"] == "unreadable", "\(conflict)")
                let told = try Program.trace(
                    ["gaps", "--aggregator", fleet.aggregator.daemon.url], in: fleet.home)
                #expect(told.output.contains("cannot read them from its disk"), "\(told.output)")
                let reconciliation = try Reconciliation(
                    fleet.aggregator.client, with: Oracle(sound))
                #expect(reconciliation.differences == [])
                // The agent says what its disk did; the aggregator, that nobody has it.
                let said = try log(agent.daemon)
                #expect(said.contains("cannot be read from this disk"), "\(said.suffix(2_000))")
                #expect(said.contains("21 to 30") && said.contains("gap_lost"))
                #expect(try log(fleet.aggregator.daemon).contains("events are lost"))
                let verify = try Program.trace(["verify", agent.daemon.data], in: fleet.home)
                #expect(verify.exit == .status(1), "\(verify.output)")

                // It goes on, also behind a start of the aggregator.
                try fleet.aggregator.daemon.killAndRestart()
                try agent.client.accept(Self.sales(61...70))
                try waitUntil("it goes on", within: .seconds(60)) {
                    try fleet.aggregator.client.ledger().transactions == sound.count + 10
                }
                #expect(try agent.client.sync().json["streams"].array?.count == 1)
                fleet.expectCleanEnds()
                let hub = try Program.trace(
                    ["verify", fleet.aggregator.daemon.data], in: fleet.home)
                #expect(hub.exit == .status(0), "\(hub.output)")
            }
        }

        @Test func `an agent does not start without what its balances need, and says what it is`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...10))
                try fleet.waitUntilDrained()
                agent.link.cut()
                try agent.client.accept(Self.sales(11...20))
                try agent.client.accept(Self.sales(21...30))
                agent.daemon.process.kill()
                // Balances and keys would lack these, and what is retried would be sold twice.
                _ = try rot(agent, containing: 11)
                #expect(throws: (any Error).self) { try agent.daemon.start() }
                #expect(try log(agent.daemon).contains("is damaged: does not match its checksum"))
                // Its name goes on with another disk.
                agent.link.heal()
                try agent.daemon.replaceData(with: nil)
                try agent.daemon.start()
                try agent.client.accept(Self.sales(31...40))
                try waitUntil("it goes on", within: .seconds(60)) {
                    try fleet.aggregator.client.ledger().transactions == 20
                }
                fleet.expectCleanEnds()
            }
        }

        @Test func `an event of an unknown kind, and one that makes no sense, harm no other`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                try agent.daemon.start()
                try agent.client.accept(Self.sales(1...6))
                #expect(agent.daemon.stop() == .status(0))
                // As an agent of a later version, or one that errs, writes and signs them.
                try changeLastSegment(of: agent) { parts in
                    let ranges = parts.eventRanges()
                    parts.events[ranges[1].lowerBound] = 0x40 | 0x1E
                    parts.events[ranges[3].lowerBound + 1] = 0x80
                    parts.events[ranges[3].lowerBound + 2] = 0x00
                }
                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                try agent.daemon.start()
                let client = fleet.aggregator.client
                func expectQuarantine(_ count: Int) throws {
                    try waitUntil("its neighbours are merged", within: .seconds(60)) {
                        let ledger = try client.ledger()
                        return ledger.transactions == count && ledger.json["set_aside"].int == 2
                    }
                    #expect(try client.auditedLedger().isConserved == true)
                }
                try expectQuarantine(4)
                #expect(
                    try log(fleet.aggregator.daemon).components(
                        separatedBy: "hub.fact=quarantined"
                    ).count == 3, "each has a cause of its own")
                // The agent is told, and what it records behind them merges.
                try waitUntil("the agent is told", within: .seconds(30)) {
                    try log(agent.daemon).contains("hub.event=quarantined")
                }
                try fleet.aggregator.daemon.killAndRestart()
                try expectQuarantine(4)
                // Rebuilt from the agent, with what that was told.
                try fleet.aggregator.daemon.replaceData(with: nil)
                try fleet.aggregator.daemon.start()
                try expectQuarantine(4)
                fleet.expectCleanEnds()
            }
        }

        // MARK: Steps

        private func log(_ daemon: Daemon) throws -> String {
            try String(contentsOfFile: daemon.process.log, encoding: .utf8)
        }

        /// Flips a bit in the segment of an event, while its agent runs.
        ///
        /// - Returns: the events in it.
        private func rot(
            _ agent: AgentNode, containing sequence: Int
        ) throws -> ClosedRange<Int> {
            var range = 0...0
            try changeSegment(
                of: agent,
                where: "first_seq <= \(sequence) AND first_seq + count > \(sequence)"
            ) { segment in
                let header = segment.header
                range = Int(header.firstSequence)...Int(header.lastSequence)
                var bytes = segment.bytes
                bytes[bytes.count / 2] ^= 0x10
                return (bytes, nil)
            }
            return range
        }

        /// Changes events of the last segment of an agent that does not run, and makes lengths,
        /// checksum and hash right again.
        private func changeLastSegment(
            of agent: AgentNode, _ change: (inout SegmentBytes) -> Void
        ) throws {
            try changeSegment(of: agent, where: "position = (SELECT max(position) FROM segments)") {
                var parts = SegmentBytes($0)
                change(&parts)
                let after = try Segment(decoding: parts.assembled())
                return (after.bytes, after.hash(SHA256Hasher()))
            }
        }

        /// - Parameter change: gives the bytes, and the hash; nil for the one that was.
        private func changeSegment(
            of agent: AgentNode, where condition: String,
            _ change: (Segment) throws -> ([UInt8], Hash256?)
        ) throws {
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            let queue = try DatabaseQueue(
                path: "\(agent.daemon.data)/agent.db", configuration: configuration)
            try queue.write { database in
                let row = try #require(
                    try Row.fetchOne(
                        database,
                        sql: "SELECT position, bytes, hash FROM segments WHERE \(condition)"))
                let (bytes, hash) = try change(try Segment(decoding: Array(row[1] as Data)))
                let immutable = "segments_are_immutable"
                let trigger = try #require(
                    try String.fetchOne(
                        database, sql: "SELECT sql FROM sqlite_master WHERE name = ?",
                        arguments: [immutable]))
                try database.execute(sql: "DROP TRIGGER \(immutable)")
                try database.execute(
                    sql: "UPDATE segments SET bytes = ?, hash = ? WHERE position = ?",
                    arguments: [
                        Data(bytes), hash.map { Data($0.bytes) } ?? row[2], row[0] as Int64,
                    ])
                try database.execute(sql: trigger)
            }
            try queue.close()
        }
    }
}
