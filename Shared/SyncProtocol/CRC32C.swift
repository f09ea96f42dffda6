/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), computed eight bytes at a time (slicing-by-8).
package enum CRC32C {
    private static let tables: [[UInt32]] = makeTables()

    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.withContiguousStorageIfAvailable { checksum(UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { checksum($0) }
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let tables = tables
        var crc = ~UInt32(0)
        var offset = 0
        while bytes.count - offset >= 8 {
            let word =
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                ^ UInt64(crc)
            crc = 0
            for lane in 0..<8 {
                crc ^= tables[7 - lane][Int(truncatingIfNeeded: word >> UInt64(8 * lane)) & 0xFF]
            }
            offset += 8
        }
        while offset < bytes.count {
            crc = crc >> 8 ^ tables[0][Int((crc ^ UInt32(bytes[offset])) & 0xFF)]
            offset += 1
        }
        return ~crc
    }

    private static func makeTables() -> [[UInt32]] {
        let polynomial: UInt32 = 0x82F6_3B78
        let first = (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in
                value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1
            }
        }
        var tables = [first]
        for _ in 1..<8 {
            tables.append(tables[tables.count - 1].map { $0 >> 8 ^ first[Int($0 & 0xFF)] })
        }
        return tables
    }
}
