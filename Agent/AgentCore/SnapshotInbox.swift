import LedgerCore
import SyncProtocol

/// Which account snapshots of a session have come, and what to ask for.
///
/// **Overview.** The messages of a session are numbered, and a full set of accounts begins with each
/// round's first number. What is missing of it for longer than the network takes to put messages in
/// order was lost: the whole set is asked for again, less and less often as long as it does not come.
///
/// **Function.** `follow` the session; ask `received` of each message whether to use it, and say
/// `unusable` where it could not be; perform what `tick` returns. Accounts that a client asked for, and
/// of which the hub has not told, are `wanted`: that this agent has no events of, or lost ones.
package struct SnapshotInbox {
    fileprivate struct Session {
        let number: UInt64
        let stream: StreamTag
        let hub: StreamTag
        var roundStart: UInt64 = 0
        var highest: UInt64 = 0
        var missing: Set<UInt64> = []
        /// All up to here may be missing; too many to count them.
        var missingThrough: UInt64 = 0
        /// When to ask for what is missing.
        var askAt: SteadyTime?
        var asked = 0

        var isComplete: Bool { missing.isEmpty && missingThrough < roundStart }
    }

    private var session: Session?
    private var wanted: Set<AccountAddress> = []
    /// That were asked for in any session: the aggregator forgets them when it starts again.
    private var asked: Set<AccountAddress> = []
    /// Of those, what is still to be asked for in this session.
    private var unasked: [AccountAddress] = []
    private let limits: AgentLimits

    package init(limits: AgentLimits) {
        self.limits = limits
    }

    /// The session that is proved now, its stream and its hub; nil without one.
    package mutating func follow(session number: UInt64?, of stream: StreamTag, hub: StreamTag?) {
        guard let number, let hub else {
            session = nil
            return
        }
        guard session?.number != number || session?.stream != stream || session?.hub != hub else {
            return
        }
        session = Session(number: number, stream: stream, hub: hub)
        // In an order of their own: what a core says depends on nothing but what it was told.
        unasked = wanted.union(asked).sorted { $0.description < $1.description }
    }

    /// A message has come.
    ///
    /// - Returns: whether it is of this session and of its hub, and has accounts.
    package mutating func received(_ snapshot: AccountSnapshot, session number: UInt64) -> Bool {
        guard var session, session.number == number, session.hub == snapshot.hub,
            snapshot.number >= snapshot.roundStart
        else { return false }
        session.roundStart = max(session.roundStart, snapshot.roundStart)
        session.missing = session.missing.filter { $0 >= session.roundStart }
        let isRepeat = snapshot.accounts.isEmpty
        let through = isRepeat ? snapshot.number : snapshot.number - 1
        let first = max(session.highest + 1, session.roundStart)
        if first <= through { session.lose(first...through, countMax: limits.missingSnapshotsMax) }
        if !isRepeat { session.missing.remove(snapshot.number) }
        session.highest = max(session.highest, snapshot.number)
        self.session = session
        return !isRepeat
    }

    /// A message could not be used when it came: it counts as lost.
    package mutating func unusable(_ number: UInt64, session sessionNumber: UInt64) {
        guard session?.number == sessionNumber else { return }
        guard let start = session?.roundStart, number >= start else { return }
        session?.lose(number...number, countMax: limits.missingSnapshotsMax)
    }

    /// A client asks for an account of which the hub has not told.
    package mutating func want(_ account: AccountAddress) {
        guard wanted.count < limits.wantedAccountsMax, wanted.insert(account).inserted else {
            return
        }
        unasked.append(account)
    }

    /// Time has passed.
    ///
    /// - Parameter isCaughtUp: whether a snapshot that is taken now could be used.
    /// - Returns: what to ask for, and in which session.
    package mutating func tick(
        now: SteadyTime, isCaughtUp: Bool, stream: StreamTag,
        _ random: inout some RandomNumberGenerator
    ) -> (session: UInt64, request: AccountRequest)? {
        guard let number = session?.number else { return nil }
        let wantsAll = mustAskForAll(now, isCaughtUp, &random)
        guard wantsAll || !unasked.isEmpty else { return nil }
        let accounts = Array(unasked.prefix(AccountRequest.accountsMax))
        unasked.removeFirst(accounts.count)
        // An account that the hub does not know yet may be asked for again.
        wanted.subtract(accounts)
        asked.formUnion(accounts.prefix(limits.wantedAccountsMax - asked.count))
        return (
            number, AccountRequest(stream: stream, wantsAll: wantsAll, accounts: accounts)
        )
    }

    private mutating func mustAskForAll(
        _ now: SteadyTime, _ isCaughtUp: Bool, _ random: inout some RandomNumberGenerator
    ) -> Bool {
        guard var session else { return false }
        defer { self.session = session }
        guard !session.isComplete else {
            session.askAt = nil
            session.asked = 0
            return false
        }
        guard let askAt = session.askAt else {
            session.askAt = now.advanced(byMicroseconds: limits.snapshotReorderWindow)
            return false
        }
        guard now >= askAt, isCaughtUp else { return false }
        let doubled = limits.snapshotReorderWindow << Int64(min(session.asked, 20))
        let delay = min(limits.snapshotAskMax, doubled)
        session.asked += 1
        session.askAt = now.advanced(
            byMicroseconds: delay + Int64.random(in: 0...delay, using: &random))
        return true
    }
}

extension SnapshotInbox.Session {
    fileprivate mutating func lose(_ numbers: ClosedRange<UInt64>, countMax: Int) {
        guard numbers.upperBound - numbers.lowerBound < UInt64(countMax),
            missing.count + numbers.count <= countMax
        else {
            missing.removeAll()
            missingThrough = max(missingThrough, numbers.upperBound)
            return
        }
        missing.formUnion(numbers)
    }
}
