/// What is counted: `EUR/2`, `KWH/3`, `SKU-8812`. A code and, behind a slash, how many decimal
/// digits people see.
package struct Asset: Hashable, Sendable, CustomStringConvertible {
    package static let codeLengthMax = 32

    /// The code with its scale, as in requests.
    package let description: String

    /// - Throws: `InvalidValue` where the text is not `[A-Z][A-Z0-9_-]{0,31}(/[0-9]{1,2})?`.
    package init(_ text: String) throws(InvalidValue) {
        guard Asset.isValid(text.utf8) else {
            throw InvalidValue(
                "an asset is a code of capitals, digits, '_' and '-' (1 to \(Asset.codeLengthMax), the first a capital) "
                    + "and an optional scale such as '/2', not \(text.quotedForMessage)")
        }
        description = text
    }

    /// Digits behind the decimal point when an amount is shown to people; 0 where the asset names
    /// none.
    package var scale: Int {
        guard let slash = description.utf8.lastIndex(of: UInt8(ascii: "/")) else { return 0 }
        return Int(description[description.index(after: slash)...]) ?? 0
    }

    /// The code without its scale.
    package var code: String {
        String(description.prefix { $0 != "/" })
    }

    private static func isValid(_ text: String.UTF8View) -> Bool {
        var length = 0
        var scaleDigits: Int?
        for byte in text {
            if let digits = scaleDigits {
                guard isDigit(byte), digits < 2 else { return false }
                scaleDigits = digits + 1
            } else if byte == UInt8(ascii: "/") {
                guard length > 0 else { return false }
                scaleDigits = 0
            } else {
                let mayStand = isCapital(byte) || (length > 0 && mayFollow(byte))
                guard mayStand, length < codeLengthMax else { return false }
                length += 1
            }
        }
        return length > 0 && scaleDigits != 0
    }

    private static func isCapital(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func mayFollow(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
