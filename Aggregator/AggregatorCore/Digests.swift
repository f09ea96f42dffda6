import LedgerCore
import SyncProtocol

/// The two digests that two ledgers of the same events share, whatever the order, batching or
/// crashes on the way.
package enum Digests {
    /// Of the state: every account's sums per asset, in the order of address and asset, and what the
    /// hub's events add up to.
    package static func state(
        _ balances: Balances, _ counts: GlobalLedger.Counts, hub: HubState = HubState(),
        _ hasher: some ContentHasher
    ) -> Hash256 {
        let lines = balances.cells.map { cell in
            (
                account: balances.address(of: cell.account).description,
                asset: balances.asset(cell.asset).description, cell: cell
            )
        }
        let ordered = lines.sorted { ($0.account, $0.asset) < ($1.account, $1.asset) }
        var content: [UInt8] = []
        content.reserveCapacity(ordered.count * 80)
        for line in ordered {
            content.append(contentsOf: line.account.utf8)
            content.append(0)
            content.append(contentsOf: line.asset.utf8)
            content.append(0)
            withUnsafeBytes(of: line.cell.input.littleEndian) { content.append(contentsOf: $0) }
            withUnsafeBytes(of: line.cell.output.littleEndian) { content.append(contentsOf: $0) }
        }
        for count in [counts.transactions, counts.events, counts.setAside] {
            withUnsafeBytes(of: count.littleEndian) { content.append(contentsOf: $0) }
        }
        content += hub.encoded()
        return hasher.sha256(Array("tributary/v1/state".utf8) + [0], content)
    }

    /// Of the facts: where each branch of each agent's stream has come. The chain's hash stands for
    /// everything before it.
    package static func facts(
        _ leaves: [(genesis: Hash256, end: ChainPoint)], _ hasher: some ContentHasher
    ) -> Hash256 {
        var content: [UInt8] = []
        let ordered = leaves.sorted {
            ($0.genesis.description, $0.end.hash.description)
                < ($1.genesis.description, $1.end.hash.description)
        }
        for leaf in ordered {
            leaf.genesis.append(to: &content)
            withUnsafeBytes(of: leaf.end.sequence.littleEndian) { content.append(contentsOf: $0) }
            leaf.end.hash.append(to: &content)
        }
        return hasher.sha256(Array("tributary/v1/facts".utf8) + [0], content)
    }
}
