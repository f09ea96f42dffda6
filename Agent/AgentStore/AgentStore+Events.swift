import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentStore {
    /// - Returns: nil for a place that this log does not have.
    package func segment(containing place: EventPlace) throws(StoreError) -> StoredSegment? {
        guard let row = row(place.stream) else { return nil }
        return try database.read {
            try SegmentLog.segment($0, of: row.id, containing: place.sequence)
        }
    }

    /// When the segment of an event was recorded; nil for a place that this log does not have.
    package func recordedAt(_ place: EventPlace) throws(StoreError) -> Timestamp? {
        guard let row = row(place.stream) else { return nil }
        let time = try database.read { database in
            try Int64.fetchOne(
                database,
                sql: """
                    SELECT recorded_at FROM segments
                    WHERE stream = ?1 AND first_seq <= ?2 AND first_seq + count > ?2
                    ORDER BY first_seq DESC LIMIT 1
                    """, arguments: [row.id.rawValue, Int64(clamping: place.sequence)])
        }
        return time.map(Timestamp.init(microseconds:))
    }

    /// An event with the segment that it stands in.
    package struct FoundEvent: Sendable {
        package let event: Event
        package let stored: StoredSegment
    }

    /// - Returns: nil for a place that this log does not have.
    package func event(_ place: EventPlace) throws(StoreError) -> FoundEvent? {
        guard let stored = try segment(containing: place),
            let logged = try reader.event(stream: stored.streamID, sequence: place.sequence),
            case .event(let event) = logged.event
        else { return nil }
        return FoundEvent(event: event, stored: stored)
    }

    /// The events at those places, as far as this log has them. A segment is read once, however many
    /// of them stand in it.
    package func events(at places: [EventPlace]) throws(StoreError) -> [EventPlace: Event] {
        var found: [EventPlace: Event] = [:]
        let wanted = Set(places)
        var through: UInt64 = 0
        var stream: StreamTag?
        let inOrder = wanted.sorted { ($0.stream, $0.sequence) < ($1.stream, $1.sequence) }
        for place in inOrder where place.stream != stream || place.sequence > through {
            guard let stored = try segment(containing: place) else { continue }
            stream = place.stream
            through = stored.segment.header.lastSequence
            try reader.segments(before: stored.position + 1, limit: ReadLimit(segments: 1)) {
                for case .event(let event) in $0.events {
                    let read = EventPlace(stream: place.stream, sequence: event.sequence)
                    if wanted.contains(read) { found[read] = event }
                }
                return .stop
            }
        }
        return found
    }

    /// The events of the group that begins there, or the one event where it begins none; empty where
    /// this log does not have them.
    package func group(from first: EventPlace) throws(StoreError) -> [Event] {
        var group: [Event] = []
        guard let stored = try segment(containing: first) else { return [] }
        try reader.segments(before: stored.position + 1, limit: ReadLimit(segments: 1)) { decoded in
            for case .event(let event) in decoded.events where event.sequence >= first.sequence {
                group.append(event)
                if !event.continuesGroup { break }
            }
            return .stop
        }
        return group
    }

    /// How many segments a listing reads at a time.
    private static let listingReadLimit = ReadLimit(segments: 16)

    /// An event of a listing, with its place.
    package struct ListedEvent: Sendable {
        package let place: EventPlace
        package let event: Event
    }

    /// Events before a place, the newest first, as far back as they are kept, of whichever stream.
    ///
    /// - Parameters:
    ///   - before: nil for the end of the log.
    ///   - segmentsMax: how many segments to look through before answering with what was found.
    /// - Returns: the events, and where the next part begins; nil at the end, and where nothing is
    ///   kept before the place.
    package func events(
        before: EventPlace?, limit: Int, segmentsMax: Int, where admits: (Event) -> Bool
    ) throws(StoreError) -> (events: [ListedEvent], next: EventPlace?) {
        var end = Int64.max
        if let before {
            guard let position = try position(behind: before) else { return ([], nil) }
            end = position
        }
        var found: [ListedEvent] = []
        var next: EventPlace?
        var segments = 0
        var isCut = false
        try reader.segments(before: end, limit: AgentStore.listingReadLimit) { decoded in
            let stream = decoded.stream.tag
            for case .event(let event) in decoded.events.reversed() {
                let place = EventPlace(stream: stream, sequence: event.sequence)
                if let before, before.stream == stream, event.sequence >= before.sequence {
                    continue
                }
                guard admits(event) else { continue }
                found.append(ListedEvent(place: place, event: event))
                next = place
                if found.count == limit {
                    isCut = true
                    return .stop
                }
            }
            next = EventPlace(
                stream: stream, sequence: decoded.stored.segment.header.firstSequence)
            segments += 1
            isCut = segments == segmentsMax
            return isCut ? .stop : .next
        }
        guard isCut, let next, try position(behind: next) != nil else { return (found, nil) }
        return (found, next)
    }

    /// The first position of the log behind all events before a place; nil where none is kept before
    /// it.
    private func position(behind place: EventPlace) throws(StoreError) -> Int64? {
        guard let row = row(place.stream) else { return nil }
        return try database.read { database in
            if place.sequence > 1,
                let stored = try SegmentLog.segment(
                    database, of: row.id, containing: place.sequence - 1)
            {
                return stored.position + 1
            }
            // The place begins what is kept of its stream: before it is what came before that.
            let first = try SegmentLog.segments(
                database, of: row.id, from: place.sequence, limit: ReadLimit(segments: 1)
            ).first
            guard let first else { return nil }
            let before = try SegmentLog.segments(
                database, before: first.position, limit: ReadLimit(segments: 1))
            return before.isEmpty ? nil : first.position
        }
    }
}
