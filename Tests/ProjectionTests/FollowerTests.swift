import AggregatorCore
import AggregatorRuntime
import Foundation
import GRDB
import LedgerCore
import Projection
import SegmentStore
import SyncProtocol
import TestSupport
import Testing

@Suite struct FollowerTests {
    private func limits(_ random: inout SplitMix64) -> ProjectionLimits {
        var limits = ProjectionLimits()
        limits.eventsPerStep = 1 + random.below(12)
        limits.read = ReadLimit(segments: 1 + random.below(3))
        limits.namesMax = 1 + random.below(8)
        return limits
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `rows made step by step while the log grows are those of a rebuild`(seed: UInt64) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: seed)
        var log = try TestLog("\(folder.path)/log.db", &random)
        let source = FollowedStore(log.store)
        var rows = TestProjection("\(folder.path)/a.db", source, limits(&random))
        for _ in 0..<12 {
            try log.grow(segments: random.below(5), &random)
            for _ in 0..<random.below(4) { _ = try rows.follower.step() }
            if random.oneIn(4) {
                rows.follower.close()
                rows = TestProjection("\(folder.path)/a.db", source, limits(&random))
            }
        }
        try rows.catchUp()
        var rebuilt = TestProjection("\(folder.path)/b.db", source)
        try rebuilt.catchUp()
        let (followed, made) = (try rows.dump(), try rebuilt.dump())
        #expect(followed == made, "seed \(seed)")
        #expect(try log.store.lastPosition() == rows.projection.indexedThrough, "seed \(seed)")
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `a step that fails in its middle leaves no row, and the next ones make them all`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: seed)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 30, &random)
        let source = FollowedStore(log.store)
        let path = "\(folder.path)/a.db"
        for questions in 0..<20 {
            var failing = TestProjection(
                path, FailingSource(source, after: questions % 7), limits(&random))
            while true {
                do {
                    guard try failing.follower.step() == .behind else { break }
                } catch StoreError.unavailable { break }
            }
            let count = try failing.integer("SELECT count(*) FROM ledger_transaction")
            #expect(try failing.integer("SELECT events FROM progress") == count, "seed \(seed)")
            #expect(
                try failing.integer(
                    "SELECT coalesce(sum(events), 0) FROM segment") == count, "seed \(seed)")
            failing.follower.close()
        }
        var rows = TestProjection(path, source)
        try rows.catchUp()
        var rebuilt = TestProjection("\(folder.path)/b.db", source)
        try rebuilt.catchUp()
        let (followed, made) = (try rows.dump(), try rebuilt.dump())
        #expect(followed == made, "seed \(seed)")
    }

    /// What may have become of a file while nobody looked.
    enum Harm: String, CaseIterable {
        case deleted, overwritten, emptied, otherVersion, otherLog, otherProgram, tornPage, ahead
        case other
    }

    @Test(arguments: Harm.allCases)
    func `a file that is not what the log says is made anew`(harm: Harm) throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: 3)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 60, &random)
        let path = "\(folder.path)/projection.db"
        var rows = TestProjection(path, FollowedStore(log.store))
        try rows.catchUp()
        let expected = try rows.dump()
        rows.follower.close()
        switch harm {
        case .deleted: try FileManager.default.removeItem(atPath: path)
        case .overwritten: try Data("no database".utf8).write(to: URL(filePath: path))
        case .emptied: try Data().write(to: URL(filePath: path))
        case .otherVersion: try execute("PRAGMA user_version = 99", path)
        case .otherLog: try execute("UPDATE progress SET log = 'other hub'", path)
        case .otherProgram: try execute("PRAGMA application_id = 7", path)
        case .ahead: try execute("UPDATE progress SET position = position + 5", path)
        case .other: try execute("UPDATE progress SET hash = zeroblob(32)", path)
        case .tornPage:
            var data = try Data(contentsOf: URL(filePath: path))
            // Every page but the first: the header still says that all is well.
            data.replaceSubrange(4096..<data.count, with: Data(count: data.count - 4096))
            try data.write(to: URL(filePath: path))
        }
        rows = TestProjection(path, FollowedStore(log.store))
        try log.grow(segments: 1, &random)
        try rows.catchUp()
        var rebuilt = TestProjection("\(folder.path)/b.db", FollowedStore(log.store))
        try rebuilt.catchUp()
        let (followed, made) = (try rows.dump(), try rebuilt.dump())
        #expect(followed == made)
        #expect(followed != expected)
    }

    @Test func `a file that is deleted while it is served comes back whole`() throws {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: 5)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 20, &random)
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store))
        try rows.catchUp()
        let before = try rows.projection.transactions(
            TransactionFilter(), before: nil, limit: 1_000)
        try FileManager.default.removeItem(atPath: rows.projection.path)
        // Over the connection that is open, the rows that are gone from the folder are still read.
        let meanwhile = try rows.projection.transactions(
            TransactionFilter(), before: nil, limit: 1_000)
        #expect(before.items.map(\.id) == meanwhile.items.map(\.id))
        try rows.catchUp()
        #expect(FileManager.default.fileExists(atPath: rows.projection.path))
        #expect(
            try rows.projection.transactions(TransactionFilter(), before: nil, limit: 1_000).items
                .map(\.id) == log.transactions.reversed().map(\.id))
    }

    @Test func `a cursor from before a rebuild is asked for again until the rows are back`() throws
    {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: 6)
        var log = try TestLog("\(folder.path)/log.db", &random)
        try log.grow(segments: 40, &random)
        var limits = ProjectionLimits()
        limits.eventsPerStep = 5
        limits.read = ReadLimit(segments: 1)
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store), limits)
        try rows.catchUp()
        let first = try rows.projection.transactions(TransactionFilter(), before: nil, limit: 9)
        try rows.follower.rebuild("a test wants it")
        #expect(throws: StoreError.self) {
            try rows.projection.transactions(TransactionFilter(), before: first.next, limit: 9)
        }
        _ = try rows.follower.step()
        #expect(throws: StoreError.self) {
            try rows.projection.transactions(TransactionFilter(), before: first.next, limit: 9)
        }
        try rows.catchUp()
        let second = try rows.projection.transactions(
            TransactionFilter(), before: first.next, limit: 9)
        #expect(
            (first.items + second.items).map(\.id)
                == log.transactions.reversed().prefix(18).map(\.id))
    }

    @Test func `what the merge set aside moves nothing, and keeps its number and its place`() throws
    {
        let folder = try ScratchFolder()
        var random = SplitMix64(seed: 8)
        var log = try TestLog("\(folder.path)/log.db", streams: 1, &random)
        let sale = try Transaction(
            postings: [
                Posting(
                    source: .world, destination: try AccountAddress("shop"),
                    asset: try Asset("EUR/2"), amount: try Amount(5))
            ])
        try log.commit(
            [sale, sale, sale],
            damage: { bytes in
                guard let segment = try? Segment(decoding: bytes) else { return }
                var parts = SegmentBytes(segment)
                // The second event's first byte is its tag: a kind that nobody knows.
                let second = parts.eventRanges()[1]
                parts.events[second.lowerBound] = 0x3F
                bytes = parts.assembled()
            }, &random)
        try log.commit([sale], &random)
        var rows = TestProjection("\(folder.path)/projection.db", FollowedStore(log.store))
        try rows.catchUp()
        let page = try rows.projection.transactions(TransactionFilter(), before: nil, limit: 10)
        #expect(page.items.map(\.id.sequence) == [4, 3, 1])
        let statement = try rows.projection.entries(
            of: try AccountAddress("shop"), TransactionFilter(), before: nil, limit: 10)
        #expect(statement.items.map(\.balance) == [15, 10, 5])
        #expect(try rows.integer("SELECT count(*) FROM set_aside") == 1)
    }

    private func execute(_ sql: String, _ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }
}
