import Workload

/// The ledger of an aggregator compared with an oracle: every account in every asset, the totals, the count.
package struct Reconciliation: Sendable {
    /// A balance that is not what it should be.
    package struct Difference: Equatable, Sendable, CustomStringConvertible {
        package var account: String
        package var asset: String
        package var expected: Int128
        package var found: Int128

        package var description: String {
            "\(account) in \(asset): expected \(expected), found \(found)"
        }
    }

    package var accounts: Int
    package var balances: Int
    package var differences: [Difference]
    /// What else is not as it should be, a sentence each.
    package var findings: [String]
    package var ledger: LedgerStatus

    package var isClean: Bool { differences.isEmpty && findings.isEmpty }

    /// Asks the aggregator for everything that the oracle knows.
    package init(_ aggregator: AggregatorClient, with oracle: Oracle) throws {
        let expected = oracle.balancesByAccount()
        var differences: [Difference] = []
        for (account, balances) in expected.sorted(by: { $0.key < $1.key }) {
            let found = try aggregator.balances(of: account)
            for asset in Set(balances.keys).union(found.keys).sorted()
            where found[asset, default: 0] != balances[asset, default: 0] {
                differences.append(
                    Difference(
                        account: account, asset: asset, expected: balances[asset, default: 0],
                        found: found[asset, default: 0]))
            }
        }
        accounts = expected.count
        balances = oracle.positions.count
        self.differences = differences
        ledger = try aggregator.auditedLedger()
        findings = Self.findings(ledger, oracle)
    }

    /// An account that the oracle does not know would show in the totals.
    private static func findings(_ ledger: LedgerStatus, _ oracle: Oracle) -> [String] {
        var findings: [String] = []
        if ledger.isConserved != true {
            findings.append("the aggregator says that money is not conserved")
        }
        if ledger.transactions != oracle.count {
            findings.append(
                "the ledger has \(ledger.transactions) transactions, and \(oracle.count) were sent")
        }
        let totals = oracle.totals()
        for asset in Set(totals.keys).union(ledger.assets.keys).sorted() {
            let expected = totals[asset] ?? Oracle.Turnover()
            let found = ledger.assets[asset] ?? (0, 0)
            if found.input != expected.input || found.output != expected.output {
                findings.append(
                    "\(asset): input \(found.input) and output \(found.output), "
                        + "expected \(expected.input) and \(expected.output)")
            }
        }
        return findings
    }
}
