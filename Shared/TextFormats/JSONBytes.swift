/// What reader and writer know about the bytes of strings.
enum JSONBytes {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The first position from `start` on of a byte that is not plain: a quote, a backslash, a
    /// control character, or not ASCII; `bytes.count` if all are plain. Eight bytes at a time ("Bit
    /// Twiddling Hacks", haszero and hasless).
    @inline(__always)
    static func endOfPlain(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        let raw = UnsafeRawBufferPointer(bytes)
        while position + 8 <= bytes.count {
            let word = UInt64(
                littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let special = (word | quotes(word) | backslashes(word) | controls(word)) & highs
            // A borrow can mark bytes above the first special one, never below: the lowest mark is
            // exact.
            if special != 0 { return position + special.trailingZeroBitCount >> 3 }
            position += 8
        }
        while position < bytes.count, isPlain(bytes[position]) { position += 1 }
        return position
    }

    @inline(__always)
    private static func quotes(_ word: UInt64) -> UInt64 {
        let difference = word ^ (ones &* 0x22)
        return (difference &- ones) & ~difference
    }

    @inline(__always)
    private static func backslashes(_ word: UInt64) -> UInt64 {
        let difference = word ^ (ones &* 0x5C)
        return (difference &- ones) & ~difference
    }

    @inline(__always)
    private static func controls(_ word: UInt64) -> UInt64 {
        (word &- (ones &* 0x20)) & ~word
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5C
    }

    /// How many bytes the scalar at `position` has, or 0 if it is not valid (RFC 3629: no overlong
    /// forms, no surrogates, nothing beyond U+10FFFF). Not for ASCII.
    static func scalarLength(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        let first = bytes[position]
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard first >= 0xC2, first <= 0xF4, position + length <= bytes.count else { return 0 }
        let second = bytes[position + 1]
        let allowed: ClosedRange<UInt8> =
            switch first {
            case 0xE0: 0xA0...0xBF
            case 0xED: 0x80...0x9F
            case 0xF0: 0x90...0xBF
            case 0xF4: 0x80...0x8F
            default: 0x80...0xBF
            }
        guard allowed.contains(second) else { return 0 }
        for index in 2..<max(length, 2) where bytes[position + index] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Four hexadecimal digits.
    static func hexUnit(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> UInt16? {
        guard position + 4 <= bytes.count else { return nil }
        var unit: UInt16 = 0
        for index in position..<(position + 4) {
            guard let digit = hexDigit(bytes[index]) else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
