import FleetHarness
import MQTTTransport
import Synchronization

/// Somebody else at the broker, who hears everything and says what it likes.
final class BrokerClient: Sendable {
    private let heard: Heard
    private let connection: MQTTConnection

    /// What it has heard, apart from the client, which the connection must not hold.
    private final class Heard: Sendable {
        let messages = Mutex<[MQTTMessage]>([])
        let isConnected = Mutex(false)

        func take(_ event: MQTTEvent) {
            switch event {
            case .connected: isConnected.withLock { $0 = true }
            case .message(let message): messages.withLock { $0.append(message) }
            default: break
            }
        }
    }

    /// Connects, and hears what is said from now on.
    init(at broker: Broker, as clientID: String, hears topics: [String] = []) throws {
        let configuration = try MQTTConfiguration(
            url: broker.url, clientID: clientID, subscriptions: topics, limits: MQTTLimits())
        let heard = Heard()
        self.heard = heard
        connection = MQTTConnection(configuration) { heard.take($0) }
        connection.start()
    }

    func waitUntilConnected() throws {
        try waitUntil("a client at the broker", within: .seconds(30)) {
            heard.isConnected.withLock { $0 }
        }
    }

    /// In their order.
    var messages: [MQTTMessage] { heard.messages.withLock { $0 } }

    /// Publishes, and waits until the broker has it.
    func say(_ message: MQTTMessage) throws {
        try waitUntil("the broker takes a message", within: .seconds(30)) {
            if case .sent = connection.publish(message) { true } else { false }
        }
        try waitUntil("the broker has the message", within: .seconds(30)) {
            connection.status.outstanding == 0
        }
    }

    func leave() {
        connection.stop()
    }
}
