import GRDB
import GRDBSQLite
import LedgerCore
@_spi(Durability) import SyncProtocol
import Synchronization

/// An SQLite database that holds a segment log, opened with the durability that we promise.
///
/// **Overview.** One writer thread commits; any thread reads. All calls are synchronous and may
/// wait for a disk: they belong on threads of ours, never on the cooperative pool, and no task's
/// cancellation reaches into them.
///
/// **Function.** `commit` returns when what it wrote is synced, and only then is there a `Durable`
/// token. `read` sees one consistent state.
///
/// **Implementation.** GRDB's `DatabasePool` in WAL mode. It sets `synchronous = NORMAL` after its
/// own preparation, so the writer is set right again behind it, read back, and not used if it did
/// not take. Checkpoints run on a thread of their own; see `Checkpointer`.
package final class LogDatabase: Sendable {
    package let path: String
    private let pool: DatabasePool
    private let checkpointer: Checkpointer
    /// A connection that can only read and is closed last: SQLite runs a checkpoint when the last
    /// connection that can write is closed and it is alone, and after a failed sync there must be
    /// none (see `DiskHealth`).
    private let guardian: DatabaseQueue
    private let health = DiskHealth()
    private let meter = WALMeter()
    private let options: LogOptions
    private let closed = Mutex(false)
    /// The `max_page_count` in force; nil before the first commit of a database with a quota.
    private let pageLimit = Mutex<Int?>(nil)

    /// Opens or creates the database, and brings its schema up to date.
    ///
    /// - Parameter migrations: the side's own, behind those that both sides share.
    /// - Parameter check: looks at a database that is there before anything is written to it, not
    ///   even by opening it, and throws where it is not to be opened. It is told whether all tables
    ///   of this version are there: an older database gets them only later.
    /// - Throws: `StoreError.corrupt`, `.newer`, and what `check` throws: nothing was changed;
    ///   `.noPermission`, `.unavailable`, `.full`.
    package init(
        path: String, options: LogOptions = .init(), migrations: [LogMigration],
        check: (Database, _ isCurrent: Bool) throws -> Void = { _, _ in }
    ) throws(StoreError) {
        self.path = path
        self.options = options
        let isNew = try DatabaseFile.prepare(path)
        let location = DatabaseFile.location(path, vfs: options.vfs)
        if !isNew {
            try LogMigration.checkBeforeOpening(location, own: migrations, check: check)
        }
        let configuration = LogDatabase.configuration(options, isNew: isNew)
        do {
            pool = try DatabasePool(path: location, configuration: configuration)
            try pool.writeWithoutTransaction { [meter] database in
                try LogDatabase.setUpWriter(database, options)
                try LogDatabase.settle(database)
                meter.install(on: database)
            }
        } catch {
            throw StoreError(error, at: path)
        }
        try LogMigration.migrate(pool, own: migrations)
        do {
            var reading = configuration
            reading.readonly = true
            guardian = try DatabaseQueue(path: location, configuration: reading)
        } catch {
            throw StoreError(error, at: path)
        }
        checkpointer = try Checkpointer(
            location: location, configuration: configuration, health: health)
    }

    deinit {
        // Whoever cares for the outcome has called it; a second call does nothing.
        _ = close()
    }

    // MARK: Transactions

    /// Runs `body` in one transaction that starts as a writer (`BEGIN IMMEDIATE`), and returns when
    /// it is synced.
    ///
    /// To be called by the one writer thread; others would wait for it. Nothing cancels it.
    ///
    /// - Parameter usingReserve: whether it may grow into the quota's reserve: for
    ///   acknowledgements, pruning, recovery.
    /// - Returns: what `body` returned, and the proof that the log is durable up to its highest
    ///   position.
    /// - Throws: what `body` threw, as `StoreError.refused` where it is none; `.full`;
    ///   `.unavailable`. Nothing of it is visible then. After a failed sync, all later commits
    ///   throw too, until the database is opened again.
    package func commit<Value>(
        usingReserve: Bool = false, _ body: (Database) throws -> Value
    ) throws(StoreError) -> (value: Value, durable: Durable) {
        try checkOpen()
        try health.check()
        do {
            let (value, position) = try pool.writeWithoutTransaction { database in
                try limitPages(database, usingReserve: usingReserve)
                let outcome = try transact(database, body)
                keepLogShort(database)
                return outcome
            }
            return (value, Durable(position: position))
        } catch {
            if let error = error as? DatabaseError {
                health.note(error.extendedResultCode.rawValue, at: path)
            }
            let failure = StoreError(error, at: path)
            if case .full = failure, let quota = exhaustedQuota() { throw .full(quota) }
            throw failure
        }
    }

    /// Runs `body` on one consistent state of the database, which it cannot change.
    ///
    /// Keep it short: while it runs, the write-ahead log cannot start over.
    package func read<Value: Sendable>(_ body: (Database) throws -> Value) throws(StoreError)
        -> Value
    {
        try checkOpen()
        do {
            return try pool.read(body)
        } catch {
            throw StoreError(error, at: path)
        }
    }

    /// Copies the write-ahead log into the database, empties it, and closes all connections.
    ///
    /// - Returns: what went wrong, if anything. Nothing that was committed is lost by it.
    @discardableResult
    package func close() -> StoreError? {
        let isFirst = closed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard isFirst else { return nil }
        let stopped = checkpointer.stop()
        do {
            pool.writeWithoutTransaction { checkpointer.checkpoint($0, SQLITE_CHECKPOINT_TRUNCATE) }
            try pool.close()
            try guardian.close()
        } catch {
            return StoreError(error, at: path)
        }
        return stopped ?? checkpointer.failure.withLock { $0 }
    }

    // MARK: State

    /// Pages (4 KiB) in the write-ahead log after the last commit.
    package var walPages: Int { meter.pages.load(ordering: .relaxed) }

    /// Why the last checkpoint failed; nil where it did not.
    package var checkpointFailure: StoreError? { checkpointer.failure.withLock { $0 } }

    /// Whether a sync failed: then nothing is committed any more until the database is opened
    /// again.
    package var isBroken: Bool { health.isBroken }

    private func checkOpen() throws(StoreError) {
        if closed.withLock({ $0 }) { throw .unavailable("\(path) is closed") }
    }

    // MARK: Steps of a commit

    private func transact<Value>(
        _ database: Database, _ body: (Database) throws -> Value
    ) throws -> (Value, position: Int64) {
        try database.beginTransaction(.immediate)
        do {
            let value = try body(database)
            let position = try SegmentLog.lastPosition(database)
            precondition(database.isInsideTransaction, "a commit's body ended the transaction")
            try database.commit()
            return (value, position)
        } catch {
            // SQLite has rolled back by itself after the worst errors.
            if database.isInsideTransaction { try database.rollback() }
            throw error
        }
    }

    /// Sets the quota that this commit may use; most commits find it set.
    private func limitPages(_ database: Database, usingReserve: Bool) throws {
        guard let pagesMax = options.pageCountMax else { return }
        let limit = usingReserve ? pagesMax : max(pagesMax - options.pageCountReserve, 1)
        guard pageLimit.withLock({ $0 }) != limit else { return }
        try database.execute(sql: "PRAGMA max_page_count = \(limit)")
        pageLimit.withLock { $0 = limit }
    }

    /// Which quota is full, in a sentence; nil where it is the disk.
    private func exhaustedQuota() -> String? {
        guard let pagesMax = options.pageCountMax,
            SystemCall.availableBytes(besides: path) ?? 0 > LogDatabase.commitBytesMax
        else { return nil }
        return "\(path) has reached its quota of \(pagesMax * 4096) bytes, of which "
            + "\(options.pageCountReserve * 4096) are kept for acknowledgements and recovery"
    }

    /// More than one commit adds: with so much room on the disk it is not the disk that is full.
    private static let commitBytesMax: UInt64 = 16 << 20

    /// Has the write-ahead log copied into the database and emptied soon, on the checkpointer's
    /// thread, if nobody is in the way. Pages that were cut off the database's end leave its file
    /// with that.
    package func requestShortFiles() {
        checkpointer.requestShortFiles()
    }

    /// The sizes of the database's file and of its write-ahead log's, in bytes; nil where they
    /// cannot be looked at.
    package var fileByteCounts: (database: Int64, log: Int64)? {
        guard let database = SystemCall.status(of: path),
            let log = SystemCall.status(of: "\(path)-wal")
        else { return nil }
        return (Int64(database.st_size), Int64(log.st_size))
    }

    /// Behind a commit: has the write-ahead log copied into the database where it has grown long.
    private func keepLogShort(_ database: Database) {
        let pages = meter.pages.load(ordering: .relaxed)
        guard pages >= options.checkpointPages else { return }
        if pages >= options.checkpointPagesMax * 4 {
            checkpointer.checkpoint(database, SQLITE_CHECKPOINT_RESTART)
        } else if pages >= options.checkpointPagesMax {
            checkpointer.checkpoint(database, SQLITE_CHECKPOINT_PASSIVE)
        } else {
            checkpointer.request()
        }
    }
}

extension LogDatabase {
    private static func configuration(_ options: LogOptions, isNew: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(options.busyTimeoutSeconds)
        configuration.maximumReaderCount = options.readersMax
        configuration.persistentReadOnlyConnections = true
        configuration.prepareDatabase { database in
            guard !database.configuration.readonly else { return }
            // It can be said of an empty database only: it is a way of laying out the file.
            if isNew, options.returnsSpace,
                try Int.fetchOne(database, sql: "PRAGMA page_count") == 0
            {
                try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            }
            try database.execute(
                sql: """
                    PRAGMA synchronous = \(options.synchronous.rawValue);
                    PRAGMA wal_autocheckpoint = 0;
                    PRAGMA journal_size_limit = \(options.checkpointPagesMax * 4096);
                    """)
        }
        return configuration
    }

    /// Sets again what GRDB has set behind our preparation, and believes nothing that it has not
    /// read back.
    private static func setUpWriter(_ database: Database, _ options: LogOptions) throws {
        try database.execute(sql: "PRAGMA synchronous = \(options.synchronous.rawValue)")
        let expected: [(pragma: String, value: String)] = [
            ("synchronous", "\(options.synchronous.rawValue)"), ("journal_mode", "wal"),
            ("wal_autocheckpoint", "0"),
        ]
        for (pragma, value) in expected {
            let found = try String.fetchOne(database, sql: "PRAGMA \(pragma)")
            guard found == value else {
                throw StoreError.unavailable(
                    "SQLite did not accept \(pragma) = \(value) for \(database.place): it says \(found ?? "nothing")"
                )
            }
        }
        if let vfs = options.vfs { try checkVFS(database, vfs) }
    }

    /// Copies what the write-ahead log holds into the database, synced, and starts it over.
    ///
    /// What is in it may be in the operating system's memory only: GRDB has just written there
    /// without a sync, and an earlier process may have ended on a sync that failed, which the next
    /// sync does not make good (lwn.net/Articles/752063). Our commits would then be synced behind a
    /// hole, where no recovery finds them.
    private static func settle(_ database: Database) throws(StoreError) {
        let code = sqlite3_wal_checkpoint_v2(
            database.sqliteConnection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard code == SQLITE_OK else {
            throw StoreError(
                code: code, message: String(cString: sqlite3_errmsg(database.sqliteConnection)),
                at: database.place)
        }
    }

    /// An SQLite built without URIs would open a file with a strange name on the platform's own
    /// VFS.
    private static func checkVFS(_ database: Database, _ expected: String) throws {
        var name: UnsafeMutablePointer<CChar>?
        let code = sqlite3_file_control(
            database.sqliteConnection, "main", SQLITE_FCNTL_VFSNAME, &name)
        defer { sqlite3_free(name) }
        let found = name.map { String(cString: $0) } ?? "none"
        guard code == SQLITE_OK, found.hasPrefix(expected) else {
            throw StoreError.unavailable(
                "SQLite uses the VFS \(found), not \(expected): it was built without URI names")
        }
    }
}
