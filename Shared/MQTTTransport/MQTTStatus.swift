/// A connection as people want to see it. Times are microseconds since 1970-01-01 UTC, from the
/// system clock, for display only.
package struct MQTTStatus: Sendable, Equatable {
    package enum Phase: String, Sendable {
        /// Not started.
        case idle
        /// Resolving, connecting, or in the handshake.
        case connecting
        case connected
        /// Until `nextAttemptMicroseconds`.
        case waiting
        case stopped
    }

    package enum Breaker: String, Sendable {
        /// Attempts follow the backoff.
        case closed
        /// Too many failures in a row: nothing is tried.
        case open
        /// One probe is under way, or has connected and not lasted long enough yet.
        case halfOpen
    }

    package enum Version: String, Sendable {
        case v5 = "MQTT 5"
        case v311 = "MQTT 3.1.1"
    }

    package internal(set) var phase = Phase.idle
    /// When `phase` began.
    package internal(set) var sinceMicroseconds: Int64
    /// What the broker was last connected with.
    package internal(set) var version: Version?
    package internal(set) var lastFailure: MQTTFailure?
    package internal(set) var lastFailureMicroseconds: Int64?
    /// The broker has lately closed several connections that it had accepted; `contested`, else nil.
    package internal(set) var contest: MQTTFailure?
    /// Attempts begun since the last `connected`, the present one included.
    package internal(set) var attempts = 0
    package internal(set) var breaker = Breaker.closed
    package internal(set) var nextAttemptMicroseconds: Int64?
    /// Times that `connected` was reached.
    package internal(set) var connections: UInt64 = 0
    /// Publishes under way, and how many may be. The broker may have asked for fewer than our
    /// limit.
    package internal(set) var outstanding = 0
    package internal(set) var window = 0
    /// Incoming messages dropped because their payload was above the limit.
    package internal(set) var oversizeDropped: UInt64 = 0
    /// Publishes that the broker answered with a refusal, and the last of these.
    package internal(set) var rejected: UInt64 = 0
    package internal(set) var lastRejection: MQTTFailure?

    package var isConnected: Bool { phase == .connected }

    /// What is wrong now; nil where nothing is.
    package var trouble: MQTTFailure? { contest ?? (isConnected ? nil : lastFailure) }
}
