import LedgerCore

/// The run of events that one group commit made durable: the unit of durability, transfer and
/// proof. Its bytes are encoded once and never again; wherever it travels, the same bytes travel.
package struct Segment: Hashable, Sendable {
    package let header: SegmentHeader
    package let bytes: [UInt8]

    /// Checks the header, the lengths and the checksum. The chain and the events are not looked at:
    /// a segment whose events are poisoned is still a segment.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        header = try ByteReader.decode(bytes) { (reader) throws(WireError) in
            let header = try SegmentHeader(from: &reader)
            try reader.skip(Int(header.definitionsByteCount) + Int(header.eventsByteCount))
            let checked = reader.offset
            let expected: UInt32 = try reader.fixed()
            try reader.expectEnd()
            let found = bytes.withUnsafeBytes {
                CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[0..<checked]))
            }
            guard found == expected else { throw reader.failure(.checksumMismatch) }
            return header
        }
        self.bytes = bytes
    }

    init(header: SegmentHeader, sealed bytes: [UInt8]) {
        self.header = header
        self.bytes = bytes
    }

    /// The segment's place in the chain.
    package func hash(_ hasher: some ContentHasher) -> Hash256 {
        hasher.chain(header.previous, bytes)
    }

    /// The names first used here, in the order of their numbers.
    ///
    /// - Throws: `WireError` where they are not what the header says. Then no event of the segment
    ///   can be read.
    package func definitions() throws(WireError) -> [Definition] {
        let count = Int(header.definitionCount)
        return try ByteReader.decode(bytes, in: header.definitionsRange) {
            (reader) throws(WireError) in
            var definitions: [Definition] = []
            definitions.reserveCapacity(count)
            for _ in 0..<count { definitions.append(try Definition(from: &reader)) }
            try reader.expectEnd()
            return definitions
        }
    }

    /// The definitions as they stand in the segment, for the rolling hash and for keeping them
    /// apart.
    package var definitionBytes: [UInt8] {
        Array(bytes[header.definitionsRange])
    }
}

/// A segment together with its place in the chain.
package struct SealedSegment: Hashable, Sendable {
    package let segment: Segment
    package let hash: Hash256

    package init(segment: Segment, hash: Hash256) {
        self.segment = segment
        self.hash = hash
    }

    /// Where the chain ends with it.
    package var end: ChainPoint { ChainPoint(sequence: segment.header.lastSequence, hash: hash) }
}
