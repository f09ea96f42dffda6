import Testing
import Workload

@Suite struct MarketDayTests {
    static let seeds: Range<UInt64> = 0..<25

    static func day(_ seed: UInt64, visits: Int = 2_000) -> MarketDay {
        MarketDay(seed: seed, stores: 6, tillsPerStore: 2, customers: 60, visits: visits)
    }

    @Test(arguments: seeds)
    func `the same seed gives the same stream, another seed another one`(seed: UInt64) {
        let stream = Array(Self.day(seed))
        #expect(stream == Array(Self.day(seed)), "seed \(seed)")
        #expect(stream != Array(Self.day(seed + 1)), "seed \(seed)")
    }

    /// A change of this figure changes every seed that anybody has written down.
    @Test func `the stream of seed 1 is the one it has always been`() {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for operation in MarketDay(seed: 1) {
            let metadata = operation.metadata.sorted { $0.key < $1.key }
            for byte in "\(operation.n) \(operation.node) \(operation.postings) \(metadata)".utf8 {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        #expect(hash == 13_975_198_686_427_858_989)
    }

    @Test(arguments: seeds)
    func `the stream is as long as it says, numbered from one, in the order of time`(seed: UInt64) {
        let day = Self.day(seed, visits: 500 + Int(seed) * 37)
        let stream = Array(day)
        #expect(stream.count == day.count)
        #expect(stream.map(\.n) == Array(1...day.count))
        let times = stream.compactMap(\.at)
        #expect(times.count == stream.count)
        #expect(times == times.sorted(), "seed \(seed)")
        #expect(times.allSatisfy { (.seconds(5 * 3_600)..<(.seconds(19 * 3_600))).contains($0) })
    }

    @Test(arguments: seeds)
    func `every asset sums to zero over all accounts`(seed: UInt64) {
        let oracle = Oracle(Self.day(seed))
        let totals = oracle.totals()
        #expect(totals.count == 10)
        for (asset, turnover) in totals {
            #expect(turnover.balance == 0, "\(asset), seed \(seed)")
            #expect(turnover.input == oracle.moved[asset], "\(asset), seed \(seed)")
            #expect(turnover.input > 0)
        }
    }

    @Test(arguments: seeds)
    func `tills and payables end at zero, cards and stock never below it`(seed: UInt64) {
        let day = Self.day(seed)
        let oracle = Oracle(day)
        var seen = (tills: 0, payables: 0, cards: 0, stock: 0)
        for (position, turnover) in oracle.positions {
            if position.account.contains(":till:") {
                seen.tills += 1
                #expect(turnover.balance == 0, "\(position), seed \(seed)")
            } else if position.account.hasSuffix(":payable") {
                seen.payables += 1
                #expect(turnover.balance == 0, "\(position), seed \(seed)")
            } else if position.account.hasPrefix("customers:") {
                seen.cards += 1
                #expect(turnover.balance >= 0, "\(position), seed \(seed)")
            } else if position.account.hasSuffix(":stock") {
                seen.stock += 1
                #expect(turnover.balance >= 0, "\(position), seed \(seed)")
            }
        }
        #expect(seen.tills == 12 && seen.payables == 6 && seen.stock == 11 && seen.cards > 60)
    }

    @Test(arguments: seeds)
    func `every operation is one that the ledger can take`(seed: UInt64) {
        let day = Self.day(seed)
        let nodes = Set(day.nodes)
        var keys: Set<String> = []
        for operation in day {
            #expect(nodes.contains(operation.node))
            #expect((1...64).contains(operation.postings.count))
            #expect(operation.postings.allSatisfy { $0.amount > 0 && $0.source != $0.destination })
            #expect(operation.reference.utf8.count <= 255 && operation.metadata.count <= 16)
            #expect(keys.insert(operation.idempotencyKey).inserted, "\(operation)")
        }
        #expect(nodes.count == 12)
        #expect(nodes.allSatisfy(isAgentID))
    }

    @Test func `a day has every kind of operation, and baskets of several postings`() {
        var kinds: [String: Int] = [:]
        var payments: [String: Int] = [:]
        var sizes: Set<Int> = []
        var tips = 0
        for operation in MarketDay(seed: 7) {
            kinds[operation.metadata["kind"] ?? "none", default: 0] += 1
            if let payment = operation.metadata["payment"] { payments[payment, default: 0] += 1 }
            sizes.insert(operation.postings.count)
            if operation.postings.contains(where: { $0.destination.hasSuffix(":tips") }) {
                tips += 1
            }
        }
        #expect(
            Set(kinds.keys) == [
                "funding", "float", "delivery", "top-up", "sale", "refund", "banking", "payment",
            ])
        #expect(kinds["sale", default: 0] > 8_000 && kinds["refund", default: 0] > 100)
        #expect(Set(payments.keys) == ["card", "cash", "mixed"])
        #expect(payments["card", default: 0] > payments["cash", default: 0])
        #expect(sizes.isSuperset(of: [1, 2, 3, 4]))
        #expect(tips > 100)
    }

    @Test func `more customers come before noon than after lunch`() {
        var byHour: [Int64: Int] = [:]
        for operation in MarketDay(seed: 3) {
            guard let at = operation.at else { continue }
            byHour[at.components.seconds / 3_600, default: 0] += 1
        }
        #expect(byHour[10, default: 0] > 2 * byHour[14, default: 0])
        #expect(byHour[16, default: 0] > 2 * byHour[18, default: 0])
    }

    @Test func `a time of day is written as RFC 3339 with microseconds`() {
        let time = Duration.seconds(10 * 3_600 + 4 * 60 + 9) + .microseconds(1_204)
        #expect(MarketDay.timestamp(at: time) == "2026-11-20T10:04:09.001204Z")
    }

    private func isAgentID(_ id: String) -> Bool {
        let bytes = Array(id.utf8)
        let isPlain: (UInt8) -> Bool = {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
        return bytes.count <= 63 && bytes.first.map(isPlain) == true
            && bytes.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") }
    }
}
