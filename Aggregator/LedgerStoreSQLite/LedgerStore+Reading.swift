import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension LedgerStore {
    /// The segments behind a position, some at a time.
    package func segments(after position: Int64) throws(StoreError) -> [StoredSegment] {
        try database.read { try SegmentLog.segments($0, after: position) }
    }

    /// - Returns: nil where this ledger has no such event.
    package func transaction(_ id: EventID) throws(StoreError) -> MergedTransaction? {
        guard let logged = try reader.event(id), case .event(let event) = logged.event else {
            return nil
        }
        return try merged(event, logged)
    }

    private func merged(
        _ event: Event, _ logged: LoggedEvent
    ) throws(StoreError) -> MergedTransaction {
        let arrival = try database.read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT published_at, attempt, received_at FROM arrivals
                    WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1
                    """, arguments: [logged.position]
            ).map {
                (publishedAt: $0[0] as Int64, attempt: $0[1] as Int64, receivedAt: $0[2] as Int64)
            }
        }
        let note = try notes(of: [logged.segmentHash])[logged.segmentHash] ?? .none
        return MergedTransaction(
            id: logged.id, event: note.shown(event),
            status: note.isQuarantined(event.sequence) ? .setAside : .merged,
            position: logged.position,
            segmentFirst: logged.segment.firstSequence, segmentCount: logged.segment.count,
            publishedAt: arrival.map { Timestamp(microseconds: $0.publishedAt) },
            attempt: UInt32(arrival?.attempt ?? 1),
            receivedAt: arrival.map { Timestamp(microseconds: $0.receivedAt) },
            committedAt: logged.recordedAt)
    }
}
