import AgentCore
import GRDB
import LedgerCore
import SegmentStore

extension AgentStore {
    /// Receipts that one page of outcomes may look at: small ones are one transaction each.
    private static let receiptsPerPage = 500

    /// The last event that a receipt covers; 0 for none.
    package func lastOutcome() throws(StoreError) -> UInt64 {
        try database.read { try ReceiptTable.acknowledged($0) }
    }

    /// What became of the events behind one.
    package func outcomes(
        after sequence: UInt64, eventsMax: Int
    ) throws(StoreError) -> (runs: [MergedRun], hasMore: Bool) {
        let runs = try database.read {
            try ReceiptTable.runs(after: sequence, limit: AgentStore.receiptsPerPage, $0)
        }
        let (page, hasMore) = MergedRun.page(runs, after: sequence, eventsMax: eventsMax)
        return (page, hasMore || runs.count == AgentStore.receiptsPerPage)
    }
}

extension ReceiptTable {
    fileprivate static func runs(
        after sequence: UInt64, limit: Int, _ database: Database
    ) throws -> [MergedRun] {
        let next = Int64(clamping: sequence) &+ (sequence < UInt64(Int64.max) ? 1 : 0)
        let statement = try database.cachedStatement(
            sql: """
                SELECT first_seq, through_seq, committed_at, acknowledged_at FROM receipts
                WHERE first_seq >= coalesce((SELECT max(first_seq) FROM receipts WHERE first_seq <= ?), 0)
                ORDER BY first_seq LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [next, limit]).map { row in
            MergedRun(
                first: UInt64(bitPattern: row[0]), through: UInt64(bitPattern: row[1]),
                committedAt: Timestamp(microseconds: row[2]),
                acknowledgedAt: Timestamp(microseconds: row[3]))
        }
    }
}
