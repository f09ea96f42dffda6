import MQTTTransport
import Testing

@Suite struct MQTTConfigurationTests {
    @Test(arguments: [
        ("mqtt://broker.example", "broker.example", 1883, false),
        ("mqtt://broker.example:2883", "broker.example", 2883, false),
        ("mqtt://broker.example:2883/", "broker.example", 2883, false),
        ("mqtts://broker.example", "broker.example", 8883, true),
        ("mqtts://192.0.2.7:443", "192.0.2.7", 443, true),
        ("mqtt://[2001:db8::1]", "2001:db8::1", 1883, false),
        ("mqtt://[::1]:65535", "::1", 65535, false),
    ])
    func `a URL says host, port and TLS`(url: String, host: String, port: Int, isSecure: Bool)
        throws
    {
        let configuration = try MQTTConfiguration(url: url, clientID: "c")
        #expect(configuration.host == host)
        #expect(Int(configuration.port) == port)
        #expect((configuration.tls != nil) == isSecure)
    }

    @Test(arguments: [
        ("broker.example:1883", "must start with mqtt:// or mqtts://"),
        ("http://b", "must start with"),
        ("mqtt://", "host is missing"), ("mqtt://:1883", "host is missing"),
        ("mqtt://b:0", "port must be 1 to 65535"), ("mqtt://b:65536", "port must be 1 to 65535"),
        ("mqtt://b:+80", "port must be 1 to 65535"), ("mqtt://b:", "port must be 1 to 65535"),
        ("mqtt://b:1883/topic", "must end after the port"),
        ("mqtt://b?x", "must end after the port"),
        ("mqtt://::1", "needs brackets"), ("mqtt://[::1", "not closed"),
        ("mqtt://[::1]1883", "only a port may follow"),
        ("mqtt://a b", "neither a name nor an address"),
    ])
    func `a wrong URL is refused by what is wrong`(url: String, sentence: String) {
        let error = #expect(throws: MQTTConfigurationError.self) {
            try MQTTConfiguration(url: url, clientID: "c")
        }
        #expect(error?.description.contains(sentence) == true, "\(error?.description ?? "")")
    }

    @Test func `credentials in a URL are refused, and not repeated`() {
        let error = #expect(throws: MQTTConfigurationError.self) {
            try MQTTConfiguration(url: "mqtt://user:hunter2@b", clientID: "c")
        }
        #expect(error?.description.contains("credentials") == true)
        #expect(error?.description.contains("hunter2") == false)
    }

    @Test func `TLS options with a plain URL are refused`() {
        #expect(throws: MQTTConfigurationError.self) {
            try MQTTConfiguration(
                url: "mqtt://b", clientID: "c", tls: MQTTTLSOptions(caFile: "/ca"))
        }
    }

    @Test(arguments: [Duration.seconds(4), .milliseconds(5500), .seconds(65_536), .zero])
    func `a keepalive that MQTT or the library cannot keep is refused`(keepAlive: Duration) {
        #expect(throws: MQTTConfigurationError.self) {
            try MQTTConfiguration(host: "b", port: 1, clientID: "c", keepAlive: keepAlive)
        }
    }

    @Test func `wrong filters, wills, ids and credentials are refused by name`() {
        func error(_ make: () throws -> MQTTConfiguration) -> String? {
            do {
                _ = try make()
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(
            error { try .local(1, subscriptions: ["a/#/b"]) }
                == "MQTT subscription: \"a/#/b\" has a wildcard in the wrong place")
        #expect(
            error { try .local(1, subscriptions: ["a", "a"]) }
                == "MQTT subscription: the same filter is given twice")
        #expect(
            error { try .local(1, lastWill: MQTTMessage(topic: "a/+", payload: [])) }
                == "MQTT last will: the topic \"a/+\" has a wildcard")
        #expect(error { try .local(1, id: "") } == "MQTT client id: \"\" is empty")
        let secret = error {
            try MQTTConfiguration(host: "b", port: 1, clientID: "c", password: "hunter2")
        }
        #expect(
            secret?.contains("needs a user name") == true && secret?.contains("hunter2") == false)
    }

    @Test func `a window above 64 is refused`() {
        var limits = MQTTLimits()
        limits.outstandingMax = 65
        #expect(throws: MQTTConfigurationError.limit("outstandingMax must be 1 to 64, and is 65")) {
            try MQTTConfiguration(host: "b", port: 1, clientID: "c", limits: limits)
        }
    }
}
