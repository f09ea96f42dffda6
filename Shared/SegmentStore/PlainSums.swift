import LedgerCore
import SyncProtocol

/// What every account received and gave, added up the plain way: a dictionary by names. It shares
/// nothing with `Balances`, whose result it is compared with: an error in one would not be in the
/// other.
struct PlainSums {
    struct Place: Hashable {
        let account: String
        let asset: String
    }

    struct Sum: Hashable {
        var input: Int128 = 0
        var output: Int128 = 0
    }

    private(set) var sums: [Place: Sum] = [:]
    private(set) var transactions: Int64 = 0

    mutating func add(_ event: Event) {
        transactions += 1
        for posting in event.transaction.postings {
            let units = Int128(posting.amount.units)
            let asset = posting.asset.description
            sums[Place(account: posting.source.description, asset: asset), default: Sum()].output +=
                units
            sums[Place(account: posting.destination.description, asset: asset), default: Sum()]
                .input += units
        }
    }

    /// These and those together.
    func adding(_ other: PlainSums) -> PlainSums {
        var all = self
        all.transactions += other.transactions
        all.sums.merge(other.sums) {
            Sum(input: $0.input + $1.input, output: $0.output + $1.output)
        }
        return all
    }

    var accountCount: Int { Set(sums.keys.map(\.account)).count }

    var byAsset: [String: Sum] {
        sums.reduce(into: [:]) { totals, cell in
            totals[cell.key.asset, default: Sum()].input += cell.value.input
            totals[cell.key.asset, default: Sum()].output += cell.value.output
        }
    }
}
