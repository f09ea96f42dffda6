import AgentCore
import GRDB
import LedgerCore
import SegmentStore

/// What others brought the accounts that this agent uses, as its hub last said.
enum MergedTable {
    static func save(
        _ others: [MergedBalances.Place: MergedBalances.Others], _ database: Database
    ) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO merged_balances
                    (account, asset, others_input, others_output, hub, hub_position, taken_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """)
        // In the order of the table's key, so that neighbours share a page.
        for (place, others) in others.sorted(by: { $0.key.account < $1.key.account }) {
            try statement.execute(arguments: [
                place.account.description, place.asset.description,
                others.input.description, others.output.description,
                Int64(bitPattern: others.asOf.hub.rawValue),
                Int64(bitPattern: others.asOf.position), others.asOf.time.microseconds,
            ])
        }
    }

    static func load(_ database: Database) throws -> [MergedBalances.Place: MergedBalances.Others] {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT account, asset, others_input, others_output, hub, hub_position, taken_at
                FROM merged_balances
                """)
        var all: [MergedBalances.Place: MergedBalances.Others] = [:]
        while let row = try rows.next() {
            let place = MergedBalances.Place(
                account: try AccountAddress(row[0] as String), asset: try Asset(row[1] as String))
            guard let input = Int128(row[2] as String), let output = Int128(row[3] as String),
                let hub = StreamTag(rawValue: UInt64(bitPattern: row[4] as Int64))
            else {
                throw StoreError.corrupt(
                    place: "table merged_balances",
                    detail: "the row of \(place.account) in \(place.asset) makes no sense")
            }
            all[place] = MergedBalances.Others(
                input: input, output: output,
                asOf: MergedBalances.AsOf(
                    hub: hub, position: UInt64(bitPattern: row[5] as Int64),
                    time: Timestamp(microseconds: row[6])))
        }
        return all
    }
}

extension AccountAddress {
    fileprivate static func < (left: AccountAddress, right: AccountAddress) -> Bool {
        left.description < right.description
    }
}
