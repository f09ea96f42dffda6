import LedgerCore

/// What is put around every message: what it is, of which session, and proof that it arrived whole.
package struct Frame: Hashable, Sendable {
    /// A frame's kind. A reader passes over those it does not know. Reserved are 7 (digests) from an
    /// agent and 22 (pace) to one.
    package enum Kind: UInt8, Sendable, CaseIterable {
        // From an agent.
        case hello = 1
        case proof = 2
        case segments = 3
        case definitions = 4
        case accountRequest = 5
        case watermark = 6
        case unreadable = 8
        case spans = 9
        case returns = 10
        // To an agent.
        case welcome = 16
        case ack = 17
        case needs = 18
        case needsDefinitions = 19
        case hubEvents = 20
        case accountSnapshot = 21
        // Retained, and to all.
        case status = 32
        case hub = 33
    }

    package static let magic: UInt16 = 0x4D54
    package static let version: UInt8 = 1
    package static let headerByteCount = 20
    package static let trailerByteCount = 4
    /// A whole frame, in bytes: what the brokers we know take (256 KiB).
    package static let byteCountMax = 256 * 1024

    package let kind: UInt8
    /// The session it belongs to; 0 outside of one.
    package let session: UInt64
    package let body: [UInt8]
    package let signature: Signature?

    package init(kind: Kind, session: UInt64, body: [UInt8], signature: Signature? = nil) {
        self.init(kind: kind.rawValue, session: session, body: body, signature: signature)
    }

    init(kind: UInt8, session: UInt64, body: [UInt8], signature: Signature?) {
        self.kind = kind
        self.session = session
        self.body = body
        self.signature = signature
    }

    package static func byteCount(body: Int) -> Int {
        headerByteCount + body + Signature.byteCount + trailerByteCount
    }

    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.reserve(Frame.byteCount(body: body.count))
        writer.fixed(Frame.magic)
        writer.u8(Frame.version)
        writer.u8(kind)
        writer.u8(signature == nil ? 0 : 1)
        writer.raw([0, 0, 0])
        writer.fixed(session)
        writer.fixed(UInt32(body.count))
        writer.raw(body)
        if let signature { writer.raw(signature.bytes) }
        writer.fixed(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        self = try ByteReader.decode(bytes) { (reader) throws(WireError) in
            guard bytes.count <= Frame.byteCountMax else {
                let limit = UInt64(Frame.byteCountMax)
                throw reader.failure(
                    .tooLong(what: "the frame", length: UInt64(bytes.count), limit: limit))
            }
            let frame = try Frame(from: &reader)
            let checked = reader.offset
            let expected: UInt32 = try reader.fixed()
            try reader.expectEnd()
            let found = bytes.withUnsafeBytes {
                CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[0..<checked]))
            }
            guard found == expected else { throw reader.failure(.checksumMismatch) }
            return frame
        }
    }

    private init(from reader: inout ByteReader) throws(WireError) {
        guard try reader.fixed(UInt16.self) == Frame.magic else { throw reader.failure(.badMagic) }
        let version = try reader.u8()
        guard version == Frame.version else { throw reader.failure(.unknownVersion(version)) }
        kind = try reader.u8()
        let flags = try reader.u8()
        guard flags <= 1 else { throw reader.failure(.invalid(what: "the frame's flags")) }
        try reader.skip(3)
        session = try reader.fixed()
        let length: UInt32 = try reader.fixed()
        body = try reader.raw(length)
        signature = flags & 1 == 1 ? Signature(bytes: try reader.raw(Signature.byteCount)) : nil
    }
}
