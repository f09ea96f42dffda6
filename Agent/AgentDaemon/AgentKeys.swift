import AgentCore
import AgentRuntime
import DaemonSupport
import LedgerCore
import Observability
import TextFormats

/// What the agent can be told.
enum AgentKeys {
    static let id = ConfigurationKey(
        "id", .text, isRequired: true,
        help: "This agent's name: small letters, digits and '-', as in till-042.")

    static let listen = ConfigurationKey(
        "listen", .address, default: "127.0.0.1:7410",
        help:
            "Where the API listens. Without authentication only loopback and Unix sockets are allowed."
    )

    static let storage = ConfigurationKey(
        "limits.storage", .bytes,
        help: "How large the data folder's database may grow, in bytes; else as the disk.")

    static let tracingSample = ConfigurationKey(
        "tracing.sample", .fraction, default: "0.01",
        help: "How many of the requests without a traceparent are traced; with one, it decides.")

    static let tracingLimit = ConfigurationKey(
        "tracing.limit", .integer(0...1_000_000), default: "10",
        help: "New traces a second at most; those that clients ask for are not counted.")

    /// A second to ten years.
    private static let retentions = Duration.seconds(1)...Duration.seconds(3_652 * 86_400)

    static let retention = ConfigurationKey(
        "retention", .duration(retentions), default: "7d",
        help:
            "How long transactions stay on this device after the aggregator has them. Let backups of "
            + "the aggregator be younger.")

    static let keyRetention = ConfigurationKey(
        "idempotency.retention", .duration(retentions),
        default: "90d",
        help: "How long an idempotency key is remembered; at least as long as retention.")

    static let all =
        [id, .data, listen] + ConfigurationKey.brokerKeys + [
            .ledger, storage, retention, keyRetention, tracingSample, tracingLimit, .logLevel,
            .logFormat,
        ]

    static func address(_ settings: Settings) throws -> ListenAddress {
        try settings.loopbackAddress(listen)
    }

    /// What the keys' kinds cannot say.
    ///
    /// - Throws: `ConfigurationProblems` with all that is wrong.
    @Sendable static func check(_ settings: Settings) throws {
        try settings.check([
            (id, { _ = try AgentID($0) }),
            (listen, { _ in _ = try settings.loopbackAddress(listen) }),
            (.broker, settings.checkBroker),
            (storage, checkStorage),
            (retention, { _ in try checkRetentions(settings) }),
        ])
    }

    private struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    private static func checkStorage(_ text: String) throws {
        let least = Int64(AgentConfiguration.storageBytesMin)
        guard let bytes = ByteCountText.bytes(text), bytes < least else { return }
        throw Refusal(
            description: "must be at least \(ByteCountText.text(least)), not \(text)")
    }

    /// A key that is forgotten before its transaction is would let a late repetition in again.
    private static func checkRetentions(_ settings: Settings) throws {
        let (spans, keys) = (settings.required(retention), settings.required(keyRetention))
        guard settings.microseconds(retention) > settings.microseconds(keyRetention) else { return }
        throw Refusal(
            description:
                "\(spans) is longer than \(keyRetention.name), which is \(keys): let that be at least as long"
        )
    }

    static func configuration(_ settings: Settings) throws -> AgentConfiguration {
        AgentConfiguration(
            agent: try AgentID(settings.required(id)), ledger: settings.required(.ledger),
            data: settings.required(.data),
            broker: AgentConfiguration.Broker(
                url: settings.required(.broker), username: settings[.brokerUser],
                password: settings[.brokerPassword],
                tls: settings.brokerTLS),
            retention: Retention.Spans(
                segments: settings.microseconds(retention),
                keys: settings.microseconds(keyRetention)),
            storageBytesMax: settings[storage].flatMap(ByteCountText.bytes).map(Int.init),
            softwareVersion: TributaryVersion.current)
    }

    static func tracer(_ settings: Settings) -> TributaryTracer {
        var limits = TracingLimits()
        // Both were checked when the settings were made.
        limits.newTracesPerSecondMax = Int(settings.required(tracingLimit)) ?? 0
        return TributaryTracer(
            service: "tributary-agent", instance: settings.required(id),
            version: TributaryVersion.current,
            rate: Double(settings.required(tracingSample)) ?? 0, limits: limits)
    }
}

extension Settings {
    /// A duration's key, which has been checked.
    fileprivate func microseconds(_ key: ConfigurationKey) -> Int64 {
        guard let duration = DurationText.duration(required(key)) else {
            preconditionFailure("\(key.name) is no duration, although it was checked")
        }
        let parts = duration.components
        return parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
    }
}
