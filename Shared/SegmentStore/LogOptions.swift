/// How a log's database is opened. The defaults are the promise; the rest is for quotas and for
/// tests that must fail.
package struct LogOptions: Sendable {
    /// SQLite's `synchronous` (sqlite.org/pragma.html#pragma_synchronous).
    package enum Synchronous: Int, Sendable {
        /// Nothing is synced. For tests that must find a loss.
        case off = 0
        /// Only checkpoints are synced: a commit can be lost with the power. For tests that must
        /// find a loss.
        case normal = 1
        /// The write-ahead log is synced before a commit returns.
        case full = 2
    }

    /// The name of a registered SQLite VFS; nil for the platform's own.
    package var vfs: String?
    package var synchronous: Synchronous = .full
    /// The quota: pages (4 KiB) that the database may grow to, the reserve included; nil for what
    /// the disk holds.
    package var pageCountMax: Int?
    /// Pages of the quota that only `commit(usingReserve: true)` may take: what was accepted must
    /// still be acknowledged, and what is full must still be pruned.
    package var pageCountReserve = 0
    /// Whether a database that is made now can give space back to the file system when segments are
    /// pruned. One that was made without keeps its size and fills its free pages first.
    package var returnsSpace = false
    /// The write-ahead log's size in pages at which the checkpointer copies it into the database: 4
    /// MiB, small enough that a start replays it at once, large enough that a page changed often is
    /// copied once.
    package var checkpointPages = 1024
    /// The size at which the writer itself does that after a commit, because the checkpointer has
    /// not kept up: 64 MiB.
    package var checkpointPagesMax = 16 * 1024
    /// Readers at a time; the next waits.
    package var readersMax = 4
    /// How long one connection waits for another's lock. Ours wait for each other only during
    /// recovery and at the end.
    package var busyTimeoutSeconds = 5.0

    package init() {}
}
