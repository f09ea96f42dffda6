import LedgerCore

/// Why bytes from a disk or the network are not what they claim to be.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: Hashable, Sendable {
        case truncated
        case badMagic
        case unknownVersion(UInt8)
        case checksumMismatch
        case tooLong(what: String, length: UInt64, limit: UInt64)
        case invalid(what: String)
        case trailingBytes
        /// Sound itself, and of a group that cannot apply as a whole: because of this event.
        case brokenGroup(sequence: UInt64)
    }

    package let reason: Reason
    /// In bytes from the start of the segment or frame.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    package var description: String {
        let what =
            switch reason {
            case .truncated: "ends too early"
            case .badMagic: "does not start with the format's magic number"
            case .unknownVersion(let version): "has the unknown format version \(version)"
            case .checksumMismatch: "does not match its checksum"
            case .tooLong(let what, let length, let limit):
                "\(what) is \(length), more than the limit of \(limit)"
            case .invalid(let what): "\(what) is invalid"
            case .trailingBytes: "has bytes behind its end"
            case .brokenGroup(let sequence):
                "belongs to a group that cannot apply because of its event \(sequence)"
            }
        return "\(what) (at byte \(offset))"
    }
}

/// Reads the wire format's primitive fields, checking every length before it is believed.
///
/// It borrows its bytes: it lives only inside the closure that handed them out.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int
    private let end: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(bytes, in: 0..<bytes.count)
    }

    init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count,
            "the range lies outside the bytes")
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - offset }

    func failure(_ reason: WireError.Reason) -> WireError {
        WireError(reason, at: offset)
    }

    mutating func u8() throws(WireError) -> UInt8 {
        guard offset < end else { throw failure(.truncated) }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func fixed<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(WireError)
        -> Value
    {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw failure(.truncated) }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    @inline(__always)
    mutating func varint() throws(WireError) -> UInt64 {
        guard offset < end else { throw failure(.truncated) }
        let first = bytes[offset]
        if first < 0x80 {
            offset += 1
            return UInt64(first)
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try u8()
            guard shift < 63 || byte <= 1 else {
                throw failure(.invalid(what: "a number of more than 64 bits"))
            }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 {
                // One spelling a number, so that what was decoded encodes to the same bytes again.
                guard byte > 0 else {
                    throw failure(.invalid(what: "a number written longer than it need be"))
                }
                return value
            }
            shift += 7
        }
    }

    /// A varint that is a length or a count, no more than `limit`.
    mutating func length(_ what: @autoclosure () -> String, limit: Int) throws(WireError) -> Int {
        let value = try varint()
        guard value <= UInt64(limit) else {
            throw failure(.tooLong(what: what(), length: value, limit: UInt64(limit)))
        }
        return Int(value)
    }

    /// 0 or 1.
    mutating func flag(_ what: @autoclosure () -> String) throws(WireError) -> Bool {
        let byte = try u8()
        guard byte <= 1 else { throw failure(.invalid(what: what())) }
        return byte == 1
    }

    mutating func raw(_ count: Int) throws(WireError) -> [UInt8] {
        Array(try slice(count))
    }

    /// As many bytes as a length of 32 bits says; it may be more than an `Int` holds where that has
    /// 32 bits too.
    mutating func raw(_ count: UInt32) throws(WireError) -> [UInt8] {
        guard let count = Int(exactly: count) else { throw failure(.truncated) }
        return try raw(count)
    }

    /// The next bytes, without copying them.
    mutating func slice(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw failure(.truncated) }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    mutating func skip(_ count: Int) throws(WireError) {
        _ = try slice(count)
    }

    mutating func hash() throws(WireError) -> Hash256 {
        Hash256(try slice(Hash256.byteCount))
    }

    /// Valid UTF-8 of at most `limit` bytes.
    mutating func text(_ what: @autoclosure () -> String, limit: Int) throws(WireError) -> String {
        let count = try length(what(), limit: limit)
        let content = try slice(count)
        guard let text = String(validating: content, as: UTF8.self) else {
            throw failure(.invalid(what: what()))
        }
        return text
    }

    func expectEnd() throws(WireError) {
        guard remaining == 0 else { throw failure(.trailingBytes) }
    }
}
