import LedgerCore
import SyncProtocol

/// The row of a stream in this database.
package struct StreamID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package var description: String { "\(rawValue)" }

    package static func < (left: StreamID, right: StreamID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// A stream that this database knows.
package struct StreamRow: Hashable, Sendable {
    package let id: StreamID
    package let tag: StreamTag
    package let genesis: Genesis
    package let genesisHash: Hash256
    /// The last sequence number that is no longer kept, and the hash of the segment that ended
    /// there; nil while all are.
    package let pruned: Pruned?

    package struct Pruned: Hashable, Sendable {
        package let through: UInt64
        package let hash: Hash256
    }
}

/// A segment as it stands in the log.
package struct StoredSegment: Hashable, Sendable {
    /// Its place in this database's log; a later commit has a greater one.
    package let position: Int64
    package let streamID: StreamID
    package let hash: Hash256
    package let recordedAt: Timestamp
    package let segment: Segment

    package init(
        position: Int64, streamID: StreamID, hash: Hash256, recordedAt: Timestamp, segment: Segment
    ) {
        self.position = position
        self.streamID = streamID
        self.hash = hash
        self.recordedAt = recordedAt
        self.segment = segment
    }
}

/// The definitions that one segment added to its stream's dictionary.
package struct DefinitionRow: Hashable, Sendable {
    package let before: DictionaryState
    package let after: DictionaryState
    package let bytes: [UInt8]

    /// - Throws: `StoreError.corrupt` where the bytes are not as many definitions as the row says.
    package func definitions() throws(StoreError) -> [Definition] {
        do throws(WireError) {
            return try Definition.list(decoding: bytes, count: Int(after.count - before.count))
        } catch {
            throw .corrupt(
                place: "table definitions, names \(before.count) to \(after.count)",
                detail: error.description)
        }
    }

    /// The same, with nil for each where the bytes make no names and never did: that is what their
    /// writer sent and signed, and the segments that use them are set aside.
    ///
    /// - Throws: `StoreError.corrupt` where the bytes are not those that were written.
    package func names(_ hasher: any ContentHasher) throws(StoreError) -> [Definition?] {
        do throws(StoreError) { return try definitions() } catch {
            let count = Int(after.count - before.count)
            guard before.advanced(by: count, encoded: bytes, hasher) == after else { throw error }
            return [Definition?](repeating: nil, count: count)
        }
    }
}

/// How much one read hands out: it ends at the first limit that is reached, but never before the
/// first segment.
package struct ReadLimit: Sendable {
    package var segments: Int
    package var bytes: Int

    /// A megabyte, or some thousand events.
    package init(segments: Int = 256, bytes: Int = 1 << 20) {
        self.segments = segments
        self.bytes = bytes
    }
}
