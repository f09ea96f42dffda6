import MQTTTransport
import Testing

/// A broker that we say we support, and in what it honestly differs from the others.
enum BrokerKind: String, CaseIterable, CustomTestStringConvertible {
    /// Mosquitto 2.0: MQTT 5.
    case mosquitto
    /// nats-server 2.9: MQTT 3.1.1 over JetStream, which is on disk.
    case nats

    var testDescription: String { rawValue }

    var version: MQTTStatus.Version {
        switch self {
        case .mosquitto: .v5
        case .nats: .v311
        }
    }

    /// Whether what lies beyond the queue of a slow subscriber is dropped, and nobody told. Mosquitto drops;
    /// nats-server holds it in its stream until the subscriber has acknowledged what came before.
    var dropsBeyondQueue: Bool { self == .mosquitto }

    /// Whether retained messages outlast SIGKILL. Mosquitto writes them at intervals and at its end; nats-server
    /// as they come.
    var keepsThroughKill: Bool { self == .nats }

    /// A broker of this kind, running.
    ///
    /// - Parameters:
    ///   - isPersistent: whether what is retained outlasts a restart. nats-server always keeps it, and forgets by
    ///     losing its disk (`TestBroker.loseDisk`).
    ///   - queue: messages that Mosquitto keeps for a slow subscriber; nil for as many as there are.
    func broker(isPersistent: Bool = false, queue: Int? = nil) throws -> TestBroker {
        switch self {
        case .mosquitto:
            let persistence = [
                "persistence true", "persistence_location FOLDER/\(TestBroker.keptIn)/",
            ]
            return try .mosquitto(
                extra: ["max_queued_messages \(queue ?? 0)"]
                    + (isPersistent ? persistence : ["persistence false"]))
        case .nats: return try .nats()
        }
    }
}
