import SegmentStore

/// Every bound of a projection, each with its reason.
package struct ProjectionLimits: Sendable {
    /// Events written in one transaction: enough that each page is written for many rows; few enough
    /// that a reader's snapshot, the write-ahead log and the memory stay small.
    package var eventsPerStep = 1 << 15
    /// Read from the log at a time: what is decoded in full at once.
    package var read = ReadLimit(segments: 256, bytes: 128 << 10)
    /// Pages of the writer's cache, in KiB: the part of the indexes that is written to.
    package var writerCacheKiB = 24 << 10
    /// Pages in the write-ahead log before they are copied into the database, 32 MiB: enough that a
    /// page of an index is copied once for several steps, and the disk seldom asked to sync.
    package var checkpointPages = 8192
    /// Readers at a time; the next waits.
    package var readersMax = 3
    /// Names kept in memory; beyond it all are dropped and read again as needed.
    package var namesMax = 1 << 16
    /// Rows that one page looks through before it answers with what it has found and a cursor.
    package var rowsPerPageMax = 20_000
    /// How long to rest at the end of the log, and behind a failure.
    package var rest: Duration = .milliseconds(100)
    package var restAfterFailure: Duration = .seconds(2)

    package init() {}
}
