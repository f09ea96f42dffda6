import AggregatorCore
import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension LedgerStore {
    /// Everything a start needs: the fold at its checkpoint, brought up to the end of the log.
    package func load() throws(StoreError) -> HubOrigin {
        if let loaded = firstLook.withLock({ $0.take() }) { return loaded }
        return try database.read { [hasher] in try LedgerStore.load($0, hasher) }
    }

    static func load(_ database: Database, _ hasher: any ContentHasher) throws -> HubOrigin {
        guard let (_, hub) = try findHub(database) else {
            throw StoreError.corrupt(place: "table aggregator", detail: "it has no hub")
        }
        let streams = try SegmentLog.streams(database)
        let log = LoggedSegments(database, streams, hasher)
        let checkpoint = try FoldCheckpoint.load(database)
        var replay = LogReplay(
            log, hubs: streams.filter { $0.genesis.writer == .hub }.map(\.tag),
            balances: checkpoint?.balances ?? Balances(), counts: try counts(database))
        let end = try run(&replay, log, streams, from: checkpoint?.position ?? 0)
        let agents = streams.filter { $0.genesis.writer == .agent }
        let known = try agents.map { try LedgerStore.known($0, replay.state, database) }
        let fold = try replay.finish(
            zip(agents, known).flatMap { row, stream in
                stream.ends.map { (row.tag, $0.dictionary) }
            })
        let own = try Row.fetchOne(database, sql: "SELECT clock, is_restored FROM aggregator")
        let head = try SegmentLog.head(database, of: hub.id)
        return HubOrigin(
            genesis: hub.genesis,
            end: head?.end ?? ChainPoint(sequence: 0, hash: hub.genesisHash), fold: fold,
            streams: known, position: end.position, hash: end.hash ?? hub.genesisHash,
            clock: HybridTimestamp(rawValue: UInt64(bitPattern: own?[0] as Int64? ?? 0)),
            isRestored: own?[1] as Int64? ?? 0 != 0)
    }

    /// Replays the log behind a checkpoint.
    ///
    /// - Returns: where it ends.
    private static func run(
        _ replay: inout LogReplay<LoggedSegments>, _ log: LoggedSegments, _ streams: [StreamRow],
        from checkpoint: Int64
    ) throws -> (position: Int64, hash: Hash256?) {
        for hub in streams where hub.genesis.writer == .hub {
            var next: UInt64 = 1
            while true {
                let segments = try log.segments(of: hub.id, from: next)
                    .prefix { $0.position <= checkpoint }
                guard let last = segments.last else { break }
                for stored in segments {
                    try check(try replay.countIn(hub: stored.sealed), stored)
                }
                next = last.segment.header.lastSequence + 1
            }
        }
        var position = checkpoint
        var hash = checkpoint > 0 ? try log.segments(after: checkpoint - 1).first?.hash : nil
        while true {
            let segments = try log.segments(after: position)
            guard let last = segments.last else { return (position, hash) }
            for stored in segments { try check(try replay.add(stored.sealed), stored) }
            position = last.position
            hash = last.hash
        }
    }

    private static func check(
        _ trouble: HubFold.Trouble?, _ stored: StoredSegment
    ) throws(StoreError) {
        guard let trouble else { return }
        throw .corrupt(
            place: "segment \(stored.position)",
            detail: "another version of this program merged what this one cannot read: \(trouble)")
    }

    private static func counts(_ database: Database) throws -> GlobalLedger.Counts {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT transactions, events, set_aside FROM fold_counts")
        else { return GlobalLedger.Counts() }
        return GlobalLedger.Counts(
            transactions: UInt64(row[0] as Int64), events: UInt64(row[1] as Int64),
            setAside: UInt64(row[2] as Int64))
    }

    private static func known(
        _ row: StreamRow, _ state: HubState, _ database: Database
    ) throws -> HubOrigin.Stream {
        let stored = try Row.fetchOne(
            database,
            sql: """
                SELECT proved_session, announced, announced_hash, watermark, evidence
                FROM stream_records WHERE stream = ?
                """, arguments: [row.id.rawValue])
        let head = try SegmentLog.head(database, of: row.id)
        let end = head?.end ?? ChainPoint(sequence: 0, hash: row.genesisHash)
        var record = StreamSession.Record(announced: end, standing: state.standing(of: row.tag))
        if let stored {
            record.provedSession = UInt64(bitPattern: stored[0])
            let announced = UInt64(bitPattern: stored[1])
            if announced > end.sequence {
                record.announced = ChainPoint(
                    sequence: announced, hash: Hash256(stored[2] as Data))
            }
            record.watermark = HybridTimestamp(rawValue: UInt64(bitPattern: stored[3]))
            record.evidence = try (stored[4] as Data?).map { try evidence($0, row) }
        }
        return HubOrigin.Stream(
            genesis: row.genesis, record: record,
            ends: try branchEnds(row, database) ?? head.map { [BranchEnd($0)] } ?? [],
            committedAt: head?.recordedAt)
    }

    private static func evidence(_ data: Data, _ row: StreamRow) throws(StoreError) -> SignedHead {
        do throws(WireError) { return try SignedHead(decoding: Array(data)) } catch {
            throw .corrupt(
                place: "table stream_records, stream \(row.tag)", detail: error.description)
        }
    }

    /// Where the branches of a stream end that has several; nil for any other.
    private static func branchEnds(_ row: StreamRow, _ database: Database) throws -> [BranchEnd]? {
        let points = try Row.fetchAll(
            database,
            sql: "SELECT sequence, hash FROM branch_ends WHERE stream = ? ORDER BY sequence, hash",
            arguments: [row.id.rawValue]
        ).map {
            ChainPoint(sequence: UInt64(bitPattern: $0[0] as Int64), hash: Hash256($0[1] as Data))
        }
        guard !points.isEmpty else { return nil }
        return try points.map { point in
            // Of a stream whose first events are lost, and may yet come.
            guard point.sequence > 0 else { return BranchEnd(point: point, dictionary: .empty) }
            guard let stored = try SegmentLog.segment(database, of: row.id, endingAt: point) else {
                throw StoreError.corrupt(
                    place: "table branch_ends, stream \(row.tag)",
                    detail: "the log has no segment that ends with event \(point.sequence) there")
            }
            return BranchEnd(stored)
        }
    }
}

extension BranchEnd {
    fileprivate init(_ stored: StoredSegment) {
        self.init(point: stored.end, dictionary: stored.segment.header.dictionary)
    }
}

/// The log as a replay asks it, within one transaction.
private struct LoggedSegments: ReplayedLog {
    private let database: Database
    private let ids: [StreamTag: StreamID]
    private let hasher: any ContentHasher

    init(_ database: Database, _ streams: [StreamRow], _ hasher: any ContentHasher) {
        self.database = database
        self.hasher = hasher
        ids = Dictionary(streams.map { ($0.tag, $0.id) }, uniquingKeysWith: { first, _ in first })
    }

    /// The segments behind a position.
    func segments(after position: Int64) throws(StoreError) -> [StoredSegment] {
        try SegmentLog.segments(database, after: position)
    }

    func segments(of stream: StreamID, from sequence: UInt64) throws(StoreError) -> [StoredSegment]
    {
        try SegmentLog.segments(database, of: stream, from: sequence)
    }

    func dictionary(before sealed: SealedSegment) throws(StoreError) -> DictionaryState {
        try SegmentLog.dictionary(
            database, before: sealed.segment, of: try id(sealed.segment.header.stream))
    }

    func names(
        of stream: StreamTag, leadingTo state: DictionaryState
    ) throws(StoreError) -> [Definition?] {
        try SegmentLog.names(database, of: try id(stream), leadingTo: state, hasher)
    }

    func segment(
        of span: EventSpan, before hub: SealedSegment
    ) throws(StoreError) -> Segment? {
        guard let id = ids[span.stream],
            let found = try LedgerStore.stored(span, id, database)
        else { return nil }
        let header = hub.segment.header
        let own = try SegmentLog.segment(
            database, of: try self.id(header.stream), first: header.firstSequence, hash: hub.hash)
        guard let own, found.position < own.position else { return nil }
        return found.segment
    }

    private func id(_ stream: StreamTag) throws(StoreError) -> StreamID {
        guard let id = ids[stream] else {
            throw .corrupt(place: "table segments", detail: "stream \(stream) is not there")
        }
        return id
    }
}

extension StoredSegment {
    fileprivate var sealed: SealedSegment { SealedSegment(segment: segment, hash: hash) }
}
