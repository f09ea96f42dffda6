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
        let stored = try database.read {
            try SegmentLog.segment($0, of: logged.stream.id, containing: id.sequence)
        }
        return try stored.map { (stored) throws(StoreError) in
            try merged(event, stored, logged.stream)
        }
    }

    private func merged(
        _ event: Event, _ stored: StoredSegment, _ stream: StreamRow
    ) throws(StoreError) -> MergedTransaction {
        let arrival = try database.read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT published_at, attempt, received_at FROM arrivals
                    WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1
                    """, arguments: [stored.position]
            ).map {
                (publishedAt: $0[0] as Int64, attempt: $0[1] as Int64, receivedAt: $0[2] as Int64)
            }
        }
        return MergedTransaction(
            id: EventID(agent: stream.genesis.agent, stream: stream.tag, sequence: event.sequence),
            event: event,
            position: stored.position, segmentFirst: stored.segment.header.firstSequence,
            segmentCount: stored.segment.header.count,
            publishedAt: arrival.map { Timestamp(microseconds: $0.publishedAt) },
            attempt: UInt32(arrival?.attempt ?? 1),
            receivedAt: arrival.map { Timestamp(microseconds: $0.receivedAt) },
            committedAt: stored.recordedAt)
    }
}
