/// A SHA-256 digest (FIPS 180-4), held as four words so that copying and comparing it touches no
/// heap.
package struct Hash256: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 32
    package static let zero = Hash256(words: (0, 0, 0, 0))

    private let word0, word1, word2, word3: UInt64

    /// The digest's bytes as big-endian words, the first 8 bytes first.
    package init(words: (UInt64, UInt64, UInt64, UInt64)) {
        (word0, word1, word2, word3) = words
    }

    /// - Precondition: exactly 32 bytes.
    package init(_ bytes: some Sequence<UInt8>) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var count = 0
        for byte in bytes {
            let value = UInt64(byte) << (56 - 8 * (count % 8))
            switch count / 8 {
            case 0: words.0 |= value
            case 1: words.1 |= value
            case 2: words.2 |= value
            case 3: words.3 |= value
            default: break
            }
            count += 1
        }
        precondition(count == Hash256.byteCount, "a SHA-256 digest has 32 bytes, not \(count)")
        self.init(words: words)
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Hash256.byteCount)
        append(to: &bytes)
        return bytes
    }

    package func append(to buffer: inout [UInt8]) {
        for word in [word0, word1, word2, word3] {
            withUnsafeBytes(of: word.bigEndian) { buffer.append(contentsOf: $0) }
        }
    }

    /// The first 40 bits, from which a stream takes its tag.
    package var first40Bits: UInt64 { word0 >> 24 }

    /// 64 hex digits.
    package var description: String { bytes.hexadecimal }

    /// The first 8 hex digits, which tell two events of one id apart after a fork.
    package var shortDescription: String { String(description.prefix(8)) }
}

extension Hash256: Comparable {
    /// The order of its bytes, and of its digits.
    package static func < (left: Hash256, right: Hash256) -> Bool {
        (left.word0, left.word1, left.word2, left.word3)
            < (right.word0, right.word1, right.word2, right.word3)
    }
}

extension Sequence<UInt8> {
    /// Two lower-case hex digits a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
