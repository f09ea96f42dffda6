import Foundation
import GRDB
import GRDBSQLite
import Synchronization

/// Copies the write-ahead log into the database on a thread and a connection of its own, so that
/// the writer does not stop for it.
///
/// **Overview.** SQLite tells the writer the size of the write-ahead log after each commit
/// (`sqlite3_wal_hook`). Beyond one size the checkpointer is woken; beyond a second one, reached
/// only when it does not keep up, the writer does the work itself between two commits, when nobody
/// adds to the log; beyond a third, it also waits for readers of old snapshots. Whoever gave space
/// back asks for short files: then the write-ahead log is emptied too, which otherwise keeps its
/// length and is written over from its start.
///
/// **Invariants.** A failed checkpoint loses nothing: what it did not copy stays in the write-ahead
/// log, and after one whose sync failed there is no other.
// Sendable: `requested` and `stopping` are touched under `condition` only, everything else is
// immutable or atomic.
final class Checkpointer: @unchecked Sendable {
    private enum Request {
        case copy
        case shortFiles
    }

    private let connection: DatabaseQueue
    private let health: DiskHealth
    private let condition = NSCondition()
    private let finished = DispatchSemaphore(value: 0)
    private var requested: Request?
    private var stopping = false
    /// Why the last one failed; nil once one succeeds again.
    let failure = Mutex<StoreError?>(nil)

    init(location: String, configuration: Configuration, health: DiskHealth) throws(StoreError) {
        self.health = health
        do {
            connection = try DatabaseQueue(path: location, configuration: configuration)
        } catch {
            throw StoreError(error, at: location)
        }
        let thread = Thread { [self] in run() }
        thread.name = "tributary-checkpoint"
        thread.start()
    }

    func request() {
        condition.withLock {
            requested = requested ?? .copy
            condition.signal()
        }
    }

    /// Has what the files no longer need leave them, if nobody is in the way.
    func requestShortFiles() {
        condition.withLock {
            requested = .shortFiles
            condition.signal()
        }
    }

    /// Ends the thread behind what it is doing, and closes its connection.
    func stop() -> StoreError? {
        condition.withLock {
            stopping = true
            condition.signal()
        }
        finished.wait()
        finished.signal()
        do {
            try connection.close()
            return nil
        } catch {
            return StoreError(error, at: connection.path)
        }
    }

    private func run() {
        while let request = waitForRequest() {
            connection.writeWithoutTransaction { database in
                checkpoint(database, SQLITE_CHECKPOINT_PASSIVE)
                if request == .shortFiles { truncate(database) }
            }
        }
        finished.signal()
    }

    /// - Returns: nil when it is time to end.
    private func waitForRequest() -> Request? {
        condition.withLock {
            while requested == nil && !stopping { condition.wait() }
            defer { requested = nil }
            return stopping ? nil : requested
        }
    }

    /// Empties the write-ahead log behind a checkpoint that has copied it. It keeps the writer away
    /// meanwhile, so it does not wait for a reader or a writer who is there: whoever wants it asks
    /// again.
    private func truncate(_ database: Database) {
        sqlite3_busy_timeout(database.sqliteConnection, 0)
        checkpoint(database, SQLITE_CHECKPOINT_TRUNCATE)
    }

    /// Runs one checkpoint, which may find that somebody else is at it; that is no failure.
    /// After a sync that failed there is none any more: see `DiskHealth`.
    func checkpoint(_ database: Database, _ mode: CInt) {
        guard !health.isBroken else { return }
        let code = sqlite3_wal_checkpoint_v2(database.sqliteConnection, nil, mode, nil, nil)
        health.note(code, at: database.place)
        let found: StoreError? =
            code == SQLITE_OK || code & 0xFF == SQLITE_BUSY
            ? nil
            : StoreError(
                code: code, message: String(cString: sqlite3_errmsg(database.sqliteConnection)),
                at: database.place)
        failure.withLock { $0 = found }
    }
}

/// The write-ahead log's size in pages, as SQLite said after the last commit.
final class WALMeter: Sendable {
    let pages = Atomic<Int>(0)

    /// Has SQLite report to this meter, which must outlive the connection.
    func install(on database: Database) {
        sqlite3_wal_hook(
            database.sqliteConnection,
            { meter, _, _, pages in
                guard let meter else { return SQLITE_OK }
                Unmanaged<WALMeter>.fromOpaque(meter).takeUnretainedValue()
                    .pages.store(Int(pages), ordering: .relaxed)
                return SQLITE_OK
            },
            Unmanaged.passUnretained(self).toOpaque())
    }
}
