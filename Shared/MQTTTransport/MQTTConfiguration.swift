/// Everything that a connection needs to know, checked when it is made.
package struct MQTTConfiguration: Sendable, Equatable {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    package let host: String
    package let port: UInt16
    /// Unique among the broker's clients: a second client with the same id takes the connection
    /// over.
    package let clientID: String
    package let username: String?
    package let password: String?
    /// `nil` is plain TCP.
    package let tls: MQTTTLSOptions?
    /// The longest silence before a ping, 5 to 65,535 whole seconds. A dead link is noticed within
    /// twice this.
    package let keepAlive: Duration
    /// What the broker publishes for us, at QoS 1, when we vanish without a farewell.
    package let lastWill: MQTTMessage?
    /// Topic filters, subscribed to at QoS 1 in every connection before it counts as connected.
    package let subscriptions: [String]
    package let limits: MQTTLimits

    /// - Throws: what is wrong, by name.
    package init(
        host: String,
        port: UInt16,
        clientID: String,
        username: String? = nil,
        password: String? = nil,
        tls: MQTTTLSOptions? = nil,
        keepAlive: Duration = .seconds(30),
        lastWill: MQTTMessage? = nil,
        subscriptions: [String] = [],
        limits: MQTTLimits = MQTTLimits()
    ) throws(MQTTConfigurationError) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.username = username
        self.password = password
        self.tls = tls
        self.keepAlive = keepAlive
        self.lastWill = lastWill
        self.subscriptions = subscriptions
        self.limits = limits
        try limits.validate()
        try tls?.validate()
        try validateBroker()
        try validateClient()
        try validateTopics()
    }
}

extension MQTTConfiguration {
    private func validateBroker() throws(MQTTConfigurationError) {
        guard !host.isEmpty else { throw .host("it is empty") }
        guard host.utf8.count <= 253, host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .host("\(host.debugDescription) is neither a name nor an address")
        }
        guard port > 0 else { throw .host("port 0 cannot be connected to") }
        let seconds = keepAlive.components.seconds
        guard 5...65_535 ~= seconds, keepAlive.components.attoseconds == 0 else {
            throw .keepAlive("it must be 5 to 65535 whole seconds, and is \(keepAlive)")
        }
    }

    private func validateClient() throws(MQTTConfigurationError) {
        if let flaw = MQTTTopic.flaw(inText: clientID) {
            throw .clientID("\(clientID.debugDescription) \(flaw)")
        }
        if let username, let flaw = MQTTTopic.flaw(inText: username) {
            throw .credentials("the user name \(flaw)")
        }
        guard password == nil || username != nil else {
            throw .credentials("a password needs a user name (MQTT 3.1.1, section 3.1.2.9)")
        }
        // libmosquitto takes the password as a C string.
        guard password?.utf8.contains(0) != true, password?.utf8.count ?? 0 <= 65_535 else {
            throw .credentials("the password is too long, or has a zero byte")
        }
    }

    private func validateTopics() throws(MQTTConfigurationError) {
        if let lastWill {
            if let flaw = MQTTTopic.flaw(inName: lastWill.topic) {
                throw .lastWill("the topic \(lastWill.topic.debugDescription) \(flaw)")
            }
            guard lastWill.payload.count <= 65_535 else {
                throw .lastWill(
                    "its payload has \(lastWill.payload.count) bytes; MQTT allows 65535")
            }
        }
        guard subscriptions.count <= limits.subscriptionsMax else {
            throw .subscription(
                "\(subscriptions.count) filters are more than the limit of \(limits.subscriptionsMax)"
            )
        }
        for filter in subscriptions {
            if let flaw = MQTTTopic.flaw(inFilter: filter) {
                throw .subscription("\(filter.debugDescription) \(flaw)")
            }
        }
        guard Set(subscriptions).count == subscriptions.count else {
            throw .subscription("the same filter is given twice")
        }
    }
}
