import LedgerCore

/// Appends the wire format's primitive fields to a buffer. Integers of fixed size are
/// little-endian; a `varint` is LEB128 (DWARF 5, section 7.6): seven bits a byte, the lowest first,
/// the high bit set on all but the last.
struct ByteWriter {
    /// What a `varint` takes at most.
    static let varintBytesMax = 10

    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func reserve(_ capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    mutating func u8(_ value: UInt8) {
        bytes.append(value)
    }

    mutating func fixed<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func raw(_ content: some Collection<UInt8>) {
        bytes.append(contentsOf: content)
    }

    mutating func hash(_ hash: Hash256) {
        hash.append(to: &bytes)
    }

    /// A varint length, then the UTF-8 bytes.
    mutating func text(_ text: String) {
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func truncate(to count: Int) {
        bytes.removeLast(bytes.count - count)
    }

    mutating func overwrite<Value: FixedWidthInteger>(at offset: Int, _ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { source in
            for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
        }
    }
}
