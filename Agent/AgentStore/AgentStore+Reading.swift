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

    // MARK: Chains

    /// A stream's segments behind an event, oldest first, in at most so many bytes as one message
    /// carries.
    package func segments(
        of stream: StreamTag, after sequence: UInt64, byteCountMax: Int
    ) throws(StoreError) -> [StoredSegment] {
        let row = try known(stream)
        let limit = ReadLimit(segments: SegmentsMessage.segmentsMax, bytes: byteCountMax)
        let found = try database.read {
            try SegmentLog.segments($0, of: row.id, from: sequence + 1, limit: limit)
        }
        var bytes = 0
        let fitting = found.prefix { stored in
            bytes += SegmentsMessage.byteCount(ofSegment: stored.segment.bytes.count)
            return bytes <= byteCountMax
        }
        return Array(fitting)
    }

    /// The highest of these places that is in a stream's chain, and the bytes of the segments behind
    /// it.
    package func locate(_ places: [ChainPoint], in stream: StreamTag) throws(StoreError) -> (
        found: ChainPoint?, bytesBehind: UInt64
    ) {
        let row = try known(stream)
        return try database.read { database in
            let found = try places.sorted { $0.sequence > $1.sequence }.first {
                try isInChain($0, of: row, database)
            }
            return (
                found,
                try AgentStore.byteCount(of: row, after: found?.sequence ?? 0, database)
            )
        }
    }

    /// Whether a stream's chain passes through a place, as far as this log can say: of a place within
    /// what is pruned it cannot, and the aggregator held our chain beyond it.
    package func passes(_ place: ChainPoint, in stream: StreamTag) throws(StoreError) -> Bool {
        let row = try known(stream)
        return try database.read { database in
            if let pruned = try pruned(row, database), place.sequence < pruned.through,
                place.sequence > 0
            {
                return true
            }
            return try isInChain(place, of: row, database)
        }
    }

    private func isInChain(
        _ place: ChainPoint, of row: StreamRow, _ database: Database
    ) throws -> Bool {
        if place.sequence == 0 { return place.hash == row.genesisHash }
        if let pruned = try pruned(row, database), pruned.through == place.sequence {
            return pruned.hash == place.hash
        }
        let stored = try SegmentLog.segment(database, of: row.id, containing: place.sequence)
        return stored.map { $0.end == place } ?? false
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
