import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct ConservationTests {
        /// So large and odd that its bytes stand nowhere else in the file.
        private static let amount: Int64 = 0x0123_4567_89AB_CDEF

        @Test func `one corrupted balance is found by the audit and by verify, with its account`()
            async throws
        {
            try await withRunningFleet { fleet in
                let sale = Workload.Operation(
                    n: 1, node: "till-1", at: nil,
                    postings: [
                        Workload.Posting(
                            source: "world", destination: "vault:7", asset: "EUR/2",
                            amount: Self.amount)
                    ],
                    reference: "", metadata: [:], idempotencyKey: "vault")
                try fleet.agents[0].client.accept([sale] + (1...200).map { .sale($0) })
                try fleet.waitUntilDrained()
                let aggregator = fleet.aggregator
                #expect(try aggregator.client.auditedLedger().isConserved == true)
                #expect(aggregator.daemon.stop(within: .seconds(10)) == .status(0))
                try expectVerdict(on: aggregator.daemon.data, sound: true, fleet)

                try Self.raiseInput(in: "\(aggregator.daemon.data)/aggregator.db")
                try expectVerdict(on: aggregator.daemon.data, sound: false, fleet)

                try aggregator.daemon.start()
                let ledger = try aggregator.client.auditedLedger()
                #expect(ledger.isConserved == false)
                let violations = try #require(ledger.json["violations"].array)
                #expect(violations.count == 1)
                #expect(violations.first?["account"] == "vault:7")
                #expect(violations.first?["asset"] == "EUR/2")
                // Beyond 2⁵³, and therefore text.
                #expect(violations.first?["log_input"] == .string("\(Self.amount)"))
                #expect(violations.first?["stored_input"] == .string("\(Self.amount + 1)"))
                try expectVerdict(on: aggregator.daemon.url, sound: false, fleet)
            }
        }

        private func expectVerdict(on place: String, sound: Bool, _ fleet: Fleet) throws {
            let verify = try Program.trace(["verify", place], in: fleet.home)
            #expect(verify.exit == .status(sound ? 0 : 1), "\(verify.output)")
            #expect(verify.output.hasPrefix(sound ? "Sound: " : "Not sound: "))
            #expect(verify.output.contains("vault:7") == !sound, "\(verify.output)")
            let json = try Program.trace(["verify", place, "--json"], in: fleet.home)
            #expect(json.exit == verify.exit)
            #expect(try json.json()["conserved"] == .bool(sound))
        }

        /// What a bit that flips on a disk may do: the checkpointed balance gains one cent, and no checksum tells.
        private static func raiseInput(in path: String) throws {
            var data = try Data(contentsOf: URL(filePath: path))
            let stored = withUnsafeBytes(of: Int128(amount).littleEndian) { Data($0) }
            let places = data.ranges(of: stored)
            // The output of `world` and the input of the vault, which comes first in its cell.
            #expect(places.count == 2)
            let vault = try #require(places.first { isInput(data, $0.lowerBound) })
            data[vault.lowerBound] += 1
            try data.write(to: URL(filePath: path))
        }

        /// A cell is account (4 bytes), asset (4), input (16), output (16): the vault has put out nothing.
        private static func isInput(_ data: Data, _ offset: Data.Index) -> Bool {
            data[(offset + 16)..<(offset + 32)].allSatisfy { $0 == 0 }
        }
    }
}
