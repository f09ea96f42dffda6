/// What a log is to say of a connection: a line for each change, none for each attempt.
///
/// **Overview.** A connection that is lost, one that is found again, and one that cannot be had are
/// a line each. While there is none, a cause that was not said yet is another. Where the broker
/// closes what it accepted again and again, that is said once, instead of every coming and going,
/// until it has ended.
///
/// **Function.** Tell it what the handler is told, and the time now and then; log what it returns.
///
/// **Invariants.** Of one outage each cause is said once, and at most `causesMax` are.
package struct ConnectionJournal<Instant: InstantProtocol> where Instant.Duration == Duration {
    package enum Line: Equatable, Sendable {
        case connected(waited: Duration)
        case lost(MQTTFailure)
        /// There was none before either.
        case absent(MQTTFailure)
        case contested(MQTTFailure)
    }

    package static var causesMax: Int { 8 }

    private enum State {
        case waiting(since: Instant, said: [MQTTFailure])
        case online
        case contested(since: Instant)
    }

    private var state: State

    package init(now: Instant) {
        state = .waiting(since: now, said: [])
    }

    package mutating func connected(now: Instant) -> Line? {
        guard case .waiting(let since, _) = state else { return nil }
        state = .online
        return .connected(waited: since.duration(to: now))
    }

    /// - Parameter contest: as `MQTTStatus` has it.
    package mutating func disconnected(
        _ failure: MQTTFailure, contest: MQTTFailure?, now: Instant
    ) -> Line? {
        guard failure != .stopped else { return nil }
        if let contest { return contested(contest, now) }
        switch state {
        case .online:
            state = .waiting(since: now, said: [failure])
            return .lost(failure)
        case .contested(let since):
            state = .waiting(since: since, said: [failure])
            return .absent(failure)
        case .waiting(let since, let said):
            guard said.count < Self.causesMax, !said.contains(failure) else { return nil }
            state = .waiting(since: since, said: said + [failure])
            return .absent(failure)
        }
    }

    private mutating func contested(_ contest: MQTTFailure, _ now: Instant) -> Line? {
        switch state {
        case .contested: return nil
        case .waiting(let since, _): state = .contested(since: since)
        case .online: state = .contested(since: now)
        }
        return .contested(contest)
    }

    /// Time has passed: a contest may be over.
    package mutating func tick(isContested: Bool, isConnected: Bool, now: Instant) -> Line? {
        guard case .contested(let since) = state, !isContested else { return nil }
        guard isConnected else {
            state = .waiting(since: since, said: [])
            return nil
        }
        state = .online
        return .connected(waited: since.duration(to: now))
    }
}

extension ConnectionJournal {
    package mutating func tick(_ status: MQTTStatus, now: Instant) -> Line? {
        tick(isContested: status.contest != nil, isConnected: status.isConnected, now: now)
    }
}

extension ConnectionJournal.Line {
    package var isWarning: Bool {
        if case .connected = self { false } else { true }
    }

    package var message: String {
        switch self {
        case .connected: "broker connected"
        case .lost: "broker lost"
        case .absent: "no connection to the broker"
        case .contested: "broker closes every connection"
        }
    }

    /// Names and values.
    package var metadata: [String: String] {
        switch self {
        case .connected(let waited): ["mqtt.waited_seconds": "\(waited.components.seconds)"]
        case .lost(let failure), .absent(let failure), .contested(let failure):
            ["mqtt.reason": "\(failure)"]
        }
    }
}
