import AggregatorRuntime
import DaemonSupport
import LedgerCore

/// What the aggregator can be told.
enum AggregatorKeys {
    static let id = ConfigurationKey(
        "id", .text, default: "hub", help: "This aggregator's name: small letters, digits and '-'.")

    static let listen = ConfigurationKey(
        "listen", .address, default: "127.0.0.1:7420",
        help:
            "Where the API listens. Without authentication only loopback and Unix sockets are allowed."
    )

    static let all =
        [.data, id, listen] + ConfigurationKey.brokerKeys + [.ledger, .logLevel, .logFormat]

    /// What the keys' kinds cannot say.
    ///
    /// - Throws: `ConfigurationProblems` with all that is wrong.
    @Sendable static func check(_ settings: Settings) throws {
        try settings.check([
            (id, { _ = try AgentID($0) }),
            (listen, { _ in _ = try settings.loopbackAddress(listen) }),
            (.broker, settings.checkBroker),
        ])
    }

    static func configuration(_ settings: Settings) throws -> AggregatorConfiguration {
        AggregatorConfiguration(
            id: try AgentID(settings.required(id)), ledger: settings.required(.ledger),
            data: settings.required(.data),
            broker: AggregatorConfiguration.Broker(
                url: settings.required(.broker), username: settings[.brokerUser],
                password: settings[.brokerPassword],
                tls: settings.brokerTLS))
    }
}
