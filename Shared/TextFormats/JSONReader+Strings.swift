extension JSONReader {
    /// A string.
    ///
    /// - Parameter bytesMax: a string that is longer, in bytes of UTF-8 without its escapes, is
    ///   refused.
    package mutating func string(bytesMax: Int = .max) throws(JSONError) -> String {
        try begin(UInt8(ascii: "\""), "a string")
        let value = makeString(try scanString())
        guard value.utf8.count <= bytesMax else {
            throw refusal("must have at most \(bytesMax) bytes")
        }
        return value
    }

    /// A string, lent as its bytes of valid UTF-8: for decoders that look a name up without making
    /// a `String`.
    package mutating func text<Value>(_ body: (Span<UInt8>) throws(JSONError) -> Value)
        throws(JSONError) -> Value
    {
        try begin(UInt8(ascii: "\""), "a string")
        let text = try scanString()
        guard text.hasEscapes else {
            return try body(UnsafeBufferPointer(rebasing: bytes[text.range]).span)
        }
        unescape(text.range)
        return try body(scratch.span)
    }

    /// The text between two quotes, as it stands in the document.
    struct Text {
        var range: Range<Int>
        var hasEscapes: Bool
    }

    mutating func makeString(_ text: Text) -> String {
        guard text.hasEscapes else { return String(decoding: bytes[text.range], as: UTF8.self) }
        unescape(text.range)
        return String(decoding: scratch, as: UTF8.self)
    }
}

// MARK: Checking

extension JSONReader {
    /// Passes a string, having checked all of it. `position` is at the opening quote.
    mutating func scanString() throws(JSONError) -> Text {
        let start = position + 1
        position = start
        var hasEscapes = false
        while true {
            position = JSONBytes.endOfPlain(bytes, from: position)
            guard position < bytes.count else {
                throw malformed("a string is not closed", at: start - 1)
            }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return Text(range: start..<(position - 1), hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try scanEscape()
            case 0x80...:
                let length = JSONBytes.scalarLength(bytes, at: position)
                guard length > 0 else { throw malformed("a string is not valid UTF-8") }
                position += length
            default:
                throw malformed("a control character must be escaped in a string")
            }
        }
    }

    private mutating func scanEscape() throws(JSONError) {
        guard position + 1 < bytes.count else { throw malformed("a string is not closed") }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"): try scanUnicodeEscape()
        default: throw malformed("a backslash must be followed by one of \" \\ / b f n r t u")
        }
    }

    /// RFC 8259, §7: a scalar beyond U+FFFF is two escapes, a high and a low surrogate; neither
    /// stands alone.
    private mutating func scanUnicodeEscape() throws(JSONError) {
        guard let unit = JSONBytes.hexUnit(bytes, at: position + 2) else {
            throw malformed("\\u must be followed by four hexadecimal digits")
        }
        guard unit & 0xF800 == 0xD800 else {
            position += 6
            return
        }
        guard unit < 0xDC00, position + 7 < bytes.count, bytes[position + 6] == UInt8(ascii: "\\"),
            bytes[position + 7] == UInt8(ascii: "u"),
            let low = JSONBytes.hexUnit(bytes, at: position + 8),
            low & 0xFC00 == 0xDC00
        else { throw malformed("a surrogate may not stand alone") }
        position += 12
    }
}

// MARK: Unescaping

extension JSONReader {
    /// Puts the text of a string that has been checked into `scratch`, without its escapes.
    mutating func unescape(_ range: Range<Int>) {
        scratch.removeAll(keepingCapacity: true)
        var position = range.lowerBound
        while position < range.upperBound {
            guard bytes[position] == UInt8(ascii: "\\") else {
                scratch.append(bytes[position])
                position += 1
                continue
            }
            switch bytes[position + 1] {
            case UInt8(ascii: "b"): scratch.append(0x08)
            case UInt8(ascii: "f"): scratch.append(0x0C)
            case UInt8(ascii: "n"): scratch.append(0x0A)
            case UInt8(ascii: "r"): scratch.append(0x0D)
            case UInt8(ascii: "t"): scratch.append(0x09)
            case UInt8(ascii: "u"):
                position = unescapeUnicode(position)
                continue
            default: scratch.append(bytes[position + 1])
            }
            position += 2
        }
    }

    /// The position behind the escape, or behind the two that are one scalar.
    private mutating func unescapeUnicode(_ position: Int) -> Int {
        let high = JSONBytes.hexUnit(bytes, at: position + 2)!
        guard high & 0xF800 == 0xD800 else {
            scratch.append(contentsOf: UTF8.encode(Unicode.Scalar(high)!)!)
            return position + 6
        }
        let low = JSONBytes.hexUnit(bytes, at: position + 8)!
        let value = 0x10000 + (UInt32(high) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
        scratch.append(contentsOf: UTF8.encode(Unicode.Scalar(value)!)!)
        return position + 12
    }
}
