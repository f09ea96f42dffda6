/// The name of an account: parts of letters, digits, `_` and `-`, joined by colons, as in
/// `stores:042:till:3`. An account exists from its first use on.
package struct AccountAddress: Hashable, Sendable, CustomStringConvertible {
    /// In bytes; every character that may stand in an address is one byte.
    package static let lengthMax = 255

    /// The source and sink outside the ledger. Never limited.
    package static let world = AccountAddress(unchecked: "world")

    package let description: String

    /// - Throws: `InvalidValue` where a part is empty, a character may not stand, or the whole is
    ///   too long.
    package init(_ text: String) throws(InvalidValue) {
        guard AccountAddress.isValid(text.utf8) else {
            throw InvalidValue(
                "an account is parts of letters, digits, '_' and '-' joined by ':', at most \(AccountAddress.lengthMax) "
                    + "bytes, such as stores:042:till:3, not \(text.quotedForMessage)")
        }
        description = text
    }

    private init(unchecked text: String) {
        description = text
    }

    private static func isValid(_ text: String.UTF8View) -> Bool {
        var length = 0
        var partLength = 0
        for byte in text {
            if byte == UInt8(ascii: ":") {
                guard partLength > 0 else { return false }
                partLength = 0
            } else {
                guard mayStand[Int(byte)] else { return false }
                partLength += 1
            }
            length += 1
        }
        return partLength > 0 && length <= lengthMax
    }

    private static let mayStand: [Bool] = (0...255).map { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
