/// One connection from CONNECT to its end: who still has to agree before it counts as connected.
///
/// **Overview.** The broker accepts (CONNACK), then grants each subscription (SUBACK); only then
/// may anything be published. A subscription refused is a connection refused: half of our ears
/// would be a silent fault.
///
/// **Function.** Feed it what the broker says; perform the action it returns. A failure is returned
/// once, and is the last action of a session.
///
/// **Invariants.** `announce` comes at most once, after the CONNACK and every SUBACK. Nothing
/// follows `fail`.
package struct LinkSession: ~Copyable {
    package enum Action: Equatable {
        case none
        case subscribe([String])
        /// Connected: publishing may begin.
        case announce
        case fail(MQTTFailure)
    }

    private enum State {
        case awaitingAcceptance
        case subscribing(pending: Set<String>)
        case online
        case over
    }

    private var state: State = .awaitingAcceptance
    private let subscriptions: [String]

    package init(subscriptions: [String]) {
        self.subscriptions = subscriptions
    }

    package var isOnline: Bool {
        if case .online = state { true } else { false }
    }

    /// The broker has not answered CONNECT yet.
    package var awaitsAcceptance: Bool {
        if case .awaitingAcceptance = state { true } else { false }
    }

    /// The broker accepted the connection. A second CONNACK is an error of the broker's.
    package mutating func accepted() -> Action {
        guard case .awaitingAcceptance = state else { return misbehaved() }
        guard !subscriptions.isEmpty else {
            state = .online
            return .announce
        }
        state = .subscribing(pending: Set(subscriptions))
        return .subscribe(subscriptions)
    }

    package mutating func granted(_ filter: String) -> Action {
        guard case .subscribing(var pending) = state, pending.remove(filter) != nil else {
            return misbehaved()
        }
        guard pending.isEmpty else {
            state = .subscribing(pending: pending)
            return .none
        }
        state = .online
        return .announce
    }

    package mutating func denied(_ filter: String) -> Action {
        failed(.subscriptionRefused(filter: filter))
    }

    /// The link ended or must end. What went before decides; a second cause is not reported.
    package mutating func failed(_ failure: MQTTFailure) -> Action {
        if case .over = state { return .none }
        state = .over
        return .fail(failure)
    }

    private mutating func misbehaved() -> Action {
        failed(.broken(cause: "the broker sent a packet that the protocol does not allow here"))
    }
}
