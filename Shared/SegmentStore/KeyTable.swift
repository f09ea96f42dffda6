import GRDB
import LedgerCore
import SyncProtocol

/// Idempotency keys and the events they belong to. On the writer's own side the log holds the same,
/// so the table can be made again from it.
package enum KeyTable {
    package struct Entry: Hashable, Sendable {
        package let digest: RequestDigest
        package let stream: StreamID
        package let sequence: UInt64

        package init(digest: RequestDigest, stream: StreamID, sequence: UInt64) {
            self.digest = digest
            self.stream = stream
            self.sequence = sequence
        }
    }

    package static func find(_ database: Database, _ key: IdempotencyKey) throws(StoreError)
        -> Entry?
    {
        var select = try SQLStatement(
            database,
            "SELECT digest, stream, sequence FROM idempotency_keys WHERE scope = ? AND key = ?")
        try select.bind(key.scope)
        try select.bind(key.key)
        guard try select.step() else { return nil }
        guard let digest = RequestDigest(storage: select.blob(0)) else {
            throw .corrupt(
                place: "\(database.place), the key \(key.key.quotedForMessage)",
                detail: "its digest is not 16 bytes long")
        }
        return Entry(
            digest: digest, stream: StreamID(rawValue: select.integer(1)),
            sequence: UInt64(max(select.integer(2), 0)))
    }

    /// Gives a key to an event. The first event that a key is given to keeps it.
    ///
    /// - Parameter time: of the event, for a side whose table keeps it.
    /// - Returns: whether the key was free.
    @discardableResult
    package static func insert(
        _ database: Database, _ key: IdempotencyKey, _ entry: Entry, time: HybridTimestamp? = nil
    ) throws(StoreError) -> Bool {
        var insert = try SQLStatement(
            database,
            "INSERT INTO idempotency_keys (scope, key, digest, stream, sequence"
                + (time == nil ? ") VALUES (?, ?, ?, ?, ?" : ", time) VALUES (?, ?, ?, ?, ?, ?")
                + ") ON CONFLICT DO NOTHING")
        try insert.bind(key.scope)
        try insert.bind(key.key)
        try insert.bind(entry.digest.storage)
        try insert.bind(entry.stream.rawValue)
        try insert.bind(sequence: entry.sequence)
        if let time { try insert.bind(Int64(bitPattern: time.rawValue)) }
        try insert.run()
        return database.changesCount > 0
    }
}

extension RequestDigest {
    /// 16 bytes, the high ones first, as people read them.
    var storage: [UInt8] {
        var bytes: [UInt8] = []
        for word in [high, low] {
            withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    init?(storage bytes: [UInt8]) {
        guard bytes.count == RequestDigest.byteCount else { return nil }
        self.init(
            high: bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    }
}
