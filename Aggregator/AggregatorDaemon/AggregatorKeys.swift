import AggregatorRuntime
import DaemonSupport
import LedgerCore
import Observability
import TextFormats
import TraceStore

/// What the aggregator can be told.
enum AggregatorKeys {
    static let id = ConfigurationKey(
        "id", .text, default: "hub", help: "This aggregator's name: small letters, digits and '-'.")

    static let listen = ConfigurationKey(
        "listen", .address, default: "127.0.0.1:7420",
        help:
            "Where the API listens. Without authentication only loopback and Unix sockets are allowed."
    )

    static let tracingRetention = ConfigurationKey(
        "tracing.retention", .duration(.seconds(60)...(.seconds(3650 * 24 * 3600))),
        default: "7d", help: "How long spans are kept.")

    static let tracingStorage = ConfigurationKey(
        "tracing.storage", .bytes, default: "256MiB",
        help: "How much room spans may take, in bytes; then the oldest go.")

    static let streamsApproval = ConfigurationKey(
        "streams.approval", .word(["none", "operator"]), default: "none",
        help:
            "Who lets in a new stream of an agent that is known, as after a replaced disk: nobody has to, or an operator (POST /v1/agents/ID/approve)."
    )

    static let all =
        [.data, id, listen] + ConfigurationKey.brokerKeys + [
            .ledger, streamsApproval, tracingRetention, tracingStorage, .logLevel, .logFormat,
        ]

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
        var configuration = AggregatorConfiguration(
            id: try AgentID(settings.required(id)), ledger: settings.required(.ledger),
            data: settings.required(.data),
            broker: AggregatorConfiguration.Broker(
                url: settings.required(.broker), username: settings[.brokerUser],
                password: settings[.brokerPassword],
                tls: settings.brokerTLS))
        configuration.needsApproval = settings.required(streamsApproval) == "operator"
        configuration.traceLimits = traceLimits(settings)
        configuration.tracer = TributaryTracer(
            service: "tributary-aggregator", instance: settings.required(id),
            version: TributaryVersion.current, rate: 0)
        return configuration
    }

    /// Both values were checked when the settings were made.
    private static func traceLimits(_ settings: Settings) -> TraceStoreLimits {
        var limits = TraceStoreLimits()
        if let age = DurationText.duration(settings.required(tracingRetention)) {
            limits.age = age.components.seconds * 1_000_000
        }
        if let bytes = ByteCountText.bytes(settings.required(tracingStorage)) {
            limits.byteCountMax = Int64(clamping: bytes)
        }
        return limits
    }
}
