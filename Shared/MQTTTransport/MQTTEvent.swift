/// What a connection tells its handler, in the order in which it happened.
///
/// `connected` and `disconnected` need not alternate: every attempt that fails before `connected`
/// is a `disconnected` of its own, so that its cause can be shown. Between a `disconnected` and the
/// next `connected` nothing can be published.
package enum MQTTEvent: Sendable, Equatable {
    /// The broker accepted us and granted every subscription: publishing may begin. A retained
    /// message may come before this event, because a broker may send it before its SUBACK (MQTT
    /// 3.1.1, section 3.8.4).
    case connected

    /// The connection, or the attempt at one, is over. What was sent and not yet delivered is
    /// unknown, and will not be mentioned again.
    case disconnected(MQTTFailure)

    /// A message arrived. The library has acknowledged it to the broker already: if it matters, an
    /// acknowledgement of the application's own must follow.
    case message(MQTTMessage)

    /// The broker acknowledged a publish (PUBACK), and its place in the window is free again.
    case delivered(MQTTDelivery)

    /// The broker answered a publish with a reason for not taking it (MQTT 5 only; an older broker
    /// drops it and says `delivered`). Its place in the window is free again.
    case rejected(MQTTDelivery, MQTTFailure)
}

/// Names one publish, for the life of the process.
package struct MQTTDelivery: Sendable, Hashable {
    /// Which connection carried it, counted from 1 as in `MQTTStatus.connections`. A delivery of an
    /// earlier connection than the present one will never be delivered.
    package let connection: UInt64
    /// Counts publishes from 1, over all connections.
    package let number: UInt64

    package init(connection: UInt64, number: UInt64) {
        self.connection = connection
        self.number = number
    }
}

/// What became of a publish at once. Only `sent` hands the message over.
package enum PublishOutcome: Sendable, Equatable {
    /// Handed to the connection's thread. `delivered` or `rejected` follows, or a `disconnected`.
    case sent(MQTTDelivery)
    /// There is no connection; wait for `connected`.
    case notConnected
    /// As many are outstanding as may be; wait for a `delivered`.
    case windowFull
    /// It can never be sent as it is; the reason is a sentence for people.
    case refused(String)
}
