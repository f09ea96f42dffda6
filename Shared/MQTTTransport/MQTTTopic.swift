import CMosquitto

/// The rules of MQTT for text on the wire (3.1.1, sections 1.5.3 and 4.7), asked before the library
/// is: what it refuses later, in the middle of a connection, would cost that connection.
enum MQTTTopic {
    static let bytesMax = 65_535

    /// What is wrong with a topic to publish to, or `nil`.
    static func flaw(inName name: String) -> String? {
        if let flaw = flaw(inText: name) { return flaw }
        for byte in name.utf8 where byte == UInt8(ascii: "+") || byte == UInt8(ascii: "#") {
            return "has a wildcard"
        }
        return nil
    }

    /// What is wrong with a topic filter to subscribe to, or `nil`.
    static func flaw(inFilter filter: String) -> String? {
        if let flaw = flaw(inText: filter) { return flaw }
        let isFilter =
            filter.withCString { mosquitto_sub_topic_check($0) } == MOSQ_ERR_SUCCESS.rawValue
        return isFilter ? nil : "has a wildcard in the wrong place"
    }

    /// What is wrong with any text of the protocol, or `nil`.
    static func flaw(inText text: String) -> String? {
        let length = text.utf8.count
        guard length > 0 else { return "is empty" }
        guard length <= bytesMax else { return "is longer than \(bytesMax) bytes" }
        var isPlain = true
        for byte in text.utf8 {
            guard byte >= 0x20, byte != 0x7F else { return "has a control character" }
            if byte >= 0x80 { isPlain = false }
        }
        guard !isPlain else { return nil }
        // Beyond ASCII: C1 controls and noncharacters, which the library refuses.
        let isValid = text.withCString { mosquitto_validate_utf8($0, Int32(length)) }
        return isValid == MOSQ_ERR_SUCCESS.rawValue
            ? nil : "has a character that MQTT does not allow"
    }
}
