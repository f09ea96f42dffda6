import Testing
import Workload

@Suite struct OracleTests {
    @Test func `balances, turnover and totals of a day worked out by hand`() {
        let oracle = Oracle([
            operation(1, [("world", "a", "EUR/2", 1_000)]),
            operation(2, [("a", "b", "EUR/2", 300), ("shop", "a", "SKU-1", 2)]),
            operation(3, [("b", "a", "EUR/2", 50)]),
        ])
        #expect(oracle.count == 3)
        #expect(oracle.balance(of: "a", in: "EUR/2") == 750)
        #expect(oracle.balance(of: "b", in: "EUR/2") == 250)
        #expect(oracle.balance(of: "world", in: "EUR/2") == -1_000)
        #expect(oracle.balance(of: "shop", in: "SKU-1") == -2)
        #expect(oracle.balance(of: "b", in: "SKU-1") == 0)
        #expect(oracle.totals()["EUR/2"] == Oracle.Turnover(input: 1_350, output: 1_350))
        #expect(oracle.moved == ["EUR/2": 1_350, "SKU-1": 2])
        #expect(oracle.balancesByAccount()["a"] == ["EUR/2": 750, "SKU-1": 2])
    }

    @Test func `sums may exceed 64 bits`() {
        let largest = (1...4).map { operation($0, [("world", "a", "EUR/2", .max)]) }
        #expect(Oracle(largest).balance(of: "a", in: "EUR/2") == 4 * Int128(Int64.max))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the order of operations does not matter`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let stream = Array(MarketDay(seed: seed, customers: 20, visits: 300))
        #expect(Oracle(stream.shuffled(using: &random)) == Oracle(stream), "seed \(seed)")
    }

    private func operation(_ n: Int, _ postings: [(String, String, String, Int64)]) -> Operation {
        Operation(
            n: n, node: "till-1", at: nil,
            postings: postings.map {
                Posting(source: $0.0, destination: $0.1, asset: $0.2, amount: $0.3)
            },
            reference: "", metadata: [:], idempotencyKey: "key-\(n)")
    }
}
