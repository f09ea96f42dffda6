import AggregatorCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension LedgerStore {
    /// Writes it all, or nothing; durable when it returns. One thread at a time.
    ///
    /// - Returns: the position that each arrival's first segment got, in the order of the arrivals.
    package func commit(
        _ commit: HubCommit, now: Timestamp
    ) throws(StoreError) -> (positions: [Int64], durable: Durable) {
        firstLook.withLock { $0 = nil }
        let known = rows.withLock { $0 }
        let (written, durable) = try database.commit { database in
            var rows = known
            for stream in commit.streams { try add(stream, &rows, database) }
            if let hub = commit.hub { try succeed(hub, &rows, database) }
            try write(commit.hubSegments, rows, now, database)
            for names in commit.names { try write(names, rows, database) }
            let positions = try commit.arrivals.map { try write($0, rows, now, database) }
            for (tag, ends) in commit.branchEnds { try write(ends, rows[tag], database) }
            for (tag, record) in commit.records { try write(record, rows[tag], database) }
            try database.execute(
                sql: "UPDATE aggregator SET clock = ?",
                arguments: [Int64(bitPattern: commit.clock.rawValue)])
            if let checkpoint = commit.checkpoint { try write(checkpoint, database) }
            return (rows: rows, positions: positions)
        }
        rows.withLock { $0 = written.rows }
        return (written.positions, durable)
    }

    private func add(
        _ stream: HubCommit.NewStream, _ rows: inout [StreamTag: StreamRow], _ database: Database
    ) throws {
        let row = try SegmentLog.addStream(database, stream.genesis, hash: stream.hash)
        rows[row.tag] = row
    }

    /// The hub goes on in another stream.
    private func succeed(
        _ hub: HubCommit.NewStream, _ rows: inout [StreamTag: StreamRow], _ database: Database
    ) throws {
        try add(hub, &rows, database)
        guard let row = rows[StreamTag(genesisHash: hub.hash)] else { return }
        try database.execute(
            sql: "UPDATE aggregator SET hub = ?, is_restored = 0", arguments: [row.id.rawValue])
    }

    private func write(
        _ segments: [SealedSegment], _ rows: [StreamTag: StreamRow], _ now: Timestamp,
        _ database: Database
    ) throws {
        for sealed in segments {
            guard let row = rows[sealed.segment.header.stream] else {
                preconditionFailure("segments of a hub that was never added")
            }
            try SegmentLog.append(
                database, sealed.segment, hash: sealed.hash, stream: row.id, recordedAt: now)
            for case .event(let event) in sealed.segment.hubEvents() {
                try SegmentNote.take(event.content.fact, database)
            }
        }
    }

    private func write(
        _ names: HubCommit.Names, _ rows: [StreamTag: StreamRow], _ database: Database
    ) throws {
        guard let row = rows[names.stream] else {
            preconditionFailure("names of a stream that was never added")
        }
        try SegmentLog.keep(
            database, names.names.bytes, of: row.id, leadingTo: names.names.state)
    }

    private func write(
        _ arrival: HubCommit.Arrival, _ rows: [StreamTag: StreamRow], _ now: Timestamp,
        _ database: Database
    ) throws -> Int64 {
        guard let row = rows[arrival.stream] else {
            preconditionFailure("segments of stream \(arrival.stream), which was never added")
        }
        var first: Int64?
        for (index, sealed) in arrival.run.segments.enumerated() {
            let position = try SegmentLog.append(
                database, sealed.segment, hash: sealed.hash, stream: row.id, recordedAt: now,
                behind: arrival.run.names(before: index), isRepeated: index < arrival.run.repeated)
            first = first ?? position
        }
        guard let first else { preconditionFailure("an arrival without a segment") }
        let statement = try database.cachedStatement(
            sql:
                "INSERT INTO arrivals (first_position, published_at, attempt, received_at) VALUES (?, ?, ?, ?)"
        )
        try statement.execute(arguments: [
            first, arrival.publishedAt.microseconds, Int64(arrival.attempt),
            arrival.receivedAt.microseconds,
        ])
        return first
    }

    /// One end is none to be kept: it is where the stream reaches furthest.
    private func write(_ ends: [ChainPoint], _ row: StreamRow?, _ database: Database) throws {
        guard let row else { preconditionFailure("the branches of a stream that was never added") }
        try database.execute(
            sql: "DELETE FROM branch_ends WHERE stream = ?", arguments: [row.id.rawValue])
        guard ends.count > 1 else { return }
        for end in ends {
            try database.execute(
                sql: "INSERT INTO branch_ends (stream, sequence, hash) VALUES (?, ?, ?)",
                arguments: [
                    row.id.rawValue, Int64(bitPattern: end.sequence), Data(end.hash.bytes),
                ])
        }
    }

    private func write(
        _ record: StreamSession.Record, _ row: StreamRow?, _ database: Database
    ) throws {
        guard let row else { preconditionFailure("the record of a stream that was never added") }
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO stream_records (
                    stream, proved_session, announced, announced_hash, watermark, evidence
                ) VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                row.id.rawValue, Int64(bitPattern: record.provedSession),
                Int64(bitPattern: record.announced.sequence), Data(record.announced.hash.bytes),
                Int64(bitPattern: record.watermark.rawValue),
                record.evidence.map { Data($0.encoded()) },
            ])
    }

    private func write(_ checkpoint: HubCommit.Checkpoint, _ database: Database) throws {
        try FoldCheckpoint.save(
            database, checkpoint.balances, changedPages: checkpoint.changedPages,
            position: try SegmentLog.lastPosition(database),
            transactions: Int64(checkpoint.counts.transactions))
        try database.execute(
            sql:
                "INSERT OR REPLACE INTO fold_counts (only_row, transactions, events, set_aside) VALUES (1, ?, ?, ?)",
            arguments: [
                Int64(checkpoint.counts.transactions), Int64(checkpoint.counts.events),
                Int64(checkpoint.counts.setAside),
            ])
    }
}
