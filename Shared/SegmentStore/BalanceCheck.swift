import GRDB
import LedgerCore

/// The part of `verify` that compares the checkpointed balances with what the log adds up to.
struct BalanceCheck {
    /// What the log up to the checkpoint adds up to.
    let through: PlainSums
    let all: PlainSums
    /// Whether those are sums of everything: not where a part of the log is gone.
    let isWhole: Bool

    func run(_ database: Database, _ report: inout VerifyReport) throws(StoreError) {
        summarize(&report)
        var select = try SQLStatement(database, "SELECT transactions FROM fold_position")
        guard try select.step() else { return }
        guard isWhole else { return try checkSums(database, &report) }
        report.comparedBalances = true
        let transactions = select.integer(0)
        if transactions != through.transactions {
            report.isConserved = false
            report.add(
                VerifyFinding(
                    "the checkpoint counts \(transactions) transactions, the log \(through.transactions)"
                ))
        }
        do throws(StoreError) {
            compare(try checkpoint(database, &report), &report)
        } catch {
            report.isConserved = false
            throw error
        }
    }

    private func summarize(_ report: inout VerifyReport) {
        report.accounts = all.accountCount
        for (name, sum) in all.byAsset.sorted(by: { $0.key < $1.key }) {
            do throws(InvalidValue) {
                let asset = VerifiedAsset(
                    asset: try Asset(name), input: sum.input, output: sum.output)
                report.assets.append(asset)
                guard !asset.isConserved else { continue }
                report.isConserved = false
                report.add(VerifyFinding("\(name): \(sum.input) went in, \(sum.output) went out"))
            } catch {
                report.add(VerifyFinding(error.description))
            }
        }
    }

    /// Where a part of the log is gone, nothing says what each balance must be, but what went in is
    /// still what went out.
    private func checkSums(
        _ database: Database, _ report: inout VerifyReport
    ) throws(StoreError) {
        var totals: [String: PlainSums.Sum] = [:]
        for (place, sum) in try checkpoint(database, &report) {
            totals[place.asset, default: PlainSums.Sum()].input += sum.input
            totals[place.asset, default: PlainSums.Sum()].output += sum.output
        }
        for (asset, sum) in totals.sorted(by: { $0.key < $1.key }) where sum.input != sum.output {
            report.isConserved = false
            report.add(
                VerifyFinding(
                    "the checkpointed balances in \(asset): \(sum.input) went in, \(sum.output) went out"
                ))
        }
    }

    private func compare(_ found: [PlainSums.Place: PlainSums.Sum], _ report: inout VerifyReport) {
        for place in Set(found.keys).union(through.sums.keys).sorted(by: BalanceCheck.isBefore) {
            let stored = found[place] ?? PlainSums.Sum()
            let logged = through.sums[place] ?? PlainSums.Sum()
            guard stored != logged else { continue }
            report.isConserved = false
            report.add(
                VerifyFinding(
                    "the balance of \(place.account) in \(place.asset): the checkpoint says \(stored.input) in and "
                        + "\(stored.output) out, the log \(logged.input) in and \(logged.output) out"
                ))
        }
    }

    /// The checkpoint's cells, by name.
    private func checkpoint(
        _ database: Database, _ report: inout VerifyReport
    ) throws(StoreError) -> [PlainSums.Place: PlainSums.Sum] {
        let accounts = try FoldCheckpoint.loadNames(database, "fold_accounts", "address")
        let assets = try FoldCheckpoint.loadNames(database, "fold_assets", "asset")
        var sums: [PlainSums.Place: PlainSums.Sum] = [:]
        var select = try SQLStatement(database, "SELECT page, bytes FROM fold_cells ORDER BY page")
        while try select.step() {
            let page = select.integer(0)
            do throws(InvalidValue) {
                for cell in try FoldPage.decode(select.blob(1)) {
                    guard cell.account.value < accounts.count, cell.asset.value < assets.count
                    else {
                        throw InvalidValue(
                            "a cell names account \(cell.account.value) and asset \(cell.asset.value)"
                        )
                    }
                    let place = PlainSums.Place(
                        account: accounts[Int(cell.account.value)],
                        asset: assets[Int(cell.asset.value)])
                    sums[place] = PlainSums.Sum(input: cell.input, output: cell.output)
                }
            } catch {
                report.isConserved = false
                report.add(VerifyFinding("page \(page) of the checkpointed balances: \(error)"))
            }
        }
        return sums
    }

    private static func isBefore(_ left: PlainSums.Place, _ right: PlainSums.Place) -> Bool {
        (left.account, left.asset) < (right.account, right.asset)
    }
}
