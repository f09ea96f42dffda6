import CMosquitto
import Glibc

/// libmosquitto as a whole: its process-wide state, and its words for its codes.
enum MosquittoLibrary {
    /// `mosquitto_lib_init` counts its calls without a lock, so it is called once, here, and never
    /// undone.
    static let isReady: Bool = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.rawValue

    /// CONNACK codes of MQTT 3.1.1 (section 3.2.2.3); from 0x80 on, reason codes of MQTT 5 (section
    /// 2.4).
    static func sentence(forReason code: Int32) -> String {
        switch code {
        case 1: "it does not speak this version of MQTT"
        case 2: "it does not accept the client id"
        case 3: "it is not available"
        case 4: "it does not accept the user name or password"
        case 5: "not authorized"
        default: lowercasedSentence(mosquitto_reason_string(code))
        }
    }

    /// Whether a CONNACK code says that the version of MQTT is the reason.
    static func isAboutVersion(_ code: Int32) -> Bool {
        code == 1 || code == Int32(MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION.rawValue)
    }

    static func sentence(forError code: Int32) -> String {
        lowercasedSentence(mosquitto_strerror(code))
    }

    static func sentence(forSystemError number: Int32) -> String {
        lowercasedSentence(strerror(number))
    }

    static func sentence(forNameError number: Int32) -> String {
        lowercasedSentence(gai_strerror(number))
    }

    /// "Connection refused." becomes "connection refused", to stand inside a sentence of ours.
    private static func lowercasedSentence(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "unknown reason" }
        var sentence = String(cString: text)
        while sentence.last == "." { sentence.removeLast() }
        guard let first = sentence.first, sentence.dropFirst().first?.isUppercase == false else {
            return sentence
        }
        return first.lowercased() + sentence.dropFirst()
    }
}
