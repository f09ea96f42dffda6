import Foundation
import GRDB
import LedgerCore
import PowerCutVFS
import SegmentStore
import Signing
import SyncProtocol
import TestSupport
import Testing

/// The promise that matters most: what a commit returned for is there after the power came back.
/// The shim's state is one for the process, so these run one after the other.
@Suite(.serialized) final class PowerCutTests {
    static let vfs = "powercut"

    init() async {
        await Turn.atThePower.begin()
        let code = powercut_register(PowerCutTests.vfs)
        precondition(code == 0, "registering the VFS failed: \(code)")
        powercut_reset()
    }

    deinit {
        Turn.atThePower.end()
    }

    static func options(_ synchronous: LogOptions.Synchronous = .full) -> LogOptions {
        var options = LogOptions()
        options.vfs = vfs
        options.synchronous = synchronous
        // Small, so that the log is copied and started over many times in one run.
        options.checkpointPages = 24
        options.checkpointPagesMax = 48
        options.readersMax = 1
        return options
    }

    /// Commits until the power fails or the time is up.
    ///
    /// - Returns: the stream, with what was reported as committed.
    static func run(
        _ folder: ScratchFolder, _ options: LogOptions, seed: UInt64, commits: Int,
        powerFails: Int64?
    ) throws -> TestStream {
        var stream = try TestStream(seed: seed)
        let database = try LogDatabase(path: folder.database, options: options, migrations: [])
        defer { database.close() }
        if let powerFails { powercut_after(powerFails) }
        for _ in 0..<commits {
            do { try stream.commit(to: database) } catch { break }
        }
        powercut_after(0)
        return stream
    }

    /// How many commits that were reported are not there; nil where the database cannot even be
    /// opened or is damaged.
    static func lost(_ folder: ScratchFolder, _ stream: TestStream) throws -> Int? {
        do {
            let database = try LogDatabase(path: folder.database, migrations: [])
            let found = try database.read {
                try SegmentLog.segments($0, after: 0, limit: ReadLimit(segments: .max, bytes: .max))
            }
            let failure = database.close()
            guard failure == nil, try verify(folder.database).isSound else { return nil }
            let hashes = Set(found.map(\.hash))
            return stream.committed.filter { !hashes.contains($0.hash) }.count
        } catch let error as StoreError {
            print("after the power cut: \(error)")
            return nil
        }
    }

    /// Commits once more where the stream ended. (A commit that was refused may be there all the
    /// same.)
    static func goOn(_ folder: ScratchFolder, _ stream: TestStream) throws {
        var stream = stream
        let database = try LogDatabase(path: folder.database, migrations: [])
        let head = try database.read {
            try SegmentLog.segments($0, before: .max, limit: ReadLimit(segments: 1)).first
        }
        if head?.hash == stream.committed.last?.hash { try stream.commit(to: database) }
        #expect(database.close() == nil)
        #expect(try verify(folder.database).isSound)
    }

    /// The disk says once that it did not sync, then says it does: nobody may believe it.
    @Test
    func
        `after a failed sync nothing more is written, and opening again takes it all from the log`()
        throws
    {
        var broken = 0
        for count in 1...400 as ClosedRange<Int64> {
            powercut_reset()
            let folder = try ScratchFolder()
            var stream = try TestStream(seed: 2)
            let database = try LogDatabase(
                path: folder.database, options: PowerCutTests.options(), migrations: [])
            powercut_fail_io(count)
            for _ in 0..<24 {
                let wasBroken = database.isBroken
                do {
                    try stream.commit(to: database)
                    #expect(!wasBroken)
                } catch is StoreError {
                    continue
                }
            }
            if database.isBroken { broken += 1 }
            database.close()
            #expect(powercut_restore(POWERCUT_DROP, 0) == 0)
            #expect(try PowerCutTests.lost(folder, stream) == 0, "I/O \(count)")
        }
        print("\(broken) of 400 failures were failed syncs")
        #expect(broken > 20)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `everything committed before a power cut is there after it`(seed: UInt64) throws {
        var random = SplitMix64(state: seed &* 77 &+ 1)
        let folder = try ScratchFolder()
        let stream = try PowerCutTests.run(
            folder, PowerCutTests.options(), seed: seed, commits: 60,
            powerFails: Int64.random(in: 1...500, using: &random))
        let mode = seed % 3 == 0 ? POWERCUT_DROP : POWERCUT_SUBSET
        #expect(powercut_restore(mode, seed) == 0)
        #expect(try PowerCutTests.lost(folder, stream) == 0, "seed \(seed)")
    }

    @Test func `the log goes on after a power cut where it ended, again and again`() throws {
        let folder = try ScratchFolder()
        var stream = try TestStream(seed: 1)
        for round in 0..<20 as Range<UInt64> {
            let database = try LogDatabase(
                path: folder.database, options: PowerCutTests.options(), migrations: [])
            powercut_after(Int64(20 + round * 7))
            var isOn = true
            while isOn {
                do { try stream.commit(to: database) } catch { isOn = false }
            }
            powercut_after(0)
            database.close()
            #expect(powercut_restore(POWERCUT_DROP, round) == 0)
            #expect(try PowerCutTests.lost(folder, stream) == 0, "round \(round)")
        }
        #expect(stream.committed.count > 20)
    }

    @Test(arguments: [LogOptions.Synchronous.normal, .off])
    func `with less synchronisation the same test finds a loss`(synchronous: LogOptions.Synchronous)
        throws
    {
        var runsWithLoss = 0
        for seed in 0..<30 as Range<UInt64> {
            powercut_reset()
            var random = SplitMix64(state: seed &* 77 &+ 1)
            let folder = try ScratchFolder()
            let stream = try PowerCutTests.run(
                folder, PowerCutTests.options(synchronous), seed: seed, commits: 60,
                powerFails: Int64.random(in: 1...500, using: &random))
            #expect(powercut_restore(seed % 3 == 0 ? POWERCUT_DROP : POWERCUT_SUBSET, seed) == 0)
            if try PowerCutTests.lost(folder, stream) != 0 { runsWithLoss += 1 }
        }
        print("synchronous = \(synchronous): a loss in \(runsWithLoss) of 30 power cuts")
        #expect(runsWithLoss >= 5)
    }

    @Test func `a kill alone finds no loss even without synchronisation, so it proves nothing`()
        throws
    {
        let folder = try ScratchFolder()
        let stream = try PowerCutTests.run(
            folder, PowerCutTests.options(.off), seed: 1, commits: 40, powerFails: 100)
        #expect(powercut_restore(POWERCUT_KEEP, 1) == 0)
        #expect(try PowerCutTests.lost(folder, stream) == 0)
    }

    @Test func `a sync precedes each return of commit, and leaves nothing of the log unsynced`()
        throws
    {
        let folder = try ScratchFolder()
        let database = try LogDatabase(
            path: folder.database, options: PowerCutTests.options(), migrations: [])
        defer { database.close() }
        var stream = try TestStream(seed: 4)
        for _ in 0..<200 {
            let before = powercut_syncs("-wal")
            try stream.commit(to: database)
            #expect(powercut_syncs("-wal") > before)
            #expect(powercut_unsynced("-wal") == 0)
        }
    }

    @Test func `with less synchronisation the log is unsynced when commit returns`() throws {
        let folder = try ScratchFolder()
        var options = PowerCutTests.options(.normal)
        options.checkpointPages = .max
        let database = try LogDatabase(path: folder.database, options: options, migrations: [])
        defer { database.close() }
        var stream = try TestStream(seed: 4)
        try stream.commit(to: database)
        try stream.commit(to: database)
        #expect(powercut_unsynced("-wal") > 0)
    }

    /// Each single call to the disk fails once, from the opening on, and after it the power too.
    @Test func `whichever I/O fails, nothing is reported that is not durable, and the log goes on`()
        throws
    {
        var failures: Int64 = 0
        var commitsRefused = 0
        while true {
            powercut_reset()
            let folder = try ScratchFolder()
            var stream = try TestStream(seed: 9)
            powercut_fail_io(failures + 1)
            do {
                let database = try LogDatabase(
                    path: folder.database, options: PowerCutTests.options(), migrations: [])
                for _ in 0..<24 {
                    do { try stream.commit(to: database) } catch is StoreError {
                        commitsRefused += 1
                    }
                }
                database.close()
            } catch is StoreError {
                // The opening itself was refused, so nothing was committed.
                #expect(stream.committed.isEmpty)
            }
            if powercut_has_failed() == 0 { break }
            failures += 1
            powercut_after(0)
            #expect(powercut_restore(POWERCUT_DROP, 0) == 0)
            #expect(try PowerCutTests.lost(folder, stream) == 0, "I/O \(failures)")
            try PowerCutTests.goOn(folder, stream)
        }
        print(
            "\(failures) calls to the disk failed, one at a time; \(commitsRefused) commits were refused for it"
        )
        #expect(failures > 100 && commitsRefused > 10)
    }

    @Test
    func
        `a full disk is said to be full, loses nothing, and takes commits again when there is room`()
        throws
    {
        let folder = try ScratchFolder()
        let database = try LogDatabase(
            path: folder.database, options: PowerCutTests.options(), migrations: [])
        var stream = try TestStream(seed: 4)
        for round in 0..<10 {
            try stream.commit(to: database)
            powercut_set_full(1)
            #expect("round \(round)") { try stream.commit(to: database) } throws: { isFull($0) }
            #expect(
                try database.read { try SegmentLog.lastPosition($0) }
                    == stream.committed.last?.position)
            powercut_set_full(0)
            try stream.commit(to: database)
        }
        powercut_after(0)
        database.close()
        #expect(powercut_restore(POWERCUT_DROP, 0) == 0)
        #expect(try PowerCutTests.lost(folder, stream) == 0)
        #expect(stream.committed.count == 20)
    }
}

func isFull(_ error: any Error) -> Bool {
    if case StoreError.full = error { true } else { false }
}

@Suite struct QuotaTests {
    @Test
    func
        `a full quota refuses, keeps its reserve for recovery, and takes commits again when it is raised`()
        throws
    {
        let folder = try ScratchFolder()
        var options = LogOptions()
        options.pageCountMax = 60
        options.pageCountReserve = 20
        let small = try LogDatabase(path: folder.database, options: options, migrations: [])
        var stream = try TestStream(seed: 4)
        var refused: (any Error)?
        while refused == nil {
            do { try stream.commit(to: small) } catch { refused = error }
        }
        #expect(refused.map(isFull) == true)
        let committed = stream.committed.count
        #expect(committed > 5)
        #expect(try small.read { try SegmentLog.lastPosition($0) } == Int64(committed))
        let blob = [UInt8](repeating: 1, count: 8 * 4096)
        let recovery = "INSERT INTO fold_cells VALUES (999, x'\(blob.hexadecimal)')"
        #expect { try small.commit { try $0.execute(sql: recovery) } } throws: { isFull($0) }
        _ = try small.commit(usingReserve: true) { try $0.execute(sql: recovery) }
        _ = try small.commit(usingReserve: true) { try $0.execute(sql: "DELETE FROM fold_cells") }
        try stream.commit(to: small)
        #expect(small.close() == nil)
        options.pageCountMax = 400
        let large = try LogDatabase(path: folder.database, options: options, migrations: [])
        for _ in 0..<20 { try stream.commit(to: large) }
        #expect(large.close() == nil)
        let report = try verify(folder.database)
        #expect(report.isSound && report.segments == Int64(committed + 21), "\(report.findings)")
    }
}
