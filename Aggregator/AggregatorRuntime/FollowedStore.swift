import LedgerStoreSQLite
import Projection
import SegmentStore

/// The store's log, as the projection follows it.
package struct FollowedStore: LogSource {
    private let store: LedgerStore

    package init(_ store: LedgerStore) {
        self.store = store
    }

    package var identity: String { "\(store.ledger) \(store.root.tag)" }

    package func lastPosition() throws(StoreError) -> Int64 { try store.lastPosition() }

    package func segments(
        after position: Int64, limit: ReadLimit
    ) throws(StoreError) -> [FollowedSegment] {
        let batch = try store.reader.batch(after: position, limit: limit)
        guard let first = batch.first, let last = batch.last else { return [] }
        let notes = try store.notes(of: batch.map(\.stored.hash))
        let arrivals = try store.arrivals(of: first.stored.position...last.stored.position)
        var index = 0
        return batch.map { decoded in
            while index + 1 < arrivals.count,
                arrivals[index + 1].firstPosition <= decoded.stored.position
            {
                index += 1
            }
            let isThere =
                index < arrivals.count
                && arrivals[index].firstPosition <= decoded.stored.position
            return FollowedSegment(
                decoded: decoded, arrival: isThere ? FollowedSegment.Arrival(arrivals[index]) : nil,
                note: notes[decoded.stored.hash] ?? .none)
        }
    }
}

extension FollowedSegment.Arrival {
    fileprivate init(_ row: LedgerStore.ArrivalRow) {
        self.init(
            publishedAt: row.publishedAt, attempt: row.attempt, receivedAt: row.receivedAt)
    }
}
