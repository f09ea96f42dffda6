import CMosquitto

/// What libmosquitto's callbacks have handed over, until the loop takes it.
///
/// The callbacks run inside `mosquitto_loop_read`, `_write` and `_misc`, on the thread that called
/// these and with a mutex of the library held: they copy, append here, and return. Nobody else
/// touches an inbox, which is why it needs no lock, and why it is not `Sendable`.
final class MosquittoInbox {
    enum Packet {
        /// CONNACK: accepted.
        case accepted(PublishWindow.BrokerLimits)
        /// CONNACK: refused with this code.
        case refused(Int32)
        /// SUBACK; the code is the granted QoS, or 0x80 and above.
        case subscribed(messageID: Int32, code: Int32)
        /// PUBACK; the code is 0 before MQTT 5.
        case acknowledged(messageID: Int32, code: Int32)
        case message(MQTTMessage)
        /// DISCONNECT from an MQTT 5 broker, with its reason code.
        case closed(Int32)
    }

    var packets: [Packet] = []
    /// The library's last error line: the only place where it says why TLS failed.
    var lastErrorLine: String?
    /// Messages dropped because of their size, since the inbox was made.
    var oversizeDropped: UInt64 = 0
    let payloadBytesMax: Int

    init(payloadBytesMax: Int) {
        self.payloadBytesMax = payloadBytesMax
    }

    /// Takes everything, leaving the other, empty list, so that neither is allocated anew.
    func take(into taken: inout [Packet]) {
        precondition(taken.isEmpty, "packets taken before would be lost")
        swap(&taken, &packets)
    }
}
