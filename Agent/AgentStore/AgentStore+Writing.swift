import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentStore {
    /// What one transaction writes.
    package struct Commit: Sendable {
        /// Of the stream that is written.
        package var segments: [SealedSegment] = []
        package var receipts: [Receipt] = []
        /// Numbers that are about to be proved, by their streams.
        package var sessions: [StreamTag: UInt64] = [:]
        /// No event will have a time up to this one any more.
        package var promisedTime: HybridTimestamp?
        package var checkpoint: Checkpoint?
        package var merged: [MergedBalances.Place: MergedBalances.Others] = [:]

        package init() {}

        package var isEmpty: Bool {
            segments.isEmpty && receipts.isEmpty && sessions.isEmpty && promisedTime == nil
                && checkpoint == nil && merged.isEmpty
        }
    }

    /// The folds as they stand behind the commit's segments.
    package struct Checkpoint: Sendable {
        package var balances: Balances
        package var changedPages: [Int]
        package var keys: [IdempotencyKey: KeyRecord]
        /// Applied so far.
        package var transactions: Int64

        package init(
            balances: Balances, changedPages: [Int], keys: [IdempotencyKey: KeyRecord],
            transactions: Int64
        ) {
            self.balances = balances
            self.changedPages = changedPages
            self.keys = keys
            self.transactions = transactions
        }
    }

    /// Writes it all, or nothing; durable when it returns.
    package func commit(_ commit: Commit, now: Timestamp) throws(StoreError) -> Durable {
        forgetFirstLook()
        let writing = writing
        // What was accepted must still be acknowledged when there is no room for anything new.
        return try database.commit(usingReserve: commit.segments.isEmpty) { database in
            for sealed in commit.segments {
                precondition(
                    sealed.segment.header.stream == writing.tag,
                    "a segment of a stream that is no longer written")
                try SegmentLog.append(
                    database, sealed.segment, hash: sealed.hash, stream: writing.id,
                    recordedAt: now)
            }
            for receipt in commit.receipts {
                try ReceiptTable.insert(receipt, of: try known(receipt.stream).id, database)
            }
            for (stream, session) in commit.sessions {
                try OwnStreams.setLastSession(session, of: try known(stream).id, database)
            }
            if !commit.merged.isEmpty { try MergedTable.save(commit.merged, database) }
            if let time = commit.promisedTime { try PromisedTime.save(time, database) }
            if let checkpoint = commit.checkpoint { try write(checkpoint, database) }
        }.durable
    }

    private func write(_ checkpoint: Checkpoint, _ database: Database) throws {
        try FoldCheckpoint.save(
            database, checkpoint.balances, changedPages: checkpoint.changedPages,
            position: try SegmentLog.lastPosition(database), transactions: checkpoint.transactions)
        // In the order of the table's key, so that neighbours share a page.
        for (key, record) in checkpoint.keys.sorted(by: { $0.key.key < $1.key.key }) {
            let entry = KeyTable.Entry(
                digest: record.digest, stream: try known(record.place.stream).id,
                sequence: record.place.sequence)
            try KeyTable.insert(database, key, entry, time: record.time)
        }
    }
}
