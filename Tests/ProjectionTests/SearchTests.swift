import AggregatorCore
import AggregatorRuntime
import LedgerCore
import Projection
import SegmentStore
import TestSupport
import Testing

@Suite struct SearchTests {
    private func filter(
        _ log: TestLog, _ random: inout SplitMix64
    ) -> TransactionFilter {
        let some = log.transactions[random.below(log.transactions.count)]
        var filter = TransactionFilter()
        if random.oneIn(3) { filter.account = some.event.transaction.postings[0].destination }
        if random.oneIn(4) { filter.agent = some.id.agent }
        if random.oneIn(4) { filter.reference = some.event.transaction.reference ?? "none" }
        if random.oneIn(4) { filter.status = random.oneIn(3) ? .setAside : .merged }
        if random.oneIn(4) { filter.kind = .transfer }
        if random.oneIn(3) { filter.from = some.event.time.time }
        if random.oneIn(3) {
            filter.to = some.event.time.time.advanced(
                byMicroseconds: Int64(random.below(7_200_000_000)))
        }
        return filter
    }

    /// All pages of a search, with something done between them.
    private func pages(
        _ projection: Projection, _ filter: TransactionFilter, limit: Int,
        between: () throws -> Void = {}
    ) throws -> [MergedTransaction] {
        var found: [MergedTransaction] = []
        var place: SearchPlace?
        repeat {
            let page = try projection.transactions(filter, before: place, limit: limit)
            #expect(page.items.count <= limit)
            found += page.items
            place = page.next
            try between()
        } while place != nil
        return found
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `every filter finds what a plain list of the log has, in its reverse order`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: seed)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 40, &random)
        var limits = ProjectionLimits()
        limits.rowsPerPageMax = 1 + random.below(60)
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store), limits)
        try rows.catchUp()
        for _ in 0..<60 {
            let filter = filter(log, &random)
            let expected = log.transactions.reversed().filter { $0.isAdmitted(by: filter) }
            let found = try pages(rows.projection, filter, limit: 1 + random.below(40))
            #expect(found.map(\.id) == expected.map(\.id), "seed \(seed), \(filter)")
            for (item, logged) in zip(found, expected) {
                #expect(item.event == logged.event, "seed \(seed)")
                #expect(item.committedAt == logged.mergedAt && item.attempt == 2)
                #expect(item.status == .merged)
            }
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `paging while data arrives loses and doubles nothing of what was there at the start`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: seed)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 25, &random)
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store))
        try rows.catchUp()
        for _ in 0..<8 {
            let filter = filter(log, &random)
            let expected = log.transactions.reversed().filter { $0.isAdmitted(by: filter) }
            let found = try pages(rows.projection, filter, limit: 1 + random.below(5)) {
                guard random.oneIn(3) else { return }
                try log.grow(segments: 1, &random)
                try rows.catchUp()
            }
            #expect(found.map(\.id) == expected.map(\.id), "seed \(seed), \(filter)")
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `a statement's balances run along the log, and end at the ledger's`(seed: UInt64) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: seed)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 30, &random)
        var limits = ProjectionLimits()
        limits.eventsPerStep = 1 + random.below(20)
        limits.read = ReadLimit(segments: 1 + random.below(4))
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store), limits)
        try rows.catchUp()
        var statements: [AccountAddress: [(EventID, Int, Asset, Int64, Int128)]] = [:]
        var balances: [AccountAddress: [Asset: Int128]] = [:]
        for logged in log.transactions {
            for (index, posting) in logged.event.transaction.postings.enumerated() {
                let units = posting.amount.units
                for (account, change) in [(posting.source, -units), (posting.destination, units)] {
                    balances[account, default: [:]][posting.asset, default: 0] += Int128(change)
                    let balance = balances[account]?[posting.asset] ?? 0
                    statements[account, default: []].append(
                        (logged.id, index, posting.asset, change, balance))
                }
            }
        }
        for (account, expected) in statements {
            var found: [StatementEntry] = []
            var place: SearchPlace?
            let limit = 1 + random.below(30)
            repeat {
                let page = try rows.projection.entries(
                    of: account, TransactionFilter(), before: place, limit: limit)
                found += page.items
                place = page.next
            } while place != nil
            #expect(found.count == expected.count, "seed \(seed), \(account)")
            for (entry, wanted) in zip(found, expected.reversed()) {
                #expect(
                    entry.id == wanted.0 && entry.posting == wanted.1 && entry.asset == wanted.2
                        && entry.change == wanted.3 && entry.balance == wanted.4,
                    "seed \(seed), \(account)")
            }
        }
        let ledger = try log.store.load().fold.ledger
        for (account, assets) in balances {
            let cells = try #require(ledger.balances.cells(of: account))
            for cell in cells {
                let asset = ledger.balances.asset(cell.asset)
                #expect(assets[asset] == cell.input - cell.output, "seed \(seed), \(account)")
            }
        }
    }

    @Test func `pages, references and statements go on beyond the bounds of a part`() throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: 7)
        var log = try TestLog("\(folder.path)/log.db", streams: 1, &random)
        let (shop, rare) = (try AccountAddress("shop"), try AccountAddress("rare"))
        let (asset, amount) = (try Asset("EUR/2"), try Amount(1))
        let count = 264_000
        for start in stride(from: 0, to: count, by: 1_000) {
            try log.commit(
                try (start..<start + 1_000).map { number in
                    let isRare = number % 100_000 == 5
                    return try Transaction(
                        postings: [
                            Posting(
                                source: isRare ? rare : .world, destination: shop, asset: asset,
                                amount: amount)
                        ],
                        reference: isRare ? "rare" : nil)
                }, &random)
        }
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store))
        try rows.catchUp()
        for make: (inout TransactionFilter) -> Void in [
            { $0.account = rare }, { $0.reference = "rare" },
        ] {
            var filter = TransactionFilter()
            make(&filter)
            let found = try pages(rows.projection, filter, limit: 2)
            #expect(found.map(\.id.sequence) == [200_006, 100_006, 6])
        }
        #expect(try pages(rows.projection, TransactionFilter(), limit: 1_000).count == count)
        let last = try rows.projection.entries(
            of: shop, TransactionFilter(), before: nil, limit: 1)
        #expect(last.items.first?.balance == Int128(count))
        #expect(last.items.first?.id.sequence == UInt64(count))
    }
}
