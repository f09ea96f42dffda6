/// The short name of a stream: the first 40 bits of its genesis hash, as 8 characters of
/// Crockford's base32 in small letters (crockford.com/base32.html), such as `k3f9qa2m`.
package struct StreamTag: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let length = 8
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// The 40 bits, in the low end.
    package let rawValue: UInt64

    /// - Returns: nil where more than 40 bits are set.
    package init?(rawValue: UInt64) {
        guard rawValue < 1 << 40 else { return nil }
        self.rawValue = rawValue
    }

    package init(genesisHash: Hash256) {
        rawValue = genesisHash.first40Bits
    }

    /// - Throws: `InvalidValue` where the text is not 8 characters of the alphabet.
    package init(_ text: some StringProtocol) throws(InvalidValue) {
        var value: UInt64 = 0
        guard text.utf8.count == StreamTag.length else { throw StreamTag.invalid(text) }
        for byte in text.utf8 {
            guard let digit = StreamTag.alphabet.firstIndex(of: byte) else {
                throw StreamTag.invalid(text)
            }
            value = value << 5 | UInt64(digit)
        }
        rawValue = value
    }

    package var description: String {
        let characters = (0..<StreamTag.length).map { place in
            StreamTag.alphabet[Int(rawValue >> UInt64(35 - 5 * place) & 31)]
        }
        return String(decoding: characters, as: UTF8.self)
    }

    package static func < (left: StreamTag, right: StreamTag) -> Bool {
        left.rawValue < right.rawValue
    }

    private static func invalid(_ text: some StringProtocol) -> InvalidValue {
        InvalidValue(
            "a stream tag is 8 characters of 0-9 and a-z without i, l, o and u, not \(String(text).quotedForMessage)"
        )
    }
}
