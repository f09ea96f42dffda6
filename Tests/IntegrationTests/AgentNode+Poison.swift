import FleetHarness
import Foundation
import GRDB
import LedgerCore
import Signing
import SyncProtocol
import TestSupport
import Testing

extension AgentNode {
    /// Changes the last segment of the log of an agent that does not run, and makes lengths, checksum,
    /// dictionary and hash right again.
    func poisonLastSegment(_ change: (inout SegmentBytes) -> Void) throws {
        let queue = try DatabaseQueue(path: "\(daemon.data)/agent.db")
        try queue.write { database in
            let row = try #require(
                try Row.fetchOne(
                    database,
                    sql: "SELECT position, bytes FROM segments ORDER BY position DESC LIMIT 1"))
            let bytes: Data = row[1]
            let before = try Segment(decoding: Array(bytes))
            var parts = SegmentBytes(before)
            change(&parts)
            let hasher = SHA256Hasher()
            let dictionary = DictionaryState.empty.advanced(
                by: Int(before.header.definitionCount), encoded: parts.definitions, hasher)
            let old = before.header.dictionary.rolling
            let place = try #require(Data(parts.header).range(of: Data(old))?.lowerBound)
            parts.header.replaceSubrange(place..<place + old.count, with: dictionary.rolling)
            let after = try Segment(decoding: parts.assembled())
            let immutable = "segments_are_immutable"
            let trigger = try #require(
                try String.fetchOne(
                    database, sql: "SELECT sql FROM sqlite_master WHERE name = ?",
                    arguments: [immutable]))
            try database.execute(sql: "DROP TRIGGER \(immutable)")
            try database.execute(
                sql: "UPDATE segments SET bytes = ?, hash = ? WHERE position = ?",
                arguments: [
                    Data(after.bytes), Data(after.hash(hasher).bytes), row[0] as Int64,
                ])
            try database.execute(sql: trigger)
        }
        try queue.close()
    }
}

extension SegmentBytes {
    /// Spells an event's time too long, so that its bytes make no event.
    ///
    /// - Parameter index: of the event in the segment, from 0 on.
    mutating func spoil(event index: Int) {
        let range = eventRanges()[index]
        events[range.lowerBound + 1] = 0x80
        events[range.lowerBound + 2] = 0x00
    }
}
