import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// A place in the log between two events, as the cursor of a listing names it.
package struct LogPlace: Hashable, Sendable {
    package let position: Int64
    package let sequence: UInt64

    /// Behind everything.
    package static let end = LogPlace(position: .max, sequence: .max)

    private init(position: Int64, sequence: UInt64) {
        self.position = position
        self.sequence = sequence
    }

    /// - Returns: nil for what is no cursor.
    package init?(_ cursor: String) {
        let parts = cursor.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let position = Int64(parts[0]), let sequence = UInt64(parts[1]),
            position > 0
        else {
            return nil
        }
        self.init(position: position, sequence: sequence)
    }

    fileprivate init(_ stored: StoredSegment, before sequence: UInt64) {
        self.init(position: stored.position, sequence: sequence)
    }

    /// The first position behind all events before this place.
    fileprivate var positionBehind: Int64 {
        sequence > 0 && position < .max ? position + 1 : position
    }

    package var cursor: String { "\(position)-\(sequence)" }
}

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

    /// How many segments a listing reads at a time.
    private static let listingReadLimit = ReadLimit(segments: 16)

    /// Events before a place of the log, the latest first.
    ///
    /// - Parameter segmentsMax: how many segments to look through before answering with what was
    ///   found.
    package func transactions(
        before place: LogPlace, limit: Int, segmentsMax: Int, _ filter: MergedFilter
    ) throws(StoreError) -> MergedPage<MergedTransaction> {
        var found: [(event: Event, segment: DecodedSegment)] = []
        var next: LogPlace?
        var segments = 0
        try reader.segments(before: place.positionBehind, limit: LedgerStore.listingReadLimit) {
            decoded in
            let agent = decoded.stream.genesis.agent
            let before = decoded.stored.position == place.position ? place.sequence : .max
            for case .event(let event) in decoded.events.reversed() where event.sequence < before {
                guard filter.admits(agent, event.transaction) else { continue }
                found.append((event, decoded))
                next = LogPlace(decoded.stored, before: event.sequence)
                if found.count == limit { return .stop }
            }
            segments += 1
            next = segments == segmentsMax ? LogPlace(decoded.stored, before: 0) : nil
            return segments == segmentsMax ? .stop : .next
        }
        var items: [MergedTransaction] = []
        for (event, decoded) in found {
            items.append(try merged(event, decoded.stored, decoded.stream))
        }
        return MergedPage(items: items, next: next?.cursor)
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
