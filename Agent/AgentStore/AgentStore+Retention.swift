import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// Where a sweep through the idempotency keys has come to, in the order of their table.
package struct KeyCursor: Hashable, Sendable {
    let scope: String
    let key: String
}

/// Pruning, in steps small enough that a commit which waits for one does not notice: each is a
/// transaction of its own. They belong on the thread that commits, and may use the quota's reserve.
extension AgentStore {
    // MARK: What is kept

    /// The first event of a stream that is kept; one beyond the head where none ever was.
    package func oldestRetained(of stream: StreamTag) throws(StoreError) -> UInt64 {
        let row = try known(stream)
        return try database.read { try keptBehind(row, $0).sequence + 1 }
    }

    /// Where what is kept of a stream begins: behind this place, which is its genesis while all is.
    package func keptBehind(of stream: StreamTag) throws(StoreError) -> ChainPoint {
        let row = try known(stream)
        return try database.read { try keptBehind(row, $0) }
    }

    func keptBehind(_ row: StreamRow, _ database: Database) throws(StoreError) -> ChainPoint {
        let pruned = try pruned(row, database)
        return ChainPoint(sequence: pruned?.through ?? 0, hash: pruned?.hash ?? row.genesisHash)
    }

    func pruned(_ stream: StreamRow, _ database: Database) throws(StoreError)
        -> StreamRow.Pruned?
    {
        try SegmentLog.stream(database, genesisHash: stream.genesisHash)?.pruned
    }

    /// What retention knew when it was last written down; nil where it never was.
    package func retention() throws(StoreError) -> Retention.Saved? {
        let streams = streams
        return try database.read { try RetentionTable.find($0, streams) }
    }

    package func save(_ saved: Retention.Saved) throws(StoreError) {
        let streams = streams
        _ = try database.commit(usingReserve: true) {
            try RetentionTable.write(saved, streams, $0)
        }
    }

    // MARK: Pruning

    /// Prunes a stream's oldest segments up to an event, and the receipts that covered them.
    ///
    /// - Parameter sequence: acknowledged, and that is durable.
    package func prune(_ stream: StreamTag, through sequence: UInt64, limit: ReadLimit)
        throws(StoreError) -> SegmentLog.Pruning
    {
        forgetFirstLook()
        let row = try known(stream)
        return try database.commit(usingReserve: true) { database in
            let pruning = try SegmentLog.prune(database, row.id, through: sequence, limit: limit)
            if case .pruned(let through, _, _) = pruning {
                try ReceiptTable.prune(row.id, through: through, database)
                try HubTable.prune(row.id, through: through, database)
            }
            return pruning
        }.value
    }

    /// Removes the idempotency keys of a stream's events up to there, among the next so many keys.
    ///
    /// The table has no index by event, which would cost every commit; so a sweep looks at each key
    /// once.
    ///
    /// - Parameter cursor: what the last step returned; nil to begin.
    /// - Returns: where the next step begins; nil where the sweep is over.
    package func pruneKeys(
        of stream: StreamTag, through sequence: UInt64, after cursor: KeyCursor?, keysMax: Int
    ) throws(StoreError) -> KeyCursor? {
        let row = try known(stream)
        let end = try database.read { try KeyTimes.cursor($0, after: cursor, keysMax: keysMax) }
        guard let end else { return nil }
        _ = try database.commit(usingReserve: true) {
            try KeyTimes.remove($0, of: row.id, through: sequence, after: cursor, upTo: end)
        }
        return end
    }

    // MARK: Space

    /// What the database holds, and how much of it is free.
    package func statistics() throws(StoreError) -> LogStatistics {
        try database.read { try SegmentLog.statistics($0) }
    }

    /// Gives back so many pages (4 KiB) at most.
    package func returnSpace(pagesMax: Int) throws(StoreError) {
        _ = try database.commit(usingReserve: true) {
            try SegmentLog.returnSpace($0, pagesMax: pagesMax)
        }
    }

    package func canReturnSpace() throws(StoreError) -> Bool {
        try database.read { try SegmentLog.canReturnSpace($0) }
    }

    /// Has what was given back leave the files, on the checkpointer's thread.
    package func requestShortFiles() {
        database.requestShortFiles()
    }

    /// The sizes of the database's file and of its write-ahead log's; nil where they cannot be
    /// looked at.
    package var fileByteCounts: (database: Int64, log: Int64)? { database.fileByteCounts }

    // MARK: Keys of pruned events

    /// When the event of a key was accepted; nil where an older version recorded it.
    package func time(of key: IdempotencyKey) throws(StoreError) -> HybridTimestamp? {
        try database.read { try KeyTimes.find(key, $0) }
    }
}
