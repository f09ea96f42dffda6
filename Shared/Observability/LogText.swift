/// Makes text safe to stand in a line of the log.
enum LogText {
    /// Only ASCII without control characters: nothing to be done, as with nearly all text.
    static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    }

    static func append(_ text: String, to line: inout [UInt8]) {
        line.append(contentsOf: (isPlain(text) ? text : escaped(text)).utf8)
    }

    /// As one word: in quotes if it has a space, or something that could be taken for the end of a
    /// word.
    static func appendWord(_ text: String, to line: inout [UInt8]) {
        let isWord =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !meansSomething($0) }
        guard !isWord else { return line.append(contentsOf: text.utf8) }
        line.append(UInt8(ascii: "\""))
        line.append(contentsOf: escaped(text, quoting: true).utf8)
        line.append(UInt8(ascii: "\""))
    }

    private static func meansSomething(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "\\")
    }

    /// With `\n`, `\r`, `\t` and `\u{…}` for what must not stand in a line.
    static func escaped(_ text: String, quoting: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\"", "\\":
                if quoting { result += "\\" }
                result.unicodeScalars.append(scalar)
            case _ where misleads(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// For JSON, which escapes control characters of ASCII by itself.
    static func escapedBeyondASCII(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.value >= 0x7F, misleads(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Control characters (C0, DEL and C1, with which a terminal can be steered), separators of
    /// lines and paragraphs, and marks that turn the direction of the text around them ("Trojan
    /// Source", CVE-2021-42574).
    private static func misleads(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x2028...0x2029, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
