import AggregatorCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// The tables that keep, for each segment, what the hub's events say of it.
extension SegmentNote {
    /// Keeps what a hub event says.
    static func take(_ fact: HubFact, _ database: Database) throws {
        switch fact {
        case .quarantined(let span, _): try add(span.sequences, span.segment, database)
        case .released(let span):
            let before = try of([span.segment], database)[span.segment] ?? .none
            try database.execute(
                sql: "DELETE FROM quarantined_events WHERE segment_hash = ?",
                arguments: [Data(span.segment.bytes)])
            for range in before.quarantined {
                for rest in range.subtracting(span.sequences) {
                    try add(rest, span.segment, database)
                }
            }
        case .restamped(let span, let offset):
            try database.execute(
                sql:
                    "INSERT OR REPLACE INTO restamped_segments (segment_hash, shift) VALUES (?, ?)",
                arguments: [Data(span.segment.bytes), offset])
        default: break
        }
    }

    private static func add(
        _ sequences: ClosedRange<UInt64>, _ segment: Hash256, _ database: Database
    ) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO quarantined_events (segment_hash, first_seq, last_seq)
                VALUES (?, ?, ?)
                """,
            arguments: [
                Data(segment.bytes), Int64(bitPattern: sequences.lowerBound),
                Int64(bitPattern: sequences.upperBound),
            ])
    }

    /// Of those segments that something is said of.
    static func of(_ segments: [Hash256], _ database: Database) throws -> [Hash256: SegmentNote] {
        let hasAny = try Bool.fetchOne(
            database,
            sql: """
                SELECT EXISTS (SELECT 1 FROM quarantined_events)
                  OR EXISTS (SELECT 1 FROM restamped_segments)
                """)
        guard hasAny == true else { return [:] }
        var notes: [Hash256: SegmentNote] = [:]
        let ranges = try database.cachedStatement(
            sql: """
                SELECT first_seq, last_seq FROM quarantined_events WHERE segment_hash = ?
                ORDER BY first_seq
                """)
        let shifts = try database.cachedStatement(
            sql: "SELECT shift FROM restamped_segments WHERE segment_hash = ?")
        for segment in segments {
            let key = Data(segment.bytes)
            var note = SegmentNote()
            note.quarantined = try Row.fetchAll(ranges, arguments: [key]).map {
                UInt64(bitPattern: $0[0] as Int64)...UInt64(bitPattern: $0[1] as Int64)
            }
            note.shift = try Int64.fetchOne(shifts, arguments: [key]) ?? 0
            if note != .none { notes[segment] = note }
        }
        return notes
    }
}

extension LedgerStore {
    /// What the hub has said of these segments; none of most.
    package func notes(of segments: [Hash256]) throws(StoreError) -> [Hash256: SegmentNote] {
        try database.read { try SegmentNote.of(segments, $0) }
    }
}
