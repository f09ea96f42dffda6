extension MQTTConfiguration {
    /// Takes the broker from a URL: `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS. An IPv6
    /// address is written in brackets.
    ///
    /// - Throws: what is wrong, by name. Credentials in a URL are refused without being repeated,
    ///   because URLs end up in logs and process lists.
    package init(
        url: String,
        clientID: String,
        username: String? = nil,
        password: String? = nil,
        tls: MQTTTLSOptions? = nil,
        keepAlive: Duration = .seconds(30),
        lastWill: MQTTMessage? = nil,
        subscriptions: [String] = [],
        limits: MQTTLimits = MQTTLimits()
    ) throws(MQTTConfigurationError) {
        let broker = try BrokerURL(url)
        guard broker.isSecure || tls == nil else {
            throw .tls("options are given, but the URL says mqtt://; use mqtts://")
        }
        try self.init(
            host: broker.host,
            port: broker.port,
            clientID: clientID,
            username: username,
            password: password,
            tls: broker.isSecure ? tls ?? MQTTTLSOptions() : nil,
            keepAlive: keepAlive,
            lastWill: lastWill,
            subscriptions: subscriptions,
            limits: limits)
    }
}

/// The three things that a broker's URL says.
private struct BrokerURL {
    let isSecure: Bool
    let host: String
    let port: UInt16

    init(_ url: String) throws(MQTTConfigurationError) {
        var rest = url[...]
        // First of all, so that no later message repeats a secret.
        guard !rest.contains("@") else {
            throw .url("it contains credentials; give the user name and password separately")
        }
        if rest.hasPrefix("mqtt://") {
            isSecure = false
            rest.removeFirst(7)
        } else if rest.hasPrefix("mqtts://") {
            isSecure = true
            rest.removeFirst(8)
        } else {
            throw .url("it must start with mqtt:// or mqtts://, and is \(url.debugDescription)")
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        guard !rest.contains(where: { "/?#".contains($0) }) else {
            throw .url("it must end after the port, and is \(url.debugDescription)")
        }
        let digits: Substring?
        (host, digits) = try Self.split(rest, of: url)
        guard !host.isEmpty else { throw .url("the host is missing in \(url.debugDescription)") }
        port = try Self.port(digits, default: isSecure ? 8883 : 1883)
    }

    private static func split(
        _ authority: Substring, of url: String
    ) throws(MQTTConfigurationError) -> (host: String, digits: Substring?) {
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else {
                throw .url(
                    "the bracket around the IPv6 address is not closed in \(url.debugDescription)")
            }
            let host = String(authority[authority.index(after: authority.startIndex)..<close])
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else {
                throw .url("only a port may follow the IPv6 address in \(url.debugDescription)")
            }
            return (host, rest.isEmpty ? nil : rest.dropFirst())
        }
        guard let colon = authority.firstIndex(of: ":") else { return (String(authority), nil) }
        let digits = authority[authority.index(after: colon)...]
        guard !digits.contains(":") else {
            throw .url("an IPv6 address needs brackets, as in mqtt://[::1]:1883")
        }
        return (String(authority[..<colon]), digits)
    }

    private static func port(
        _ digits: Substring?, default standard: UInt16
    ) throws(MQTTConfigurationError) -> UInt16 {
        guard let digits else { return standard }
        guard digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let port = UInt16(digits), port > 0
        else {
            throw .url("the port must be 1 to 65535, and is \(String(digits).debugDescription)")
        }
        return port
    }
}
