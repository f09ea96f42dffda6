import FleetHarness
import Foundation
import Workload

/// The comparison of the ledger with the oracle, as tables.
struct Report {
    /// How many single accounts are shown.
    private static let accountsShown = 8
    /// How many differences are listed.
    private static let differencesShown = 8

    let terminal: Terminal
    let oracle: Oracle

    func show(_ reconciliation: Reconciliation, _ outcome: Day.Outcome) {
        terminal.print(
            terminal.style("\nThe ledger at the aggregator, and what the oracle says", .bold))
        showTotals(reconciliation)
        showAccounts(reconciliation)
        showSummary(reconciliation)
        let findings = outcome.findings + reconciliation.findings
        for finding in findings { differs(finding) }
        for difference in reconciliation.differences.prefix(Self.differencesShown) {
            differs("\(difference)")
        }
        let more = reconciliation.differences.count - Self.differencesShown
        if more > 0 { differs("and \(grouped(more)) more balances") }
    }

    private func showTotals(_ reconciliation: Reconciliation) {
        heading("ASSET", "", "MOVED, LEDGER", "ORACLE")
        for (asset, moved) in oracle.moved.sorted(by: { $0.key < $1.key }) {
            let found = reconciliation.ledger.assets[asset]?.input ?? 0
            row(asset, "", found, moved, asset)
        }
    }

    private func showAccounts(_ reconciliation: Reconciliation) {
        terminal.print("")
        heading("ACCOUNT", "ASSET", "BALANCE, LEDGER", "ORACLE")
        for position in chosenPositions() {
            let expected = oracle.balance(of: position.account, in: position.asset)
            let difference = reconciliation.differences.first {
                $0.account == position.account && $0.asset == position.asset
            }
            row(
                position.account, position.asset, difference?.found ?? expected, expected,
                position.asset)
        }
    }

    private func showSummary(_ reconciliation: Reconciliation) {
        let wrong = Set(reconciliation.differences.map(\.account)).count
        let ledger = reconciliation.ledger
        terminal.print("")
        terminal.print(
            "  \(grouped(reconciliation.accounts)) accounts compared, \(grouped(wrong)) differ "
                + "(\(grouped(reconciliation.balances)) balances)")
        let (sent, found) = (grouped(oracle.count), grouped(ledger.transactions))
        terminal.print("  \(sent) transactions sent, \(found) in the ledger")
        terminal.print(
            "  conserved: \(ledger.isConserved == true)"
                + (ledger.digest.map { ", digest \($0.prefix(16))" } ?? ""))
    }

    /// Some of each kind of account, those where most passed through first.
    private func chosenPositions() -> [Oracle.Position] {
        let byTurnover = oracle.positions.sorted { one, other in
            let sums = (one.value.input + one.value.output, other.value.input + other.value.output)
            return sums.0 == sums.1 ? one.key < other.key : sums.0 > sums.1
        }
        var shownOfKind: [Substring: Int] = [:]
        var chosen: [Oracle.Position] = []
        for (position, _) in byTurnover where chosen.count < Self.accountsShown {
            let kind = position.account.prefix { $0 != ":" }
            guard shownOfKind[kind, default: 0] < 2 else { continue }
            shownOfKind[kind, default: 0] += 1
            chosen.append(position)
        }
        return chosen.sorted()
    }

    private func heading(_ name: String, _ asset: String, _ found: String, _ expected: String) {
        let line = name.left(26) + asset.left(10) + found.right(18) + expected.right(18)
        terminal.print(terminal.style("  \(line)", .bold))
    }

    private func row(
        _ name: String, _ unit: String, _ found: Int128, _ expected: Int128, _ asset: String
    ) {
        let line =
            name.left(26) + unit.left(10) + amount(found, of: asset).right(18)
            + amount(expected, of: asset).right(18)
        if found == expected {
            terminal.print("  \(line)  =")
        } else {
            terminal.print(terminal.style("  \(line)  ≠", .red))
        }
    }

    private func differs(_ text: String) {
        terminal.print(terminal.style("  differs: \(text)", .red))
    }
}
