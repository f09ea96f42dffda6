import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentStore {
    package func keyRecord(_ key: IdempotencyKey) throws(StoreError) -> KeyRecord? {
        guard let found = try database.read({ try KeyTable.find($0, key) }) else { return nil }
        guard let stream = streams.first(where: { $0.id == found.stream }) else {
            throw .corrupt(
                place: "the key \(key.key.quotedForMessage)",
                detail: "stream \(found.stream) is not there")
        }
        return KeyRecord(
            place: EventPlace(stream: stream.tag, sequence: found.sequence), digest: found.digest)
    }

    // MARK: What the outbox asks

    package func answer(_ question: LogQuestion) throws(StoreError) -> LogAnswer {
        switch question {
        case .segments(let stream, _, let after, _, let byteCountMax):
            return try segments(of: stream, after: after, byteCountMax: byteCountMax)
        case .places(let stream, let places):
            let row = try known(stream)
            return try database.read { database in
                let (found, bytes) = try locate(places, in: row, database)
                return .place(found, bytesBehind: bytes)
            }
        case .definitions(let stream, _, let needs):
            let found = try definitions(of: stream, from: needs.first, through: needs.through)
            return .definitions(found)
        case .timeBefore(let place):
            let next = EventPlace(stream: place.stream, sequence: place.sequence + 1)
            return .time(try segment(containing: next)?.segment.timeBefore)
        case .placements(let stream, _, let sequences, let hub):
            return .returns(try placements(of: stream, sequences, to: hub))
        case .hubEvents(let stream, _, let hub):
            return .returns(try hubEvents(of: stream, to: hub))
        }
    }

    /// A stream's segments behind an event, oldest first, in at most so many bytes as one message
    /// carries, up to the first whose bytes are not those that were written.
    func segments(of stream: StreamTag, after sequence: UInt64, byteCountMax: Int)
        throws(StoreError) -> LogAnswer
    {
        let row = try known(stream)
        let limit = ReadLimit(segments: SegmentsMessage.segmentsMax, bytes: byteCountMax)
        let (found, unreadable) = try database.read {
            try SegmentLog.readable($0, of: row, after: sequence, limit: limit, hasher)
        }
        if found.isEmpty, let unreadable {
            return .unreadable(unreadable.sequences, end: unreadable.end)
        }
        var bytes = 0
        let fitting = found.prefix { sealed in
            bytes += SegmentsMessage.byteCount(ofSegment: sealed.segment.bytes.count)
            return bytes <= byteCountMax
        }
        return .segments(Array(fitting))
    }

    private func placements(
        of stream: StreamTag, _ sequences: ClosedRange<UInt64>, to hub: StreamTag
    ) throws(StoreError) -> [Returns] {
        let row = try known(stream)
        return try database.read { database in
            let runs = try HubTable.runs(
                of: row.id, overlapping: sequences, besides: hub, database)
            guard !runs.isEmpty else { return [] }
            return try HubTable.all(database).flatMap { former -> [Returns] in
                (runs[former.tag] ?? []).chunked(by: Returns.runsMax).map {
                    Returns(stream: stream, former: former.genesis, runs: $0, events: [])
                }
            }
        }
    }

    private func hubEvents(of stream: StreamTag, to hub: StreamTag) throws(StoreError) -> [Returns]
    {
        try database.read { database in
            let events = try HubTable.events(besides: hub, database)
            return try HubTable.all(database).flatMap { former -> [Returns] in
                (events[former.tag] ?? []).chunked(by: Returns.eventsMax).map {
                    Returns(stream: stream, former: former.genesis, runs: [], events: $0)
                }
            }
        }
    }

    // MARK: Chains

    /// What the log says to a session that is about to be proved.
    package func search(_ opening: SessionOpening) throws(StoreError) -> ChainSearch {
        let row = try known(opening.stream)
        return try database.read { database in
            let (found, bytes) = try locate(opening.leaves, in: row, database)
            return ChainSearch(
                found: found, hasAnnounced: try passes(opening.announced, of: row, database),
                keptBehind: try keptBehind(row, database), bytesBehind: bytes)
        }
    }

    /// The highest of these places that is in a stream's chain, and the bytes of the segments behind
    /// it.
    private func locate(
        _ places: [ChainPoint], in row: StreamRow, _ database: Database
    ) throws -> (ChainPoint?, bytesBehind: UInt64) {
        let found = try places.sorted { $0.sequence > $1.sequence }.first {
            try isInChain($0, of: row, database)
        }
        return (found, try AgentStore.byteCount(of: row, after: found?.sequence ?? 0, database))
    }

    /// Whether a stream's chain passes through a place, as far as this log can say: of a place within
    /// what is pruned it cannot, and the aggregator held our chain beyond it.
    private func passes(
        _ place: ChainPoint, of row: StreamRow, _ database: Database
    ) throws -> Bool {
        if let pruned = try pruned(row, database), place.sequence < pruned.through,
            place.sequence > 0
        {
            return true
        }
        return try isInChain(place, of: row, database)
    }

    private func isInChain(
        _ place: ChainPoint, of row: StreamRow, _ database: Database
    ) throws -> Bool {
        if place.sequence == 0 { return place.hash == row.genesisHash }
        if let pruned = try pruned(row, database), pruned.through == place.sequence {
            return pruned.hash == place.hash
        }
        return try SegmentLog.end(database, of: row.id, containing: place.sequence) == place
    }

    /// What a stream's segments behind an event take.
    package func byteCount(of stream: StreamTag, after sequence: UInt64) throws(StoreError)
        -> UInt64
    {
        let row = try known(stream)
        return try database.read { try AgentStore.byteCount(of: row, after: sequence, $0) }
    }

    static func byteCount(
        of row: StreamRow, after sequence: UInt64, _ database: Database
    ) throws -> UInt64 {
        let sum = try Int64.fetchOne(
            database,
            sql:
                "SELECT coalesce(sum(length(bytes)), 0) FROM segments WHERE stream = ? AND first_seq > ?",
            arguments: [row.id.rawValue, Int64(bitPattern: sequence)])
        return UInt64(sum ?? 0)
    }

    /// A stream's definitions from a number on, for an aggregator that lost them.
    package func definitions(
        of stream: StreamTag, from first: UInt32, through last: UInt32
    ) throws(StoreError) -> [Definition] {
        let row = try known(stream)
        let rows = try database.read { try SegmentLog.definitions($0, of: row.id) }
        var all: [Definition] = []
        for row in rows { all += try row.definitions() }
        return Array(all.dropFirst(Int(first)).prefix(Int(last) - Int(first)))
    }

    package func receipt(covering place: EventPlace) throws(StoreError) -> Receipt? {
        let row = try known(place.stream)
        return try database.read { try ReceiptTable.find(covering: place.sequence, of: row, $0) }
    }
}

extension Array {
    fileprivate func chunked(by count: Int) -> [[Element]] {
        stride(from: 0, to: self.count, by: count).map {
            Array(self[$0..<Swift.min($0 + count, self.count)])
        }
    }
}
