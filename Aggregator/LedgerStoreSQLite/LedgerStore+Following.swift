import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore

/// What those who follow the log need beside its segments.
extension LedgerStore {
    /// When the segments from a position on were published and received, up to the next arrival.
    package struct ArrivalRow: Sendable {
        package let firstPosition: Int64
        /// By the agent's clock.
        package let publishedAt: Timestamp
        package let attempt: UInt32
        package let receivedAt: Timestamp
    }

    /// The greatest position of the log; 0 while it is empty.
    package func lastPosition() throws(StoreError) -> Int64 {
        try database.read { try SegmentLog.lastPosition($0) }
    }

    /// The arrivals that brought the segments of these positions, in their order.
    package func arrivals(of positions: ClosedRange<Int64>) throws(StoreError) -> [ArrivalRow] {
        try database.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT first_position, published_at, attempt, received_at FROM arrivals
                    WHERE first_position <= ?2 AND first_position >= coalesce(
                      (SELECT max(first_position) FROM arrivals WHERE first_position <= ?1), 0)
                    ORDER BY first_position
                    """, arguments: [positions.lowerBound, positions.upperBound]
            ).map {
                ArrivalRow(
                    firstPosition: $0[0], publishedAt: Timestamp(microseconds: $0[1]),
                    attempt: UInt32(clamping: $0[2] as Int64),
                    receivedAt: Timestamp(microseconds: $0[3]))
            }
        }
    }
}
