import LedgerCore
import TestSupport
import Testing

@Suite struct BalancesTests {
    /// One account in one asset, as a model keyed by text would have it.
    private struct Name: Hashable {
        let account: AccountAddress
        let asset: Asset
    }

    private struct Sums: Hashable {
        var input: Int128 = 0
        var output: Int128 = 0
    }

    private func apply(_ posting: Posting, to balances: inout Balances) {
        let source = balances.intern(posting.source)
        let destination = balances.intern(posting.destination)
        let asset = balances.intern(posting.asset)
        balances.apply(
            source: source, destination: destination, asset: asset, units: posting.amount.units)
    }

    private func fold(_ postings: some Sequence<Posting>) -> Balances {
        var balances = Balances()
        for posting in postings { apply(posting, to: &balances) }
        return balances
    }

    private func sums(_ balances: Balances) -> [Name: Sums] {
        var sums: [Name: Sums] = [:]
        for cell in balances.cells {
            let name = Name(
                account: balances.address(of: cell.account), asset: balances.asset(cell.asset))
            #expect(sums[name] == nil, "a cell stands twice")
            #expect(cell.balance == cell.input - cell.output)
            sums[name] = Sums(input: cell.input, output: cell.output)
        }
        return sums
    }

    private func postings(_ random: inout SplitMix64, _ count: Int) throws -> [Posting] {
        try (0..<count).map { _ in try random.posting() }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `balances are those of a dictionary of sums, and what went in came out`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        let postings = try postings(&random, random.below(600))
        var model: [Name: Sums] = [:]
        for posting in postings {
            model[Name(account: posting.source, asset: posting.asset), default: Sums()].output +=
                Int128(posting.amount.units)
            model[Name(account: posting.destination, asset: posting.asset), default: Sums()]
                .input +=
                Int128(posting.amount.units)
        }
        let balances = fold(postings)
        #expect(sums(balances) == model, "seed \(seed)")
        let totals = balances.totals()
        #expect(totals.allSatisfy { $0.input == $0.output }, "seed \(seed)")
        #expect(
            totals.map(\.asset.description) == totals.map(\.asset.description).sorted(),
            "seed \(seed)")
        let moved = postings.reduce(Int128(0)) { $0 + Int128($1.amount.units) }
        #expect(totals.reduce(0) { $0 + $1.input } == moved, "seed \(seed)")
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `any order of the events gives the same sums`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let postings = try postings(&random, 300)
        let shuffled = postings.shuffled(using: &random)
        #expect(sums(fold(postings)) == sums(fold(shuffled)), "seed \(seed)")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `an account answers with its cells by asset, and one never used does not answer`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let balances = fold(try postings(&random, 200))
        for account in balances.accounts {
            let cells = try #require(balances.cells(of: account))
            let assets = cells.map { balances.asset($0.asset).description }
            #expect(assets == Set(assets).sorted(), "seed \(seed)")
            #expect(
                cells.allSatisfy { balances.address(of: $0.account) == account }, "seed \(seed)")
        }
        #expect(
            balances.accounts.reduce(0) { $0 + (balances.cells(of: $1)?.count ?? 0) }
                == balances.cells.count)
        #expect(balances.cells(of: try AccountAddress("never:used")) == nil)
    }

    @Test func `a sum goes beyond 64 bits`() throws {
        let all = Posting(
            source: .world, destination: try AccountAddress("a"), asset: try Asset("EUR/2"),
            amount: try Amount(.max))
        let balances = fold(repeatElement(all, count: 1000))
        #expect(
            balances.cells(of: try AccountAddress("a"))?.first?.balance == Int128(Int64.max) * 1000)
        #expect(balances.cells(of: .world)?.first?.balance == Int128(Int64.max) * -1000)
    }

    @Test func `what an account sends itself is counted on both sides`() throws {
        let posting = Posting(
            source: .world, destination: .world, asset: try Asset("EUR/2"), amount: try Amount(7))
        let cell = try #require(fold([posting]).cells(of: .world)?.first)
        #expect((cell.input, cell.output, cell.balance) == (7, 7, 0))
    }

    // MARK: Checkpoints

    /// The pages whose cells are not the same in both.
    private func changedPages(_ before: Balances, _ after: Balances) -> [Int] {
        let pages = (after.cells.count + Balances.cellsPerPage - 1) / Balances.cellsPerPage
        return (0..<pages).filter { page in
            guard page * Balances.cellsPerPage < before.cells.count else { return true }
            return !values(before.cells(ofPage: page)).elementsEqual(
                values(after.cells(ofPage: page)))
        }
    }

    private func values(_ cells: ArraySlice<Balances.Cell>) -> [[Int128]] {
        cells.map { [Int128($0.account.value), Int128($0.asset.value), $0.input, $0.output] }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the changed pages are exactly those whose cells changed`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var balances = Balances()
        for round in 0..<30 {
            let before = balances
            for _ in 0..<random.below(round.isMultiple(of: 3) ? 80 : 3) {
                let number = random.below(1000)
                let posting = Posting(
                    source: try AccountAddress("a:\(number)"),
                    destination: try AccountAddress("b:\(number / 3)"),
                    asset: try random.asset(), amount: try random.amount())
                apply(posting, to: &balances)
            }
            #expect(
                balances.takeChangedPages() == changedPages(before, balances),
                "seed \(seed), round \(round)")
            #expect(balances.takeChangedPages() == [], "seed \(seed), round \(round)")
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `what a checkpoint wrote page by page is taken back whole, and goes on the same`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let first = try postings(&random, 400)
        let later = try postings(&random, 100)
        let written = fold(first)
        var restored = try restore(written)
        #expect(values(restored.cells[...]) == values(written.cells[...]), "seed \(seed)")
        #expect(restored.takeChangedPages() == [], "seed \(seed)")
        for posting in later { apply(posting, to: &restored) }
        let straight = fold(first + later)
        #expect(values(restored.cells[...]) == values(straight.cells[...]), "seed \(seed)")
        #expect(
            restored.accounts == straight.accounts && restored.assets == straight.assets,
            "seed \(seed)")
    }

    private func restore(_ written: Balances) throws -> Balances {
        var restored = Balances()
        for account in written.accounts { _ = restored.intern(account) }
        for asset in written.assets { _ = restored.intern(asset) }
        let pages = (written.cells.count + Balances.cellsPerPage - 1) / Balances.cellsPerPage
        for page in 0..<pages {
            for cell in written.cells(ofPage: page) {
                try restored.restore(
                    account: cell.account, asset: cell.asset, input: cell.input, output: cell.output
                )
            }
        }
        return restored
    }

    @Test func `a checkpoint whose cell names what it does not have is refused`() throws {
        var balances = Balances()
        let account = balances.intern(.world)
        let asset = balances.intern(try Asset("EUR/2"))
        let message = "names account 1 and asset 0, of 1 and 1"
        #expect {
            try balances.restore(
                account: Balances.AccountNumber(1), asset: asset, input: 0, output: 0)
        } throws: { "\($0)".contains(message) }
        #expect(throws: InvalidValue.self) {
            try balances.restore(
                account: account, asset: Balances.AssetNumber(1), input: 0, output: 0)
        }
        #expect(balances.cells.isEmpty)
    }

    @Test func `a checkpoint with two cells of one account and asset is refused`() throws {
        var balances = Balances()
        let accounts = [balances.intern(.world), balances.intern(try AccountAddress("a"))]
        let assets = [
            balances.intern(try Asset("EUR/2")), balances.intern(try Asset("USD/2")),
            balances.intern(try Asset("KWH/3")),
        ]
        for account in accounts {
            for asset in assets {
                try balances.restore(account: account, asset: asset, input: 5, output: 3)
            }
        }
        let before = values(balances.cells[...])
        for account in accounts {
            for asset in assets {
                let message = "of account \(account.value) and asset \(asset.value)"
                #expect {
                    try balances.restore(account: account, asset: asset, input: 0, output: 0)
                } throws: { "\($0)" == "cell 6 is a second one " + message }
            }
        }
        #expect(values(balances.cells[...]) == before)
        #expect(balances.cells(of: .world)?.count == 3)
    }
}
