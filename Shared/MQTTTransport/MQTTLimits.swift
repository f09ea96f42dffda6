/// Every bound of a connection, with its reason.
package struct MQTTLimits: Sendable, Equatable {
    /// Publishes handed over and not yet acknowledged by the broker, 1 to 64. libmosquitto 2.0.11
    /// queues without a bound and reuses message ids without a check, so the bound has to be ours;
    /// 64 messages of 64 KiB keep any link busy, and the store is the queue for the rest.
    package var outstandingMax = 64

    /// Bytes in one payload, either way, 1 to 64 MiB. A larger incoming message is dropped and
    /// counted. An MQTT 5 broker is told not to send packets above twice this, because the library
    /// allocates what the length field of a packet asks for.
    package var payloadBytesMax = 256 * 1024

    /// QoS 1 messages that an MQTT 5 broker may have under way to us. It bounds what waits in the
    /// broker for a slow handler.
    package var receiveMax: UInt16 = 256

    /// Topic filters of one connection; a handful is normal, and each costs a SUBSCRIBE.
    package var subscriptionsMax = 64

    /// From the TCP connection to the last SUBACK, TLS included. A broker that takes longer is not
    /// well, and a middlebox that accepts and says nothing would hold us for ever.
    package var handshakeMax: Duration = .seconds(10)

    /// The longest time without a PUBACK while publishes are outstanding. Pings alone do not show
    /// that a broker still takes messages. One payload must cross the link within it.
    package var acknowledgementMax: Duration = .seconds(60)

    /// How long `stop` waits for the farewell's PUBACK and for the DISCONNECT to be written.
    package var farewellMax: Duration = .seconds(1)

    /// What `stop` grants the thread beyond the farewell before it returns without it.
    package var stopGraceMax: Duration = .milliseconds(500)

    /// The first delay after a failure is random in 0…base, the n-th in 0…min(cap, base · 2ⁿ⁻¹).
    package var backoffBase: Duration = .milliseconds(500)

    /// The longest backoff. Half of it, on average, is what a returning broker waits for its fleet.
    package var backoffCap: Duration = .seconds(30)

    /// Consecutive failures that open the circuit breaker.
    package var breakerThreshold = 8

    /// While the breaker is open nothing is tried for this long, and up to twice this, at random.
    /// Then one probe decides.
    package var breakerPause: Duration = .seconds(60)

    /// A connection must last this long to count as a success. Two devices that share a client id
    /// throw each other out at once, for ever, and must not do it at full speed.
    package var stableAfter: Duration = .seconds(10)

    package init() {}
}

extension MQTTLimits {
    /// Says which limit is out of range.
    func validate() throws(MQTTConfigurationError) {
        try check(
            1...64 ~= outstandingMax, "outstandingMax must be 1 to 64, and is \(outstandingMax)")
        try check(
            1...(64 << 20) ~= payloadBytesMax,
            "payloadBytesMax must be 1 to 67108864, and is \(payloadBytesMax)")
        try check(receiveMax > 0, "receiveMax must be at least 1")
        try check(subscriptionsMax >= 0, "subscriptionsMax must not be negative")
        try check(breakerThreshold > 0, "breakerThreshold must be at least 1")
        let durations: [(name: String, value: Duration)] = [
            ("handshakeMax", handshakeMax), ("acknowledgementMax", acknowledgementMax),
            ("farewellMax", farewellMax), ("stopGraceMax", stopGraceMax),
            ("backoffBase", backoffBase), ("backoffCap", backoffCap),
            ("breakerPause", breakerPause), ("stableAfter", stableAfter),
        ]
        for (name, value) in durations {
            try check(
                .zero < value && value <= .seconds(86_400),
                "\(name) must be more than 0 and at most a day, and is \(value)")
        }
        try check(backoffBase <= backoffCap, "backoffBase must not exceed backoffCap")
    }

    private func check(_ holds: Bool, _ sentence: String) throws(MQTTConfigurationError) {
        guard holds else { throw .limit(sentence) }
    }
}
