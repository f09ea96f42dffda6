/// The balances fold: what every account received and gave, per asset. Sums only, so the order of
/// events does not matter.
///
/// **Overview.** Accounts and assets are numbered in the order of their first use, so that an event
/// is applied through two array look-ups and no hashing. An account with an asset is a *cell*.
///
/// **Function.** Intern names once, then `apply` postings by number. `takeChangedPages` says which
/// cells changed since it was last asked, for a checkpoint that writes only those;
/// `takeChangedAccounts` says it of accounts, for whoever is told of them.
///
/// **Invariants.** Per asset, the sum of all inputs equals the sum of all outputs.
package struct Balances: Sendable {
    package struct AccountNumber: Hashable, Sendable {
        package let value: UInt32
        package init(_ value: UInt32) { self.value = value }
    }

    package struct AssetNumber: Hashable, Sendable {
        package let value: UInt32
        package init(_ value: UInt32) { self.value = value }
    }

    /// One account's sums in one asset, in the asset's smallest unit.
    package struct Cell: Hashable, Sendable {
        package let account: AccountNumber
        package let asset: AssetNumber
        package var input: Int128
        package var output: Int128
        /// The next cell of the same account, or `none`.
        fileprivate var next: UInt32

        package var balance: Int128 { input - output }
    }

    /// Cells a checkpoint writes together.
    package static let cellsPerPage = 128
    private static let none = UInt32.max

    package private(set) var accounts: [AccountAddress] = []
    package private(set) var assets: [Asset] = []
    package private(set) var cells: [Cell] = []
    private var accountNumbers: [AccountAddress: AccountNumber] = [:]
    private var assetNumbers: [Asset: AssetNumber] = [:]
    private var firstCell: [UInt32] = []
    private var pageChanged: [Bool] = []
    /// The cells that `takeChangedAccounts` has not told of, each once, in the order of their
    /// change: where nobody asks, this is bounded by the cells.
    private var untold: [UInt32] = []
    private var isUntold: [Bool] = []

    package init() {}

    // MARK: Names

    package mutating func intern(_ account: AccountAddress) -> AccountNumber {
        if let number = accountNumbers[account] { return number }
        let number = AccountNumber(UInt32(accounts.count))
        accounts.append(account)
        firstCell.append(Balances.none)
        accountNumbers[account] = number
        return number
    }

    package mutating func intern(_ asset: Asset) -> AssetNumber {
        if let number = assetNumbers[asset] { return number }
        let number = AssetNumber(UInt32(assets.count))
        assets.append(asset)
        assetNumbers[asset] = number
        return number
    }

    // MARK: Events

    package mutating func apply(
        source: AccountNumber, destination: AccountNumber, asset: AssetNumber, units: Int64
    ) {
        precondition(units > 0, "a posting moves a positive amount, not \(units)")
        let from = cell(source, asset)
        cells[from].output += Int128(units)
        markChanged(from)
        let to = cell(destination, asset)
        cells[to].input += Int128(units)
        markChanged(to)
    }

    private mutating func cell(_ account: AccountNumber, _ asset: AssetNumber) -> Int {
        existingCell(account, asset)
            ?? append(
                Cell(account: account, asset: asset, input: 0, output: 0, next: Balances.none))
    }

    /// - Complexity: O(*n*) in the account's assets.
    private func existingCell(_ account: AccountNumber, _ asset: AssetNumber) -> Int? {
        var index = firstCell[Int(account.value)]
        while index != Balances.none {
            if cells[Int(index)].asset == asset { return Int(index) }
            index = cells[Int(index)].next
        }
        return nil
    }

    private mutating func append(_ cell: Cell) -> Int {
        let index = cells.count
        var cell = cell
        cell.next = firstCell[Int(cell.account.value)]
        firstCell[Int(cell.account.value)] = UInt32(index)
        cells.append(cell)
        isUntold.append(false)
        if index / Balances.cellsPerPage == pageChanged.count { pageChanged.append(false) }
        return index
    }

    private mutating func markChanged(_ index: Int) {
        pageChanged[index / Balances.cellsPerPage] = true
        guard !isUntold[index] else { return }
        isUntold[index] = true
        untold.append(UInt32(index))
    }

    // MARK: Questions

    /// The account's cells, one an asset, in the order of the assets' codes; nil for an account
    /// never used.
    package func cells(of account: AccountAddress) -> [Cell]? {
        guard let number = accountNumbers[account] else { return nil }
        return cells(of: number).sorted { name(of: $0.asset) < name(of: $1.asset) }
    }

    /// The account's cells in no order; of an account that no event has moved yet, none.
    package func cells(of number: AccountNumber) -> [Cell] {
        var found: [Cell] = []
        var index = firstCell[Int(number.value)]
        while index != Balances.none {
            found.append(cells[Int(index)])
            index = cells[Int(index)].next
        }
        return found
    }

    /// Nil for an account never used.
    package func number(of account: AccountAddress) -> AccountNumber? {
        accountNumbers[account]
    }

    /// What went in and out of an account in one asset; nothing where there is no such cell.
    package func sums(of account: AccountAddress, in asset: Asset) -> (
        input: Int128, output: Int128
    ) {
        guard let account = accountNumbers[account], let asset = assetNumbers[asset],
            let index = existingCell(account, asset)
        else { return (0, 0) }
        return (cells[index].input, cells[index].output)
    }

    package func address(of account: AccountNumber) -> AccountAddress {
        accounts[Int(account.value)]
    }

    package func asset(_ number: AssetNumber) -> Asset {
        assets[Int(number.value)]
    }

    /// What went in and out of all accounts, per asset: equal, or money was made or lost.
    package func totals() -> [AssetTotal] {
        var totals = assets.map { AssetTotal(asset: $0, input: 0, output: 0) }
        for cell in cells {
            totals[Int(cell.asset.value)].input += cell.input
            totals[Int(cell.asset.value)].output += cell.output
        }
        return totals.sorted { $0.asset.description < $1.asset.description }
    }

    private func name(of asset: AssetNumber) -> String {
        assets[Int(asset.value)].description
    }

    // MARK: Checkpoints

    /// The numbers of the pages that changed since the last call.
    package mutating func takeChangedPages() -> [Int] {
        let changed = pageChanged.indices.filter { pageChanged[$0] }
        for page in changed { pageChanged[page] = false }
        return changed
    }

    /// The accounts of some of the cells that changed and were not yet told of, those that changed
    /// first; an account stands there once for each of its cells.
    package mutating func takeChangedAccounts(atMost count: Int) -> [AccountNumber] {
        let taken = untold.prefix(count)
        let accounts = taken.map { cells[Int($0)].account }
        for index in taken { isUntold[Int(index)] = false }
        untold.removeFirst(taken.count)
        return accounts
    }

    package func cells(ofPage page: Int) -> ArraySlice<Cell> {
        let start = page * Balances.cellsPerPage
        return cells[start..<min(start + Balances.cellsPerPage, cells.count)]
    }

    /// Takes back what a checkpoint wrote: all names first, then the cells in their order. Nothing
    /// counts as changed.
    ///
    /// - Throws: `InvalidValue` where a cell names an account or asset that the checkpoint does not
    ///   have, or where there is one of the two already: the second would be counted in the totals
    ///   and never found.
    package mutating func restore(
        account: AccountNumber, asset: AssetNumber, input: Int128, output: Int128
    ) throws(InvalidValue) {
        guard account.value < accounts.count, asset.value < assets.count else {
            throw InvalidValue(
                "cell \(cells.count) names account \(account.value) and asset \(asset.value), "
                    + "of \(accounts.count) and \(assets.count)"
            )
        }
        guard existingCell(account, asset) == nil else {
            throw InvalidValue(
                "cell \(cells.count) is a second one of account \(account.value) "
                    + "and asset \(asset.value)"
            )
        }
        _ = append(
            Cell(account: account, asset: asset, input: input, output: output, next: Balances.none))
    }
}

/// The sums of one asset over all accounts, in its smallest unit.
package struct AssetTotal: Hashable, Sendable {
    package let asset: Asset
    package var input: Int128
    package var output: Int128

    package init(asset: Asset, input: Int128, output: Int128) {
        self.asset = asset
        self.input = input
        self.output = output
    }
}
