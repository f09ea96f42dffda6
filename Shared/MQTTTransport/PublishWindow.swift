/// How many publishes may be under way, and how large one may be, at this moment.
///
/// **Invariants.** `0 ≤ outstanding ≤ capacity`; closed, nothing is outstanding; numbers never
/// repeat.
package struct PublishWindow {
    /// What the broker allows, from its CONNACK; MQTT 3.1.1 has no way of saying so.
    package struct BrokerLimits: Equatable {
        package var receiveMax: Int?
        package var packetBytesMax: Int?
        package var keepsRetained = true
        package var takesQoS1 = true

        package init(
            receiveMax: Int? = nil, packetBytesMax: Int? = nil, keepsRetained: Bool = true,
            takesQoS1: Bool = true
        ) {
            self.receiveMax = receiveMax
            self.packetBytesMax = packetBytesMax
            self.keepsRetained = keepsRetained
            self.takesQoS1 = takesQoS1
        }
    }

    private enum State {
        case closed
        case open(connection: UInt64, outstanding: Int, broker: BrokerLimits)
    }

    private var state: State = .closed
    private var issued: UInt64 = 0
    private let limits: MQTTLimits

    package init(limits: MQTTLimits) {
        self.limits = limits
    }

    package var outstanding: Int {
        if case .open(_, let outstanding, _) = state { outstanding } else { 0 }
    }

    package var capacity: Int {
        guard case .open(_, _, let broker) = state else { return 0 }
        return min(limits.outstandingMax, broker.receiveMax ?? .max)
    }

    package mutating func open(connection: UInt64, broker: BrokerLimits) {
        state = .open(connection: connection, outstanding: 0, broker: broker)
    }

    package mutating func close() {
        state = .closed
    }

    /// A place and a name for a message, or the reason why not. The message has no flaw of its own
    /// (`MQTTMessage.flaw`).
    package mutating func admit(_ message: MQTTMessage) -> PublishOutcome {
        guard case .open(let connection, let outstanding, let broker) = state else {
            return .notConnected
        }
        if let flaw = Self.flaw(in: message, for: broker) { return .refused(flaw) }
        guard outstanding < capacity else { return .windowFull }
        issued += 1
        state = .open(connection: connection, outstanding: outstanding + 1, broker: broker)
        return .sent(MQTTDelivery(connection: connection, number: issued))
    }

    /// `count` publishes were acknowledged.
    package mutating func release(_ count: Int) {
        guard case .open(let connection, let outstanding, let broker) = state else { return }
        precondition(count <= outstanding, "\(count) acknowledged of \(outstanding) outstanding")
        state = .open(connection: connection, outstanding: outstanding - count, broker: broker)
    }

    private static func flaw(
        in message: MQTTMessage, for broker: BrokerLimits
    ) -> String? {
        if message.retain, !broker.keepsRetained { return "the broker keeps no retained messages" }
        guard let packetBytesMax = broker.packetBytesMax else { return nil }
        // Fixed header ≤ 5, topic length 2, message id 2, no properties 1 (MQTT 5, section 3.3).
        let bytes = 10 + message.topic.utf8.count + message.payload.count
        guard bytes > packetBytesMax else { return nil }
        return "the packet would have \(bytes) bytes; the broker takes \(packetBytesMax)"
    }
}

extension MQTTMessage {
    /// What keeps it from ever being published, as a sentence, or `nil`.
    package func flaw(limits: MQTTLimits) -> String? {
        guard payload.count <= limits.payloadBytesMax else {
            return "the payload has \(payload.count) bytes; the limit is \(limits.payloadBytesMax)"
        }
        return MQTTTopic.flaw(inName: topic).map { "the topic \($0)" }
    }
}
