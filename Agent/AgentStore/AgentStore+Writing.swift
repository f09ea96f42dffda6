import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentStore {
    /// Writes it all, or nothing; durable when it returns.
    package func commit(_ commit: AgentCommit, now: Timestamp) throws(StoreError) -> Durable {
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
            for acknowledged in commit.acknowledged { try write(acknowledged, database) }
            for (stream, session) in commit.sessions {
                try OwnStreams.setLastSession(session, of: try known(stream).id, database)
            }
            for (stream, hub) in commit.finished {
                try OwnStreams.setFinished(for: hub, try known(stream).id, database)
            }
            if let hub = commit.hub { try HubTable.follow(hub, database) }
            for event in commit.hubEvents { try HubTable.keep(event, database) }
            if !commit.merged.isEmpty { try MergedTable.save(commit.merged, database) }
            if let clock = commit.clock { try PromisedTime.save(clock, database) }
            if let checkpoint = commit.checkpoint { try write(checkpoint, database) }
        }.durable
    }

    private func write(_ acknowledged: Acknowledged, _ database: Database) throws {
        let stream = try known(acknowledged.stream).id
        for receipt in acknowledged.receipts {
            try ReceiptTable.insert(receipt, of: stream, database)
        }
        for placement in acknowledged.placements {
            try HubTable.insert(placement, of: stream, database)
        }
        try OwnStreams.setConfirmed(
            acknowledged.through, at: acknowledged.at, of: stream, database)
    }

    private func write(_ checkpoint: AgentCommit.Checkpoint, _ database: Database) throws {
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
