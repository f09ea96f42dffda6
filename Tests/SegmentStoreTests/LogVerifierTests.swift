import Foundation
import GRDB
import LedgerCore
import SegmentStore
import Signing
import SyncProtocol
import Testing

@Suite struct LogVerifierTests {
    /// Changes the closed database the way damage does: behind the back of every rule.
    static func damage(_ folder: ScratchFolder, _ sql: String, _ arguments: StatementArguments = [])
        throws
    {
        let queue = try DatabaseQueue(path: folder.database)
        try queue.write { database in
            try database.execute(
                sql: "DROP TRIGGER segments_are_immutable; DROP TRIGGER segments_keep_the_last")
            try database.execute(sql: sql, arguments: arguments)
        }
        try queue.close()
    }

    @Test func `a sound log is found sound, and adds up`() throws {
        let folder = try ScratchFolder()
        let stream = try makeLog(folder, seed: 1, segments: 30)
        let report = try verify(folder.database)
        #expect(
            report.isSound && report.isConserved && report.comparedBalances, "\(report.findings)")
        #expect(report.segments == 30 && report.events == 90 && report.streams == 1)
        #expect(report.bytes == Int64(stream.committed.reduce(0) { $0 + $1.segment.bytes.count }))
        let totals = stream.balances().totals()
        #expect(report.assets.map(\.asset) == totals.map(\.asset))
        #expect(report.assets.map(\.input) == totals.map(\.input))
        #expect(report.accounts == stream.balances().accounts.count)
    }

    @Test func `a group that cannot apply counts with none of its events, and each is named`()
        throws
    {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 12)
        try stream.commit(to: database)
        try stream.commit(to: database, count: 5, endless: 3)
        try stream.commit(to: database)
        try stream.saveCheckpoint(to: database)
        if let failure = database.close() { throw failure }
        let report = try verify(folder.database)
        #expect(report.isConserved && report.comparedBalances, "\(report.findings)")
        #expect(report.findings.map(\.sequences) == [6...6, 7...7, 8...8], "\(report.findings)")
        #expect(
            report.findings.allSatisfy {
                $0.description.contains("a group that cannot apply because of its event 8")
            }, "\(report.findings)")
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a flipped bit in a segment is found, in its segment`(seed: UInt64) throws {
        let folder = try ScratchFolder()
        let stream = try makeLog(folder, seed: seed, segments: 8)
        var random = SplitMix64(state: seed)
        let victim = stream.committed[Int.random(in: 0..<8, using: &random)]
        var bytes = victim.segment.bytes
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        try LogVerifierTests.damage(
            folder, "UPDATE segments SET bytes = ? WHERE position = ?",
            [Data(bytes), victim.position])
        let report = try verify(folder.database)
        let finding = try #require(
            report.findings.first { $0.bytes != nil }, "seed \(seed): \(report.findings)")
        #expect(finding.position == victim.position && finding.stream == stream.row?.tag)
        #expect(finding.bytes?.contains(place) == true, "byte \(place), seed \(seed): \(finding)")
        #expect(finding.sequences == victim.segment.header.sequences)
        #expect(
            Set(report.findings.compactMap(\.position)) == [victim.position], "\(report.findings)")
    }

    @Test(arguments: 0..<32)
    func `a flipped byte of a hash is found, in its segment`(place: Int) throws {
        let folder = try ScratchFolder()
        let stream = try makeLog(folder, seed: 2, segments: 5)
        let victim = stream.committed[2]
        var hash = victim.hash.bytes
        hash[place] ^= 0x40
        try LogVerifierTests.damage(
            folder, "UPDATE segments SET hash = ? WHERE position = ?",
            [Data(hash), victim.position])
        let report = try verify(folder.database)
        #expect(report.findings.map(\.position) == [victim.position], "\(report.findings)")
    }

    @Test func `a missing segment is found, with the sequence numbers that are missing`() throws {
        let folder = try ScratchFolder()
        let stream = try makeLog(folder, seed: 3, segments: 6)
        for victim in [stream.committed[0], stream.committed[3]] {
            try FileManager.default.removeItem(atPath: folder.database)
            _ = try makeLog(folder, seed: 3, segments: 6)
            try LogVerifierTests.damage(
                folder, "DELETE FROM segments WHERE position = ?", [victim.position])
            let report = try verify(folder.database)
            #expect(
                report.findings.contains { $0.sequences == victim.segment.header.sequences },
                "\(report.findings)")
            #expect(!report.comparedBalances)
        }
    }

    @Test func `a missing last segment is found by what still speaks of it`() throws {
        let folder = try ScratchFolder()
        _ = try makeLog(folder, seed: 3, segments: 6)
        try LogVerifierTests.damage(folder, "DELETE FROM segments WHERE position = 6")
        #expect(
            try verify(folder.database).findings.contains { $0.what.contains("the log ends at 5") })
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a changed balance is found, with the account named, and is no conserved ledger`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        let stream = try makeLog(folder, seed: 4, segments: 10)
        var random = SplitMix64(state: seed)
        let balances = stream.balances()
        let index = Int.random(in: 0..<balances.cells.count, using: &random)
        let queue = try DatabaseQueue(path: folder.database)
        var page = try #require(
            try queue.read {
                try Data.fetchOne($0, sql: "SELECT bytes FROM fold_cells WHERE page = 0")
            })
        try queue.close()
        // Behind the page's version and the cell's two numbers.
        page[1 + index * 40 + 8 + Int.random(in: 0..<32, using: &random)] ^= 1
        try LogVerifierTests.damage(
            folder, "UPDATE fold_cells SET bytes = ? WHERE page = 0", [page])
        let report = try verify(folder.database)
        let account = balances.address(of: balances.cells[index].account).description
        #expect(!report.isConserved && report.findingCount == 1)
        #expect(
            report.findings.first?.what.contains("the balance of \(account) in") == true,
            "\(report.findings)")
    }

    @Test func `a changed, a missing and an added row of definitions are found`() throws {
        let changes = [
            "UPDATE definitions SET bytes = x'010161' WHERE first = 0",
            "UPDATE definitions SET before = zeroblob(16) WHERE first > 0",
            "DELETE FROM definitions WHERE first = 0",
            "INSERT INTO definitions VALUES (1, 9999, zeroblob(16), 9998, zeroblob(16), x'010161')",
        ]
        for change in changes {
            let folder = try ScratchFolder()
            _ = try makeLog(folder, seed: 5, segments: 6)
            try LogVerifierTests.damage(folder, change)
            let report = try verify(folder.database)
            #expect(
                report.findings.contains { $0.what.contains("definitions") },
                "\(change): \(report.findings)")
            #expect(report.findings.allSatisfy { $0.stream != nil })
        }
    }

    @Test func `keys that point elsewhere or say another digest are found`() throws {
        let changes = [
            "UPDATE idempotency_keys SET digest = zeroblob(16) WHERE key = 'order-6'",
            "UPDATE idempotency_keys SET sequence = 7 WHERE key = 'order-6'",
            "UPDATE idempotency_keys SET key = 'order-5' WHERE key = 'order-6'",
            "INSERT INTO idempotency_keys VALUES ('shop', 'order-6000', zeroblob(16), 1, 6000)",
        ]
        for change in changes {
            let folder = try ScratchFolder()
            _ = try makeLog(folder, seed: 6, segments: 6)
            try LogVerifierTests.damage(folder, change)
            let report = try verify(folder.database)
            #expect(
                report.findingCount == 1 && report.findings[0].what.contains("key"),
                "\(change): \(report.findings)")
        }
    }

    @Test func `a damaged page of the file is found, whatever it held`() throws {
        let folder = try ScratchFolder()
        _ = try makeLog(folder, seed: 7, segments: 40)
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.database))
        for page in 1..<whole.count / 4096 {
            var damaged = whole
            for offset in 0..<4096 { damaged[page * 4096 + offset] ^= 0x5A }
            try damaged.write(to: URL(fileURLWithPath: folder.database))
            #expect(try !verify(folder.database).isSound, "page \(page)")
        }
    }

    @Test
    func
        `the commits in the write-ahead log of a dead device are verified too, and its files stay as they are`()
        throws
    {
        let folder = try ScratchFolder()
        let dead = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 8)
        for _ in 0..<12 { try stream.commit(to: database) }
        // As if the power had failed: nothing is closed first.
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: folder.database + suffix, toPath: dead.database + suffix)
        }
        let before = try FileManager.default.contentsOfDirectory(atPath: dead.path).sorted()
        let report = try verify(dead.database)
        #expect(report.isSound && report.segments == 12, "\(report.findings)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: dead.path).sorted() == before)
    }

    @Test func `a log that a daemon is writing is verified as of one moment`() throws {
        let folder = try ScratchFolder()
        let data = try DataFolder(path: "\(folder.path)/data")
        let database = try LogDatabase(path: data.file("log.sqlite"), migrations: [])
        var stream = try TestStream(seed: 9)
        for round in 1...5 as ClosedRange<Int64> {
            for _ in 0..<10 { try stream.commit(to: database) }
            let report = try verify(data.file("log.sqlite"))
            #expect(report.isSound && report.segments == round * 10, "\(report.findings)")
        }
        try stream.commit(to: database)
        #expect(database.close() == nil)
    }
}
