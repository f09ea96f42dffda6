/// What the ledger must say when all is merged, computed from the operations alone.
///
/// **Why it is so plain.** It is the second opinion: dictionaries and additions, sharing no code with
/// the product, so that an error in the product's fold cannot hide in both.
package struct Oracle: Equatable, Sendable {
    /// One account in one asset.
    package struct Position: Hashable, Comparable, Sendable {
        package var account: String
        package var asset: String

        package init(account: String, asset: String) {
            self.account = account
            self.asset = asset
        }

        package static func < (one: Position, other: Position) -> Bool {
            (one.account, one.asset) < (other.account, other.asset)
        }
    }

    /// What came in and what went out. Sums are 128 bits wide, so no workload overflows them.
    package struct Turnover: Equatable, Sendable {
        package var input: Int128 = 0
        package var output: Int128 = 0
        package var balance: Int128 { input - output }

        package init(input: Int128 = 0, output: Int128 = 0) {
            self.input = input
            self.output = output
        }
    }

    /// How many operations were recorded.
    package private(set) var count = 0
    /// Every position that an operation touched.
    package private(set) var positions: [Position: Turnover] = [:]
    /// The sum of all postings of an asset: what the inputs, and the outputs, of all accounts add up to.
    package private(set) var moved: [String: Int128] = [:]

    package init() {}

    package init(_ operations: some Sequence<Operation>) {
        for operation in operations { record(operation) }
    }

    package mutating func record(_ operation: Operation) {
        count += 1
        for posting in operation.postings {
            let amount = Int128(posting.amount)
            let source = Position(account: posting.source, asset: posting.asset)
            let destination = Position(account: posting.destination, asset: posting.asset)
            positions[source, default: Turnover()].output += amount
            positions[destination, default: Turnover()].input += amount
            moved[posting.asset, default: 0] += amount
        }
    }

    /// Zero where nothing was ever posted, as in the ledger.
    package func balance(of account: String, in asset: String) -> Int128 {
        positions[Position(account: account, asset: asset)]?.balance ?? 0
    }

    /// The expected balances of each account, by asset.
    package func balancesByAccount() -> [String: [String: Int128]] {
        var accounts: [String: [String: Int128]] = [:]
        for (position, turnover) in positions {
            accounts[position.account, default: [:]][position.asset] = turnover.balance
        }
        return accounts
    }

    /// The turnover of each asset over all accounts, added up from the positions.
    package func totals() -> [String: Turnover] {
        var totals: [String: Turnover] = [:]
        for (position, turnover) in positions {
            totals[position.asset, default: Turnover()].input += turnover.input
            totals[position.asset, default: Turnover()].output += turnover.output
        }
        return totals
    }
}
