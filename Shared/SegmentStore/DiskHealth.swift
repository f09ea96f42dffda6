import GRDB
import Synchronization

/// Whether the disk has ever failed to sync under this database. Once it has, nothing more is
/// written until the database is opened again.
///
/// A failed sync loses what it was to make durable, and the next one succeeds without it
/// (lwn.net/Articles/752063). SQLite does not know: where a checkpoint ends while the log grows, it
/// counts its pages as copied without a sync and leaves that to the next one (`walCheckpoint` in
/// wal.c, 3.40: it syncs only if it reached the log's end). If that next sync fails, the one after
/// it succeeds, the write-ahead log starts over, and the pages are gone for good. Opening again
/// copies the whole write-ahead log once more, which nothing has been taken from. PostgreSQL stops
/// for the same reason.
final class DiskHealth: Sendable {
    private let failure = Mutex<StoreError?>(nil)

    var isBroken: Bool { failure.withLock { $0 != nil } }

    func check() throws(StoreError) {
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    /// - Parameter code: the extended result code of what has just failed.
    func note(_ code: CInt, at place: String) {
        guard
            code == ResultCode.SQLITE_IOERR_FSYNC.rawValue
                || code == ResultCode.SQLITE_IOERR_DIR_FSYNC.rawValue
        else {
            return
        }
        failure.withLock { failure in
            failure = .unavailable(
                "the disk failed to sync \(place) (SQLite code \(code)). Nothing is written to it any more, so that what "
                    + "was committed stays; look at the disk, then start again")
        }
    }
}
