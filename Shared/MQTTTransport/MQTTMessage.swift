/// One application message, published or received at QoS 1.
package struct MQTTMessage: Sendable, Equatable {
    /// A topic name: no wildcard, no control character, 1 to 65,535 bytes of UTF-8.
    package let topic: String
    package let payload: [UInt8]
    /// Outgoing: the broker is asked to keep it for later subscribers. Incoming: it was kept, and
    /// is being repeated for us.
    package let retain: Bool

    package init(topic: String, payload: [UInt8], retain: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.retain = retain
    }
}
