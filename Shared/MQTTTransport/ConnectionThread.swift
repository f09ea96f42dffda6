/// What the connection's thread does from start to stop: attempts, each a `LinkLoop` or two, and
/// the waits between them that `ReconnectPolicy` asks for.
final class ConnectionThread {
    private let configuration: MQTTConfiguration
    private let mailbox: Mailbox
    private let handler: @Sendable (MQTTEvent) -> Void
    private var policy: ReconnectPolicy<ContinuousClock.Instant>
    private var ends = RepeatedEnds<ContinuousClock.Instant>()
    private var versions = VersionChoice()
    private var random = SystemRandomNumberGenerator()
    private var isOnline = false

    init(
        configuration: MQTTConfiguration,
        mailbox: Mailbox,
        handler: @escaping @Sendable (MQTTEvent) -> Void
    ) {
        self.configuration = configuration
        self.mailbox = mailbox
        self.handler = handler
        policy = ReconnectPolicy(limits: configuration.limits)
    }

    func run() {
        mailbox.threadBegan()
        var action = policy.started()
        while mailbox.stopRequest == nil {
            switch action {
            case .connect: action = attempt()
            case .wait(let until):
                wait(until: until)
                action = policy.elapsed(now: .now)
            }
        }
        mailbox.threadEnded()
    }

    private func attempt() -> ReconnectPolicy<ContinuousClock.Instant>.Action {
        mailbox.update {
            $0.enter(.connecting)
            $0.attempts += 1
            $0.breaker = policy.breaker
        }
        isOnline = false
        let failure = connectAndRun()
        let now = ContinuousClock.now
        if isOnline, failure.isOfBroker { ends.ended(now: now) }
        let action = policy.failed(now: now, random: &random)
        mailbox.update {
            $0.breaker = policy.breaker
            $0.contest = contest(now)
            guard case .wait(let until) = action else { return }
            $0.enter(.waiting)
            $0.nextAttemptMicroseconds =
                SystemTime.microseconds + now.duration(to: until).wholeMicroseconds
        }
        emit(.disconnected(failure))
        return action
    }

    /// One attempt: the version that should work, and the other if the broker will not have it.
    private func connectAndRun() -> MQTTFailure {
        versions.began()
        while true {
            let end = runLink()
            mailbox.closeWindow(end.failure)
            if end.wasOnline || mailbox.stopRequest != nil { return end.failure }
            guard let evidence = end.evidence else { return end.failure }
            guard !versions.refused(evidence) else { continue }
            return evidence == .said ? .versionRefused : end.failure
        }
    }

    /// The link is destroyed when this returns, before anybody hears of its end.
    private func runLink() -> LinkLoop.End {
        do throws(MQTTFailure) {
            let loop = try LinkLoop(
                configuration: configuration, version: versions.current, mailbox: mailbox,
                emit: { self.emit($0) }, onTick: { self.ticked(isOnline: $0, now: $1) })
            return loop.run()
        } catch {
            return LinkLoop.End(failure: error, evidence: nil, wasOnline: false)
        }
    }

    private func ticked(isOnline nowOnline: Bool, now: ContinuousClock.Instant) {
        guard nowOnline else { return }
        if !isOnline {
            isOnline = true
            versions.accepted()
            policy.connected(now: now)
        }
        policy.stillConnected(now: now)
        mailbox.update {
            $0.breaker = policy.breaker
            $0.contest = contest(now)
        }
    }

    private func contest(_ now: ContinuousClock.Instant) -> MQTTFailure? {
        ends.areMany(now: now) ? .contested(clientID: configuration.clientID) : nil
    }

    private func wait(until: ContinuousClock.Instant) {
        let duration = ContinuousClock.now.duration(to: until)
        _ = mailbox.rest(descriptor: -1, wantsWrite: false, atMost: duration, ignoresStop: false)
    }

    private func emit(_ event: MQTTEvent) {
        if !mailbox.isAbandoned { handler(event) }
    }
}

extension MQTTFailure {
    /// Whether it was the broker that closed, as far as can be seen from here.
    fileprivate var isOfBroker: Bool {
        switch self {
        case .closedByBroker, .broken: true
        default: false
        }
    }
}

extension Duration {
    var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
