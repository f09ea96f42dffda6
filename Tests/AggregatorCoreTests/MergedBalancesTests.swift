import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct MergedBalancesTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func
        `a balance is all own events and a growing set of others', and in the end everybody's`(
            seed: UInt64
        ) throws
    {
        let world = try SnapshotWorld(seed: seed)
        for _ in 0..<1_000 {
            try world.step()
            guard world.faults.isEmpty else { break }
        }
        try #require(world.faults.isEmpty, "seed \(seed): \(world.faults)")
        try world.settle()
        #expect(world.faults == [], "seed \(seed)")
        #expect(world.differences() == [], "seed \(seed)")
        #expect(world.told > 20, "seed \(seed): nothing was tried")
    }

    @Test func `what was lost is asked for`() throws {
        let asked = try (0..<10 as Range<UInt64>).reduce(0) { sum, seed in
            let world = try SnapshotWorld(seed: seed)
            for _ in 0..<1_000 { try world.step() }
            try world.settle()
            return sum + world.asked
        }
        #expect(asked > 0)
    }
}
