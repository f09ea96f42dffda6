import Foundation
import GRDB
import LedgerCore
import SegmentStore
import Signing
import SyncProtocol
import Testing

@Suite struct LogDatabaseTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `what was committed is what is read, in every way of asking, also after a restart`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        var stream = try TestStream(seed: seed)
        var random = SplitMix64(state: seed)
        var database = try LogDatabase(path: folder.database, migrations: [])
        for round in 0..<30 {
            try stream.commit(to: database, count: Int.random(in: 1...6, using: &random))
            if round % 10 == 9 {
                #expect(database.close() == nil)
                database = try LogDatabase(path: folder.database, migrations: [])
            }
        }
        let id = try #require(stream.row?.id)
        for (position, hash, segment) in stream.committed {
            let sequence = UInt64.random(in: segment.header.sequences, using: &random)
            let found = try database.read {
                try SegmentLog.segment($0, of: id, containing: sequence)
            }
            #expect(
                found?.segment == segment && found?.hash == hash && found?.position == position,
                "seed \(seed)")
            let behind = try database.read { try SegmentLog.segments($0, of: id, from: sequence) }
            #expect(
                behind.map(\.hash)
                    == stream.committed.filter { $0.position >= position }.map(\.hash))
            let after = try database.read { try SegmentLog.segments($0, after: position) }
            #expect(
                after.map(\.hash) == stream.committed.filter { $0.position > position }.map(\.hash))
        }
        #expect(
            try database.read { try SegmentLog.head($0, of: id) }?.hash
                == stream.committed.last?.hash)
        #expect(
            try database.read { try SegmentLog.lastPosition($0) } == stream.committed.last?.position
        )
        #expect(try database.read { try SegmentLog.streams($0) } == [stream.row])
        let missing = stream.builder.nextSequence
        #expect(
            try database.read { try SegmentLog.segment($0, of: id, containing: missing) } == nil)
        #expect(database.close() == nil)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `events are read in full, one by one and in walks both ways`(seed: UInt64) throws {
        let folder = try ScratchFolder()
        var stream = try TestStream(seed: seed)
        let database = try LogDatabase(path: folder.database, migrations: [])
        for _ in 0..<20 { try stream.commit(to: database) }
        let id = try #require(stream.row?.id)
        for event in stream.events.shuffled(using: &stream.random) {
            #expect(
                try LogReader(database, hasher: TestStream.hasher).event(
                    stream: id, sequence: event.sequence)?.event
                    == .event(event))
        }
        let reader = LogReader(database, hasher: TestStream.hasher)
        let limit = ReadLimit(segments: 3)
        var forwards: [ReadEvent] = []
        try reader.events(after: 0, limit: limit) {
            forwards.append($0.event)
            return .next
        }
        #expect(forwards == stream.events.map { .event($0) }, "seed \(seed)")
        var backwards: [ReadEvent] = []
        try LogReader(database, hasher: TestStream.hasher).events(before: .max, limit: limit) {
            backwards.append($0.event)
            return .next
        }
        #expect(backwards == forwards.reversed(), "seed \(seed)")
        var some: [UInt64] = []
        try reader.events(after: stream.committed[4].position) {
            some.append($0.event.sequence)
            return some.count < 5 ? .next : .stop
        }
        #expect(some == Array(16...20))
        let last = try #require(stream.events.last)
        let eventID = EventID(
            agent: stream.genesis.agent, stream: try #require(stream.row?.tag),
            sequence: last.sequence)
        #expect(try reader.event(eventID)?.id == eventID)
    }

    @Test func `a fork is stored, and each branch is read with its own dictionary`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var trunk = try TestStream(seed: 1)
        try trunk.commit(to: database)
        var branch = trunk
        branch.random = SplitMix64(state: 99)
        for _ in 0..<4 {
            try trunk.commit(to: database)
            try branch.commit(to: database, count: 2)
        }
        #expect(database.close() == nil)
        let report = try verify(folder.database)
        #expect(report.isSound, "\(report.findings)")
        let again = try LogDatabase(path: folder.database, migrations: [])
        let reader = LogReader(again, hasher: TestStream.hasher)
        var found: [UInt64: Set<ReadEvent>] = [:]
        try reader.events(before: .max) {
            found[$0.event.sequence, default: []].insert($0.event)
            return .next
        }
        for event in trunk.events + branch.events {
            #expect(found[event.sequence]?.contains(.event(event)) == true)
        }
    }

    @Test func `keys are found, and the first event of a key keeps it`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 5)
        try stream.commit(to: database, count: 9)
        let id = try #require(stream.row?.id)
        for event in stream.events {
            guard let keyed = event.keyed else { continue }
            let entry = KeyTable.Entry(digest: keyed.digest, stream: id, sequence: event.sequence)
            #expect(try database.read { try KeyTable.find($0, keyed.key) } == entry)
            let other = KeyTable.Entry(
                digest: RequestDigest(high: 1, low: 2), stream: id, sequence: 1)
            #expect(
                try database.commit { try KeyTable.insert($0, keyed.key, other) }.value == false)
            #expect(try database.read { try KeyTable.find($0, keyed.key) } == entry)
        }
        let unknown = try IdempotencyKey(scope: "shop", key: "never")
        #expect(try database.read { try KeyTable.find($0, unknown) } == nil)
    }

    @Test func `keys are told apart by their bytes, whatever these are`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 5)
        try stream.commit(to: database)
        let id = try #require(stream.row?.id)
        let texts = ["a", "a\0", "a\0b", "\0", "\u{E9}", "e\u{301}", "'", "\u{1F9FE}"]
        for (number, text) in texts.enumerated() {
            let entry = KeyTable.Entry(
                digest: RequestDigest(high: 0, low: UInt64(number)), stream: id,
                sequence: UInt64(number))
            let key = try IdempotencyKey(scope: "s\0s", key: text)
            #expect(
                try database.commit { try KeyTable.insert($0, key, entry) }.value,
                "\(text.debugDescription)")
        }
        for (number, text) in texts.enumerated() {
            let key = try IdempotencyKey(scope: "s\0s", key: text)
            #expect(try database.read { try KeyTable.find($0, key) }?.digest.low == UInt64(number))
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `a checkpoint of the balances comes back as it was, also one written page by page`(
        seed: UInt64
    ) throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var random = SplitMix64(state: seed)
        var balances = Balances()
        #expect(try database.read { try FoldCheckpoint.load($0)?.position } == nil)
        for round in 1...10 {
            for _ in 0..<100 {
                balances.apply(
                    source: balances.intern(
                        try AccountAddress("a:\(Int.random(in: 0..<300, using: &random))")),
                    destination: balances.intern(
                        try AccountAddress("b:\(Int.random(in: 0..<300, using: &random))")),
                    asset: balances.intern(try Asset("EUR/2")),
                    units: Int64.random(in: 1...Int64.max, using: &random))
            }
            let pages = balances.takeChangedPages()
            let saved = balances
            _ = try database.commit {
                try FoldCheckpoint.save(
                    $0, saved, changedPages: pages, position: Int64(round),
                    transactions: Int64(round) * 100)
            }
            let loaded = try #require(try database.read { try FoldCheckpoint.load($0) })
            #expect(loaded.position == Int64(round) && loaded.transactions == Int64(round) * 100)
            #expect(
                loaded.balances.accounts == balances.accounts
                    && loaded.balances.assets == balances.assets)
            #expect(loaded.balances.cells == balances.cells, "seed \(seed)")
        }
    }

    @Test func `what throws inside a commit leaves nothing behind, and says why`() throws {
        struct Refusal: Error {}
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        let stream = try TestStream(seed: 1)
        #expect {
            try database.commit { database in
                _ = try SegmentLog.addStream(database, stream.genesis, hash: stream.hash)
                throw Refusal()
            }
        } throws: { error in
            guard case StoreError.refused(let reason) = error else { return false }
            return reason is Refusal
        }
        #expect(try database.read { try SegmentLog.streams($0) }.isEmpty)
    }

    @Test
    func `the writer stands at full synchronisation in WAL mode, without SQLite's own checkpoints`()
        throws
    {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        let (values, _) = try database.commit { database in
            try ["synchronous", "journal_mode", "wal_autocheckpoint"].map {
                try String.fetchOne(database, sql: "PRAGMA \($0)")
            }
        }
        #expect(values == ["2", "wal", "0"])
    }

    @Test
    func `the write-ahead log is copied into the database while it grows, and empty at the end`()
        throws
    {
        let folder = try ScratchFolder()
        var options = LogOptions()
        options.checkpointPages = 16
        options.checkpointPagesMax = 64
        let database = try LogDatabase(path: folder.database, options: options, migrations: [])
        var stream = try TestStream(seed: 3)
        var most = 0
        for _ in 0..<400 {
            try stream.commit(to: database)
            most = max(most, database.walPages)
        }
        // Four times the limit is where the writer waits; one commit may go beyond.
        #expect(most < 4 * 64 + 32 && database.checkpointFailure == nil, "\(most) pages")
        #expect(database.close() == nil)
        let wal = "\(folder.database)-wal"
        let size =
            FileManager.default.fileExists(atPath: wal)
            ? try Data(contentsOf: URL(fileURLWithPath: wal)).count : 0
        #expect(size == 0)
    }

    @Test func `the files can be read by their owner only`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 3)
        try stream.commit(to: database)
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(
                atPath: folder.database + suffix)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(suffix)")
        }
    }

    @Test func `a database of a newer version is refused and not touched`() throws {
        let folder = try ScratchFolder()
        let next = LogMigration(id: "agent-99") {
            try $0.execute(sql: "CREATE TABLE future (id INTEGER)")
        }
        #expect(try LogDatabase(path: folder.database, migrations: [next]).close() == nil)
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.database))
        #expect {
            try LogDatabase(path: folder.database, migrations: [])
        } throws: { error in
            guard case StoreError.newer(let detail) = error else { return false }
            return detail.contains("agent-99")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.database)) == before)
        #expect(try LogDatabase(path: folder.database, migrations: [next]).close() == nil)
    }

    @Test func `a file that is no database of ours is refused, with the place, and not touched`()
        throws
    {
        let folder = try ScratchFolder()
        let url = URL(fileURLWithPath: folder.database)
        let foreign = try DatabaseQueue(path: "\(folder.path)/foreign.sqlite")
        try foreign.write { try $0.execute(sql: "CREATE TABLE theirs (id INTEGER)") }
        try foreign.close()
        let theirs = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/foreign.sqlite"))
        var damaged = theirs
        damaged[17] = 3
        for content in [
            Data("not a database".utf8), Data(repeating: 9, count: 4096), theirs, damaged,
        ] {
            try content.write(to: url)
            #expect {
                try LogDatabase(path: folder.database, migrations: [])
            } throws: { error in
                guard case StoreError.corrupt(let place, _) = error else { return false }
                return place.contains("log.sqlite")
            }
            #expect(try Data(contentsOf: url) == content)
        }
    }

    @Test func `a closed database says so`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        #expect(database.close() == nil)
        #expect(throws: StoreError.self) { try database.read { try SegmentLog.lastPosition($0) } }
        #expect(throws: StoreError.self) { try database.commit { _ in } }
        #expect(database.close() == nil)
    }

    @Test func `a segment is never changed and the last one never deleted`() throws {
        let folder = try ScratchFolder()
        let database = try LogDatabase(path: folder.database, migrations: [])
        var stream = try TestStream(seed: 3)
        for _ in 0..<3 { try stream.commit(to: database) }
        for sql in ["UPDATE segments SET count = 9", "DELETE FROM segments"] {
            #expect(throws: StoreError.self) { try database.commit { try $0.execute(sql: sql) } }
        }
        _ = try database.commit { try $0.execute(sql: "DELETE FROM segments WHERE position < 3") }
        #expect(try database.read { try SegmentLog.statistics($0) }.firstPosition == 3)
    }
}
