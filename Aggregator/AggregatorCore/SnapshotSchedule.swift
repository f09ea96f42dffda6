import LedgerCore
import SyncProtocol

/// Tells agents of the merged balances of the accounts that they use: whom, of what, and when.
///
/// **Overview.** An agent uses the accounts that its streams have named, former ones too, and those
/// that it asked for.
/// A session begins with a round of all of them; from then on it is told of those that changed. The
/// messages of a session are numbered, and the last number is repeated now and then, so that the
/// agent notices what was lost and asks for another round.
///
/// **Function.** `began`, `ended`, `heard` and `asked` follow the sessions; `turn`, called some 20
/// times a second while the fold is what the store has made durable, sends what is due. After a
/// failed commit the ledger's numbers are others: make a new schedule.
///
/// **Implementation.** A *use* is an account with an agent. The uses of an account are a linked
/// list, for a change has to find them; those of an agent that it is to be told of wait in a queue,
/// each once. So a turn costs what changed, not what there is.
///
/// **Invariants.** Nothing is sent to an agent that is offline, outside of its session, or ahead of
/// what is durable; a change that was noticed waits until it was sent or the session ended; a turn
/// keeps within the limits, whatever changed, and agents take turns.
package struct SnapshotSchedule: Sendable {
    package struct Outgoing: Sendable {
        package let agent: AgentID
        package let session: UInt64
        package let message: AccountSnapshot
    }

    /// How far a stream is, as its session knows it.
    package struct Progress: Sendable {
        /// The session under way, its number.
        package let session: UInt64
        package let committed: UInt64
        /// Announced and not yet merged.
        package let lag: UInt64

        package init(session: UInt64, committed: UInt64, lag: UInt64) {
            self.session = session
            self.committed = committed
            self.lag = lag
        }
    }

    /// What is durable now.
    package struct Place: Sendable {
        package let hub: StreamTag
        package let position: UInt64
        /// The hub's.
        package let clock: HybridTimestamp
        package let now: ClockReading

        package init(
            hub: StreamTag, position: UInt64,
            clock: HybridTimestamp = HybridTimestamp(rawValue: 0), now: ClockReading
        ) {
            self.clock = clock
            self.hub = hub
            self.position = position
            self.now = now
        }
    }

    private struct Use {
        let listener: UInt32
        let account: Balances.AccountNumber
        /// The next use of the same account, or `none`.
        let next: UInt32
        var isWaiting = false
    }

    private struct Listener {
        let agent: AgentID
        let stream: StreamTag
        var session: UInt64
        var isOnline = true
        var uses: [UInt32] = []
        /// By stream of the agent, the names that were looked at, of each of its branches.
        var namesRead: [StreamTag: [Int]] = [:]
        var asked = 0
        /// Uses to tell of, from `nextWaiting` on.
        var waiting: [UInt32] = []
        var nextWaiting = 0
        /// Of those, the part of the round.
        var roundRest = 0
        var number: UInt64 = 0
        var roundStart: UInt64 = 1
        /// Not before then.
        var dueAt = SteadyTime(microseconds: 0)
        var repeatAt = SteadyTime(microseconds: 0)
        var repeatInterval: Int64 = 0

        var hasWaiting: Bool { nextWaiting < waiting.count }
    }

    private static let none = UInt32.max

    private var uses: [Use] = []
    /// By account: its first use, or `none`.
    private var firstUse: [UInt32] = []
    private var listeners: [Listener] = []
    private var listenerOfAgent: [AgentID: Int] = [:]
    private var listenerOfStream: [StreamTag: Int] = [:]
    /// Whose turn it is first.
    private var turnOf = 0
    private let limits: AggregatorLimits

    package init(limits: AggregatorLimits) {
        self.limits = limits
    }

    // MARK: Sessions

    /// A session is proved: the agent is to be told of all its accounts.
    package mutating func began(_ agent: AgentID, stream: StreamTag, session: UInt64) {
        if let before = listenerOfAgent[agent], listeners[before].stream != stream {
            // Its other stream has uses of its own; those of this one are passed over.
            stopWaiting(before)
            listeners[before].isOnline = false
        }
        guard let index = listenerOfStream[stream] else {
            listenerOfAgent[agent] = listeners.count
            listenerOfStream[stream] = listeners.count
            listeners.append(Listener(agent: agent, stream: stream, session: session))
            return
        }
        let isCurrent = listenerOfAgent[agent] == index
        listenerOfAgent[agent] = index
        guard !isCurrent || listeners[index].session != session else { return }
        stopWaiting(index)
        listeners[index].session = session
        listeners[index].isOnline = true
        listeners[index].number = 0
        beginRound(index)
    }

    /// The agent is offline: whatever is sent would be lost.
    package mutating func ended(_ agent: AgentID) {
        guard let index = listenerOfAgent[agent] else { return }
        stopWaiting(index)
        listeners[index].isOnline = false
    }

    /// The agent is there after all, in the session that it had.
    package mutating func heard(_ agent: AgentID) {
        guard let index = listenerOfAgent[agent], !listeners[index].isOnline else { return }
        listeners[index].isOnline = true
        beginRound(index)
    }

    /// The agent asks for another round, or for accounts that it does not use. A round that is still
    /// being sent is not begun again.
    package mutating func asked(
        _ agent: AgentID, _ request: AccountRequest, session: UInt64, _ balances: Balances
    ) {
        guard let index = listenerOfAgent[agent], listeners[index].stream == request.stream,
            listeners[index].session == session
        else { return }
        if request.wantsAll, listeners[index].roundRest == 0 { beginRound(index) }
        for address in request.accounts {
            guard let account = balances.number(of: address) else { continue }
            if let use = use(of: account, by: index) {
                wait(use)
            } else if listeners[index].asked < limits.accountsWantedMax {
                listeners[index].asked += 1
                add(account, to: index)
            }
        }
    }

    /// Events of the agent are given up: what its sums include is another, although they are the same.
    package mutating func lost(_ agent: AgentID) {
        guard let index = listenerOfAgent[agent], listeners[index].isOnline else { return }
        beginRound(index)
    }

    private mutating func beginRound(_ index: Int) {
        listeners[index].roundStart = listeners[index].number + 1
        for use in listeners[index].uses { wait(use) }
        listeners[index].roundRest =
            listeners[index].waiting.count - listeners[index].nextWaiting
    }

    private mutating func stopWaiting(_ index: Int) {
        for use in listeners[index].waiting[listeners[index].nextWaiting...] {
            uses[Int(use)].isWaiting = false
        }
        clearWaiting(index)
    }

    private mutating func clearWaiting(_ index: Int) {
        listeners[index].waiting.removeAll(keepingCapacity: false)
        listeners[index].nextWaiting = 0
        listeners[index].roundRest = 0
    }

    // MARK: Uses

    private func use(of account: Balances.AccountNumber, by index: Int) -> UInt32? {
        guard account.value < firstUse.count else { return nil }
        var use = firstUse[Int(account.value)]
        while use != SnapshotSchedule.none {
            if uses[Int(use)].listener == index { return use }
            use = uses[Int(use)].next
        }
        return nil
    }

    private mutating func add(_ account: Balances.AccountNumber, to index: Int) {
        guard listeners[index].uses.count < limits.accountsPerAgentMax else { return }
        while account.value >= firstUse.count { firstUse.append(SnapshotSchedule.none) }
        let use = UInt32(uses.count)
        uses.append(
            Use(
                listener: UInt32(index), account: account, next: firstUse[Int(account.value)]))
        firstUse[Int(account.value)] = use
        listeners[index].uses.append(use)
        wait(use)
    }

    private mutating func wait(_ use: UInt32) {
        let index = Int(uses[Int(use)].listener)
        guard listeners[index].isOnline, !uses[Int(use)].isWaiting else { return }
        uses[Int(use)].isWaiting = true
        listeners[index].waiting.append(use)
    }

    // MARK: Turns

    /// Notices what changed, and sends what is due.
    ///
    /// - Parameters:
    ///   - messagesMax: what the transport has room for.
    ///   - streams: all that an agent has.
    ///   - send: hands a message over; false where it was not taken, which ends the turn.
    /// - Precondition: the ledger is what is durable at the place.
    package mutating func turn(
        _ place: Place, _ ledger: inout GlobalLedger, messagesMax: Int,
        streams: (AgentID) -> [StreamTag], progress: (StreamTag) -> Progress?,
        send: (Outgoing) -> Bool
    ) {
        noticeNames(ledger, streams)
        noticeChanges(&ledger)
        var room = Room(
            messages: min(messagesMax, limits.snapshotMessagesPerTurnMax),
            bytes: limits.snapshotBytesPerTurnMax)
        var isIdle = false
        while !isIdle, room.isLeft {
            isIdle = true
            for offset in listeners.indices {
                guard room.isLeft else { break }
                let index = (turnOf + offset) % listeners.count
                guard isDue(index, place.now.steady),
                    let progress = progress(listeners[index].stream),
                    progress.session == listeners[index].session,
                    progress.lag <= limits.snapshotLagMax
                else { continue }
                isIdle = false
                guard tell(index, place, ledger, progress, &room, send) else { return }
            }
        }
        turnOf = listeners.isEmpty ? 0 : (turnOf + 1) % listeners.count
    }

    private struct Room {
        var messages: Int
        var bytes: Int
        var isLeft: Bool { messages > 0 && bytes > 0 }
    }

    private mutating func noticeNames(
        _ ledger: GlobalLedger, _ streams: (AgentID) -> [StreamTag]
    ) {
        for index in listeners.indices where listeners[index].isOnline {
            for stream in streams(listeners[index].agent) {
                let found = ledger.accounts(
                    of: stream, behind: &listeners[index].namesRead[stream, default: []])
                if !found.isEmpty { add(found, of: stream, to: index) }
            }
        }
    }

    /// What several streams, or branches of one, have named is one use.
    private mutating func add(
        _ accounts: [Balances.AccountNumber], of stream: StreamTag, to index: Int
    ) {
        let read = listeners[index].namesRead
        guard read.count > 1 || (read[stream]?.count ?? 0) > 1 else {
            for account in accounts { add(account, to: index) }
            return
        }
        var known = Set(listeners[index].uses.map { uses[Int($0)].account })
        for account in accounts where known.insert(account).inserted { add(account, to: index) }
    }

    private mutating func noticeChanges(_ ledger: inout GlobalLedger) {
        var notices = 0
        while notices < limits.snapshotNoticesPerTurnMax {
            let changed = ledger.takeChangedAccounts(atMost: 256)
            guard !changed.isEmpty else { return }
            notices += changed.count
            for account in changed where account.value < firstUse.count {
                var use = firstUse[Int(account.value)]
                while use != SnapshotSchedule.none {
                    wait(use)
                    use = uses[Int(use)].next
                    notices += 1
                }
            }
        }
    }

    private func isDue(_ index: Int, _ now: SteadyTime) -> Bool {
        let listener = listeners[index]
        guard listener.isOnline else { return false }
        // A round goes out as fast as the limits let it.
        if listener.roundRest > 0 { return true }
        return listener.hasWaiting
            ? now >= listener.dueAt : listener.number > 0 && now >= listener.repeatAt
    }

    /// - Returns: whether the transport took it.
    private mutating func tell(
        _ index: Int, _ place: Place, _ ledger: GlobalLedger, _ progress: Progress,
        _ room: inout Room, _ send: (Outgoing) -> Bool
    ) -> Bool {
        guard listeners[index].hasWaiting else {
            return repeatNumber(index, place, progress, &room, send)
        }
        let (parts, count) = next(index, ledger.balances, room.bytes)
        for accounts in parts {
            let number = listeners[index].number + 1
            guard send(message(index, place, progress, number: number, accounts)) else {
                return false
            }
            listeners[index].number = number
            room.messages -= 1
            room.bytes -= accounts.reduce(0) { $0 + AccountSnapshot.byteCountBound($1) }
        }
        told(index, count, place.now.steady)
        return true
    }

    private mutating func told(_ index: Int, _ count: Int, _ now: SteadyTime) {
        let start = listeners[index].nextWaiting
        for use in listeners[index].waiting[start..<start + count] {
            uses[Int(use)].isWaiting = false
        }
        listeners[index].nextWaiting += count
        listeners[index].roundRest -= min(count, listeners[index].roundRest)
        listeners[index].dueAt = now.advanced(byMicroseconds: limits.snapshotInterval)
        guard !listeners[index].hasWaiting else { return }
        clearWaiting(index)
        listeners[index].repeatInterval = limits.snapshotRepeatMin
        listeners[index].repeatAt = now.advanced(byMicroseconds: limits.snapshotRepeatMin)
    }

    private mutating func repeatNumber(
        _ index: Int, _ place: Place, _ progress: Progress, _ room: inout Room,
        _ send: (Outgoing) -> Bool
    ) -> Bool {
        let number = listeners[index].number
        guard send(message(index, place, progress, number: number, [])) else { return false }
        room.messages -= 1
        let interval = min(limits.snapshotRepeatMax, listeners[index].repeatInterval * 2)
        listeners[index].repeatInterval = interval
        listeners[index].repeatAt = place.now.steady.advanced(byMicroseconds: interval)
        return true
    }

    private func message(
        _ index: Int, _ place: Place, _ progress: Progress, number: UInt64,
        _ accounts: [AccountSnapshot.Account]
    ) -> Outgoing {
        let listener = listeners[index]
        return Outgoing(
            agent: listener.agent, session: listener.session,
            message: AccountSnapshot(
                hub: place.hub, position: place.position, takenAt: place.now.wall,
                clock: place.clock,
                included: [
                    AccountSnapshot.Included(stream: listener.stream, through: progress.committed)
                ], number: number, roundStart: listener.roundStart, accounts: accounts))
    }

    /// The accounts of the next message, and how many uses they are. An account with more balances
    /// than one message takes makes messages of its own, all at once.
    private func next(_ index: Int, _ balances: Balances, _ bytesMax: Int) -> (
        parts: [[AccountSnapshot.Account]], uses: Int
    ) {
        let listener = listeners[index]
        let bytesMax = min(limits.snapshotBytesMax, bytesMax)
        var accounts: [AccountSnapshot.Account] = []
        var byteCount = 0
        for use in listener.waiting[listener.nextWaiting...] {
            let parts = balances.snapshot(of: uses[Int(use)].account)
            if parts.count > 1 {
                return accounts.isEmpty ? (parts.map { [$0] }, 1) : ([accounts], accounts.count)
            }
            byteCount += parts.reduce(0) { $0 + AccountSnapshot.byteCountBound($1) }
            guard accounts.isEmpty || byteCount <= bytesMax,
                accounts.count < AccountSnapshot.accountsMax
            else { break }
            accounts += parts
        }
        return ([accounts], accounts.count)
    }
}

extension Balances {
    /// The account as messages say it: in one part, but for one of very many assets. Each of several
    /// parts is full, so that one that is not is known to be the whole account.
    fileprivate func snapshot(of number: AccountNumber) -> [AccountSnapshot.Account] {
        let balances = cells(of: number).map {
            AccountSnapshot.Balance(asset: asset($0.asset), input: $0.input, output: $0.output)
        }
        let address = address(of: number)
        guard balances.count > AccountSnapshot.balancesMax else {
            return [AccountSnapshot.Account(address: address, balances: balances)]
        }
        return stride(from: 0, to: balances.count, by: AccountSnapshot.balancesMax).map { start in
            let end = min(start + AccountSnapshot.balancesMax, balances.count)
            return AccountSnapshot.Account(
                address: address, balances: Array(balances[end - AccountSnapshot.balancesMax..<end])
            )
        }
    }
}
