import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension Projection {
    /// The transactions that a filter admits, the latest in the log first.
    ///
    /// - Throws: `StoreError.unavailable` while there is nothing to read.
    package func transactions(
        _ filter: TransactionFilter, before place: SearchPlace?, limit: Int
    ) throws(StoreError) -> SearchPage<MergedTransaction> {
        try read { reader in
            let (position, events) = try reader.progress()
            let before = try reader.checked(place, events, bits: 0)
            var candidates = try Candidates(filter, before: before, reader)
            var items: [(number: Int64, item: MergedTransaction)] = []
            var looked = 0
            // One more than asked for tells whether there is a next page.
            search: while items.count <= limit, looked < reader.limits.rowsPerPageMax {
                guard let numbers = try candidates.next(limit: limit + 1) else { break }
                looked += max(1, numbers.count)
                for number in numbers {
                    guard let item = try reader.transaction(number, filter) else { continue }
                    items.append((number, item))
                    if items.count > limit { break search }
                }
            }
            return SearchPage(
                items: items.prefix(limit).map(\.item),
                next: Projection.next(items.map(\.number), limit, end: candidates.before),
                indexedThrough: position)
        }
    }

    /// - Parameter end: what is left to look through is before it.
    static func next(_ numbers: [Int64], _ limit: Int, end: Int64) -> SearchPlace? {
        if numbers.count > limit { return SearchPlace(before: numbers[limit - 1]) }
        return end > 1 ? SearchPlace(before: end) : nil
    }
}

extension ProjectionReader {
    /// A transaction's row with what belongs to it.
    ///
    /// - Returns: nil where the filter does not admit it. The account is not looked at: its index has
    ///   named the row.
    fileprivate func transaction(
        _ number: Int64, _ filter: TransactionFilter
    ) throws(StoreError) -> MergedTransaction? {
        var select = try SQLStatement(
            database,
            """
            SELECT segment, accepted_at, tick, kind, status, reference, metadata_pairs, occurred_at,
              related FROM ledger_transaction WHERE id = ?
            """)
        try select.bind(number)
        guard try select.step() else {
            throw ProjectionReader.damaged("transaction \(number) is missing")
        }
        let status: MergedStatus =
            select.integer(4) == ProjectionSchema.merged ? .merged : .setAside
        if let wanted = filter.status, wanted != status { return nil }
        guard filter.admits(Timestamp(microseconds: select.integer(1))) else { return nil }
        let segment = try segment(select.integer(0))
        if let agent = filter.agent, agent != segment.agent { return nil }
        let transaction = try transaction(
            number, select, metadata: select.integer(6) > 0 ? try metadata(of: number) : [])
        if let kind = filter.kind, kind != transaction.kind { return nil }
        if filter.reference != nil, let account = filter.account {
            let isTouched = transaction.postings.contains {
                $0.source == account || $0.destination == account
            }
            guard isTouched, status == .merged else { return nil }
        }
        let time = HybridTimestamp(
            rawValue: UInt64(bitPattern: select.integer(1)) << HybridTimestamp.counterBits
                | UInt64(bitPattern: select.integer(2)))
        let id = segment.id(of: number)
        return MergedTransaction(
            id: id, event: Event(sequence: id.sequence, time: time, transaction: transaction),
            status: status, position: segment.position, segmentFirst: segment.firstSequence,
            segmentCount: segment.events, publishedAt: segment.publishedAt,
            attempt: segment.attempt, receivedAt: segment.receivedAt,
            committedAt: segment.mergedAt)
    }

    private func transaction(
        _ number: Int64, _ row: borrowing SQLStatement, metadata: [MetadataPair]
    ) throws(StoreError) -> Transaction {
        guard let kind = TransactionKind(rawValue: UInt8(truncatingIfNeeded: row.integer(3))) else {
            throw ProjectionReader.damaged("transaction \(number) is of kind \(row.integer(3))")
        }
        let related =
            row.isNull(8)
            ? nil
            : try ProjectionReader.valid { () throws(InvalidValue) in try EventID(row.text(8)) }
        let postings = try postings(of: number)
        do throws(InvalidField) {
            return try Transaction(
                kind: kind, postings: postings, reference: row.isNull(5) ? nil : row.text(5),
                metadata: metadata, occurredAt: row.time(7), related: related)
        } catch {
            throw ProjectionReader.damaged("transaction \(number): \(error.description)")
        }
    }

    private func postings(of number: Int64) throws(StoreError) -> [Posting] {
        var select = try SQLStatement(
            database,
            "SELECT source, destination, asset, amount FROM posting WHERE id >= ? AND id < ?")
        try select.bind(number << ProjectionSchema.postingBits)
        try select.bind((number + 1) << ProjectionSchema.postingBits)
        var postings: [Posting] = []
        while try select.step() {
            let units = select.integer(3)
            postings.append(
                Posting(
                    source: try address(select.integer(0)),
                    destination: try address(select.integer(1)),
                    asset: try asset(select.integer(2)),
                    amount: try ProjectionReader.valid { () throws(InvalidValue) in
                        try Amount(units)
                    }))
        }
        return postings
    }

    private func metadata(of number: Int64) throws(StoreError) -> [MetadataPair] {
        var select = try SQLStatement(
            database, "SELECT name, value FROM metadata WHERE ledger_transaction = ?")
        try select.bind(number)
        var pairs: [MetadataPair] = []
        while try select.step() {
            pairs.append(MetadataPair(name: select.text(0), value: select.text(1)))
        }
        return pairs
    }
}
