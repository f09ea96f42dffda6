import Foundation
import GRDB
import LedgerCore
import SegmentStore
import Signing
import SyncProtocol
import Testing

/// Reading a chain that the disk has spoiled in places.
@Suite struct ReadableTests {
    /// What the disk does to a row.
    enum Rot: CaseIterable {
        /// A bit of the segment: its checksum fails.
        case bit
        /// The segment is another, whole one: its hash is not the row's.
        case exchanged
        case emptied
        case cut
    }

    private func rot(_ how: Rot, _ position: Int64, _ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            try database.execute(sql: "DROP TRIGGER segments_are_immutable")
            let bytes: Data = try #require(
                try Data.fetchOne(
                    database, sql: "SELECT bytes FROM segments WHERE position = ?",
                    arguments: [how == .exchanged ? position + 1 : position]))
            var changed = bytes
            switch how {
            case .bit: changed[changed.count / 2] ^= 4
            case .exchanged: break
            case .emptied: changed = Data()
            case .cut: changed.removeLast(changed.count / 3)
            }
            try database.execute(
                sql: "UPDATE segments SET bytes = ? WHERE position = ?",
                arguments: [changed, position])
        }
        try queue.close()
    }

    @Test(arguments: Rot.allCases, [1, 3, 6])
    func `a segment that cannot be read is named, and those before and behind it are handed out`(
        how: Rot, place: Int
    ) throws {
        let folder = try ScratchFolder()
        let log = try makeLog(folder, seed: 5, segments: 7)
        try rot(how, Int64(place), folder.database)
        let database = try LogDatabase(path: folder.database, migrations: [])
        defer { database.close() }
        let row = try #require(log.row)
        func read(after sequence: UInt64) throws -> ([Hash256], SegmentLog.Unreadable?) {
            let (found, bad) = try database.read {
                try SegmentLog.readable(
                    $0, of: row, after: sequence, limit: ReadLimit(), TestStream.hasher)
            }
            return (found.map(\.hash), bad)
        }
        let spoiled = log.committed[place - 1]
        let (before, bad) = try read(after: 0)
        #expect(before == log.committed.prefix(place - 1).map(\.hash))
        #expect(bad?.sequences == spoiled.segment.header.sequences)
        let end = ChainPoint(sequence: spoiled.segment.header.lastSequence, hash: spoiled.hash)
        #expect(bad?.end == end)
        let (behind, none) = try read(after: end.sequence)
        #expect(behind == log.committed.dropFirst(place).map(\.hash) && none == nil)
        // Where chains end is known by the table alone.
        let inside = spoiled.segment.header.firstSequence
        #expect(
            try database.read { try SegmentLog.end($0, of: row.id, containing: inside) } == end)
    }

    @Test func `a number that the log does not have ends nowhere`() throws {
        let folder = try ScratchFolder()
        let log = try makeLog(folder, seed: 6, segments: 2)
        let database = try LogDatabase(path: folder.database, migrations: [])
        defer { database.close() }
        let row = try #require(log.row)
        let last = log.committed[1].segment.header.lastSequence
        #expect(
            try database.read { try SegmentLog.end($0, of: row.id, containing: last + 1) } == nil)
        #expect(try database.read { try SegmentLog.end($0, of: row.id) }?.sequence == last)
    }
}
