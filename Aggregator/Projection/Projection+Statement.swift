import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore

extension Projection {
    /// An account's entries, the latest in the log first. Each has the balance behind it, in the order
    /// of the log, so that no later arrival changes what was once shown.
    package func entries(
        of account: AccountAddress, _ filter: TransactionFilter, before place: SearchPlace?,
        limit: Int
    ) throws(StoreError) -> SearchPage<StatementEntry> {
        try read { reader in
            let (position, events) = try reader.progress()
            let before = try reader.checked(place, events, bits: ProjectionSchema.entryBits)
            guard let number = try reader.account(account) else {
                return SearchPage(items: [], next: nil, indexedThrough: position)
            }
            var rows = EntryRows(account: number, before: before)
            var items: [(number: Int64, item: StatementEntry)] = []
            var looked = 0
            search: while items.count <= limit, looked < reader.limits.rowsPerPageMax {
                guard let found = try rows.next(reader, limit: limit + 1) else { break }
                looked += max(1, found.count)
                for row in found {
                    guard let item = try reader.entry(row.id, balance: row.balance, filter) else {
                        continue
                    }
                    items.append((row.id, item))
                    if items.count > limit { break search }
                }
            }
            return SearchPage(
                items: items.prefix(limit).map(\.item),
                next: Projection.next(items.map(\.number), limit, end: rows.before),
                indexedThrough: position)
        }
    }
}

/// The rows of an account's entries in descending order.
private struct EntryRows {
    let account: Int64
    private(set) var before: Int64

    private static let partBits = ProjectionSchema.partBits + ProjectionSchema.entryBits

    mutating func next(
        _ reader: ProjectionReader, limit: Int
    ) throws(StoreError) -> [(id: Int64, balance: Int128)]? {
        guard before > 1 else { return nil }
        let part = (before - 1) >> EntryRows.partBits
        var select = try SQLStatement(
            reader.database,
            """
            SELECT id, balance FROM entry WHERE part = ? AND account = ? AND id < ?
            ORDER BY id DESC LIMIT ?
            """)
        try select.bind(part)
        try select.bind(account)
        try select.bind(before)
        try select.bind(limit)
        var found: [(id: Int64, balance: Int128)] = []
        while try select.step() { found.append((select.integer(0), try select.sum(1))) }
        let floor = max(1, part << EntryRows.partBits)
        before = found.count < limit ? floor : found.last?.id ?? floor
        return found
    }
}

extension ProjectionReader {
    /// - Returns: nil where the filter's times do not admit it.
    fileprivate func entry(
        _ id: Int64, balance: Int128, _ filter: TransactionFilter
    ) throws(StoreError) -> StatementEntry? {
        var select = try SQLStatement(
            database,
            """
            SELECT t.segment, t.accepted_at, t.reference, p.source, p.destination, p.asset, p.amount
            FROM posting p JOIN ledger_transaction t ON t.id = p.id >> \(ProjectionSchema.postingBits)
            WHERE p.id = ?
            """)
        try select.bind(id >> 1)
        guard try select.step() else {
            throw ProjectionReader.damaged("posting \(id >> 1) is missing")
        }
        let time = Timestamp(microseconds: select.integer(1))
        guard filter.admits(time) else { return nil }
        let segment = try segment(select.integer(0))
        let isInput = id & 1 == 1
        return StatementEntry(
            id: segment.id(of: id >> ProjectionSchema.entryBits),
            posting: Int(id >> 1 & (1 << ProjectionSchema.postingBits - 1)), acceptedAt: time,
            mergedAt: segment.mergedAt, asset: try asset(select.integer(5)),
            change: isInput ? select.integer(6) : -select.integer(6), balance: balance,
            counterparty: try address(select.integer(isInput ? 3 : 4)),
            reference: select.isNull(2) ? nil : select.text(2))
    }
}
