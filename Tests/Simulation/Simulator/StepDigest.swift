/// A running digest of all that a run did: what happened, to whom, and with which bytes. Two runs of
/// one seed that differ anywhere differ in it from there on.
///
/// Sixty-four bits that nobody attacks: fast, not cryptographic.
package struct StepDigest: Hashable, Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    mutating func feed(_ word: UInt64) {
        var mixed = (value ^ word) &* 0x9FB2_1C65_1E98_DF25
        mixed ^= mixed >> 32
        value = mixed &* 0xD6E8_FEB8_6659_FD93
    }

    mutating func feed(_ number: Int64) {
        feed(UInt64(bitPattern: number))
    }

    mutating func feed(_ bytes: [UInt8]) {
        feed(UInt64(bytes.count))
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while buffer.count - offset >= 8 {
                feed(
                    UInt64(
                        littleEndian: buffer.loadUnaligned(
                            fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            var rest: UInt64 = 0
            while offset < buffer.count {
                rest = rest << 8 | UInt64(buffer[offset])
                offset += 1
            }
            feed(rest)
        }
    }

    /// 16 hex digits.
    package var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
