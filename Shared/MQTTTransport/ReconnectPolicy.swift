/// When to try the broker again: backoff with full jitter, and a circuit breaker.
///
/// **Overview.** After the n-th failure in a row the next attempt is made after a random part of
/// `min(cap, base · 2ⁿ⁻¹)` ("full jitter": Brooker, *Exponential Backoff and Jitter*, AWS
/// Architecture Blog, 2015), so that a fleet which lost its broker at one instant does not come
/// back at one instant. At the threshold the breaker opens: nothing is tried for the pause and a
/// random part of another, then one probe is made. If it fails the breaker opens again; if it
/// connects, and lasts, the breaker closes.
///
/// **Function.** Tell it what happened; do what it says. It reads no clock and draws from the
/// generator it is given.
///
/// **Implementation.** The count of failures in a row travels with every state. The breaker is not
/// a second machine: it is open or half-open exactly when that count has reached the threshold.
///
/// **Invariants.** Between two attempts there is one failure and one wait. A wait is never longer
/// than `backoffCap`, or twice `breakerPause`. Only a connection that lasted `stableAfter` resets
/// the count.
package struct ReconnectPolicy<Instant: InstantProtocol>: ~Copyable
where Instant.Duration == Duration {
    package enum Action: Equatable {
        /// Try now.
        case connect
        /// Try nothing before then; afterwards ask with `elapsed`.
        case wait(until: Instant)
    }

    private enum State {
        case idle
        case attempting(failures: Int)
        case online(since: Instant, failures: Int)
        case waiting(until: Instant, failures: Int)
    }

    private var state: State = .idle
    private let limits: MQTTLimits

    package init(limits: MQTTLimits) {
        self.limits = limits
    }

    package var breaker: MQTTStatus.Breaker {
        switch state {
        case .idle: .closed
        case .attempting(let failures), .online(_, let failures):
            failures >= limits.breakerThreshold ? .halfOpen : .closed
        case .waiting(_, let failures): failures >= limits.breakerThreshold ? .open : .closed
        }
    }

    /// The first attempt is made at once.
    package mutating func started() -> Action {
        guard case .idle = state else { preconditionFailure("the policy was started before") }
        state = .attempting(failures: 0)
        return .connect
    }

    /// Time has passed, perhaps less than was asked for.
    package mutating func elapsed(now: Instant) -> Action {
        guard case .waiting(let until, let failures) = state else {
            preconditionFailure("time matters only while waiting")
        }
        guard now >= until else { return .wait(until: until) }
        state = .attempting(failures: failures)
        return .connect
    }

    /// The attempt succeeded; whether it counts will be seen when it ends.
    package mutating func connected(now: Instant) {
        guard case .attempting(let failures) = state else {
            preconditionFailure("connected without an attempt")
        }
        state = .online(since: now, failures: failures)
    }

    /// The connection has been up for a while. Closes the breaker once it has lasted long enough.
    package mutating func stillConnected(now: Instant) {
        guard case .online(let since, let failures) = state, failures > 0 else { return }
        guard since.duration(to: now) >= limits.stableAfter else { return }
        state = .online(since: since, failures: 0)
    }

    /// The attempt failed, or the connection was lost.
    package mutating func failed(
        now: Instant, random: inout some RandomNumberGenerator
    ) -> Action {
        stillConnected(now: now)
        let failures: Int
        switch state {
        case .attempting(let before), .online(_, let before): failures = before + 1
        case .idle, .waiting: preconditionFailure("a failure without an attempt")
        }
        let until = now.advanced(by: delay(after: failures, random: &random))
        state = .waiting(until: until, failures: failures)
        return .wait(until: until)
    }

    private func delay(
        after failures: Int, random: inout some RandomNumberGenerator
    ) -> Duration {
        guard failures < limits.breakerThreshold else {
            return limits.breakerPause + .random(upTo: limits.breakerPause, using: &random)
        }
        var ceiling = limits.backoffBase
        for _ in 1..<failures where ceiling < limits.backoffCap { ceiling += ceiling }
        return .random(upTo: min(ceiling, limits.backoffCap), using: &random)
    }
}

extension Duration {
    /// Uniform in zero…bound, to the nanosecond. A bound is at most a day (`MQTTLimits.validate`).
    fileprivate static func random(
        upTo bound: Duration, using random: inout some RandomNumberGenerator
    ) -> Duration {
        let (seconds, attoseconds) = bound.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        return .nanoseconds(Int64.random(in: 0...nanoseconds, using: &random))
    }
}
