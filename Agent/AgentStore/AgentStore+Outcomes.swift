import AgentCore
import GRDB
import LedgerCore
import SegmentStore

extension AgentStore {
    /// Receipts that one page of outcomes may look at: small ones are one transaction each.
    private static let receiptsPerPage = 500

    /// The last event whose outcome became known; the place before the first event where none is.
    package func lastOutcome() throws(StoreError) -> EventPlace {
        let tags = tags
        let last = try database.read { try ReceiptTable.last($0, tags) }
        return last ?? EventPlace(stream: writing.tag, sequence: 0)
    }

    /// The last event of a stream that a receipt covers; nil for a stream that is not this folder's.
    package func lastOutcome(of stream: StreamTag) throws(StoreError) -> UInt64? {
        guard let row = row(stream) else { return nil }
        return try database.read { try ReceiptTable.acknowledged(row.id, $0) }
    }

    /// What became of the events behind one, in the order in which the receipts came.
    package func outcomes(after place: EventPlace, eventsMax: Int) throws(StoreError)
        -> OutcomePage
    {
        let tags = tags
        let row = row(place.stream)
        let page = try database.read { database in
            try ReceiptTable.page(
                behind: place, of: row, tags, limit: AgentStore.receiptsPerPage, database)
        }
        return page.cut(after: place, eventsMax: eventsMax)
    }

    private var tags: [StreamID: StreamTag] {
        Dictionary(uniqueKeysWithValues: streams.map { ($0.id, $0.tag) })
    }
}

extension ReceiptTable {
    fileprivate static func last(
        _ database: Database, _ tags: [StreamID: StreamTag]
    ) throws -> EventPlace? {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT stream, through_seq FROM receipts ORDER BY id DESC LIMIT 1"),
            let tag = tags[StreamID(rawValue: row[0])]
        else { return nil }
        return EventPlace(stream: tag, sequence: UInt64(bitPattern: row[1]))
    }

    /// The receipts from the one on that holds the place. Where that one is no longer kept, all that
    /// are: what came between cannot be told from what came before.
    fileprivate static func page(
        behind place: EventPlace, of stream: StreamRow?, _ tags: [StreamID: StreamTag], limit: Int,
        _ database: Database
    ) throws -> OutcomePage {
        var from: Int64 = 0
        var missing: ClosedRange<UInt64>?
        if let stream, place.sequence > 0 {
            if let holding = try id(holding: place.sequence, of: stream.id, database) {
                from = holding
            } else if let next = try first(of: stream.id, behind: place.sequence, database) {
                missing = place.sequence + 1...next - 1
            }
        }
        let runs = try runs(from: from, tags, limit: limit, database)
        return OutcomePage(runs: runs, hasMore: runs.count == limit, missing: missing)
    }

    private static func id(
        holding sequence: UInt64, of stream: StreamID, _ database: Database
    ) throws -> Int64? {
        try Int64.fetchOne(
            database,
            sql: """
                SELECT id FROM receipts WHERE stream = ?1 AND through_seq >= ?2 AND first_seq =
                    (SELECT max(first_seq) FROM receipts WHERE stream = ?1 AND first_seq <= ?2)
                """, arguments: [stream.rawValue, Int64(clamping: sequence)])
    }

    /// The first event behind one that a receipt covers, where that is not the next; nil where it is,
    /// and where there is none.
    private static func first(
        of stream: StreamID, behind sequence: UInt64, _ database: Database
    ) throws -> UInt64? {
        let first = try Int64.fetchOne(
            database, sql: "SELECT min(first_seq) FROM receipts WHERE stream = ? AND first_seq > ?",
            arguments: [stream.rawValue, Int64(clamping: sequence)])
        return first.map { UInt64(bitPattern: $0) }.flatMap { $0 > sequence + 1 ? $0 : nil }
    }

    private static func runs(
        from id: Int64, _ tags: [StreamID: StreamTag], limit: Int, _ database: Database
    ) throws -> [MergedRun] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT stream, first_seq, through_seq, committed_at, acknowledged_at FROM receipts
                WHERE id >= ? ORDER BY id LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [id, limit]).map { row in
            guard let tag = tags[StreamID(rawValue: row[0])] else {
                throw StoreError.corrupt(
                    place: "table receipts", detail: "stream \(row[0] as Int64) is not there")
            }
            return MergedRun(
                stream: tag, first: UInt64(bitPattern: row[1]), through: UInt64(bitPattern: row[2]),
                committedAt: Timestamp(microseconds: row[3]),
                acknowledgedAt: Timestamp(microseconds: row[4]))
        }
    }
}
