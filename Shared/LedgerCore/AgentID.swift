/// The name of an agent, given by whoever installs the device: `till-042`. It stands in event ids,
/// in MQTT topics and as the MQTT client id, so it is short and plain.
package struct AgentID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let lengthMax = 63

    package let description: String

    /// - Throws: `InvalidValue` where the text is not `[a-z0-9][a-z0-9-]{0,62}`.
    package init(_ text: String) throws(InvalidValue) {
        let bytes = text.utf8
        let valid =
            !bytes.isEmpty && bytes.count <= AgentID.lengthMax && bytes.first != UInt8(ascii: "-")
        guard valid, bytes.allSatisfy(AgentID.mayStand) else {
            throw InvalidValue(
                "an agent id is 1 to \(AgentID.lengthMax) small letters, digits and '-', the first not a '-', "
                    + "such as till-042, not \(text.quotedForMessage)")
        }
        description = text
    }

    package static func < (left: AgentID, right: AgentID) -> Bool {
        left.description < right.description
    }

    private static func mayStand(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
