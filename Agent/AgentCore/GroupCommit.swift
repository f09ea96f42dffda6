import LedgerCore
import SyncProtocol

/// What the one thread that writes decides: what goes into the next transaction, when it is due, who
/// is answered by it, and what a write that failed leaves to do.
///
/// **Overview.** Clients' requests are admitted (`submit`); the outbox's errands gather (`take`).
/// `seal` makes one transaction of all that waits; the store's token answers the clients and reports
/// to the outbox. A write that failed promised nothing to anybody: its clients are told so, and the
/// folds are loaded anew from the store.
///
/// **Function.** Feed it, and whenever `isDue`: `seal`, have the store write what it returns, then
/// `persisted` or `failed`. After each turn call `settle`, for what must look at the folds as they are
/// durable. Where `ending` asks for it, have the store draw a stream when nothing waits, then say
/// `drew`. While it is spent, `load` it anew before anything else.
///
/// **Invariants.** What was admitted is written to the stream that it was admitted to, or its clients
/// are told that it was not. What the hub said and a failed write carried is written with the next.
package struct GroupCommit<Waiter: Sendable>: ~Copyable {
    package enum Effect: Sendable {
        case answer(Waiter, Result<[Outcome], ServiceFailure>)
        case report(CommitReport)
        /// The session's number is durable: search the log for it, and report that it is `opened`.
        case search(SessionOpening)
        /// A snapshot cannot be right.
        case refused(AccountSnapshot)
    }

    var admission: Admission<Waiter>
    /// A write failed: the folds hold what never became durable.
    package internal(set) var isSpent = false
    var pending = AgentCommit()
    /// Since when something waits that may wait for company.
    var pendingSince: SteadyTime?
    var openings: [SessionOpening] = []
    var promises: [Promise] = []
    var hub: HubRecord?
    /// The hub's clock, as far as it was heard of, and as far as it is written down.
    var observed = HybridTimestamp(rawValue: 0)
    var observedDurably = HybridTimestamp(rawValue: 0)
    /// The last event of each stream whose acknowledgement is durable.
    package internal(set) var acknowledged: [StreamTag: UInt64] = [:]
    var segmentsSinceCheckpoint = 0
    var bytesSinceCheckpoint = 0
    /// The stream that may not go on, and why.
    package internal(set) var ending: (stream: StreamTag, end: StreamEnd)?
    var drawAgainAt: SteadyTime?
    /// The stream that was drawn last in this run, and why the one before ended.
    var lastDraw: (record: StreamRecord, end: StreamEnd?)?
    var merged: MergedBalances
    var tail: OwnTail
    var snapshots: [(snapshot: AccountSnapshot, session: UInt64)] = []
    var stagedSince: SteadyTime?
    let limits: AgentLimits
    let hasher: any ContentHasher

    /// A time that the outbox wants to be promised.
    struct Promise {
        let acknowledged: EventPlace
        /// Once it is chosen; it counts when it is written.
        var time: HybridTimestamp?
    }

    /// - Parameters:
    ///   - tail: of the stream that is written.
    ///   - hub: that is followed.
    package init(
        _ origin: AdmissionOrigin, streams: [StreamRecord], tail: OwnTail,
        merged: MergedBalances, hub: HubRecord?, limits: AgentLimits, hasher: any ContentHasher
    ) {
        admission = Admission(origin, hasher: hasher)
        self.tail = tail
        self.merged = merged
        self.hub = hub
        self.limits = limits
        self.hasher = hasher
        for stream in streams { acknowledged[stream.tag] = stream.acknowledged }
    }

    // MARK: Questions

    package var stream: StreamTag { admission.stream }
    var seen: Seen { hub?.seen ?? .nothing }
    /// Whose word merged balances are.
    package var hubTag: StreamTag? { hub?.tag }
    package var head: ChainPoint { admission.head }
    package var nextSequence: UInt64 { admission.nextSequence }
    package var isFull: Bool { admission.sealedCount >= limits.segmentsPerCommitMax }
    package var hasUncheckpointed: Bool { segmentsSinceCheckpoint > 0 }

    /// Whether something waits for its time to be written.
    package var isWaiting: Bool { pendingSince != nil || stagedSince != nil }

    /// Clients wait, and sessions do; acknowledgements and what others brought wait a little for
    /// company, because nobody waits for them.
    package func isDue(now: SteadyTime) -> Bool {
        if admission.hasWaiters || !openings.isEmpty { return true }
        if let pendingSince, now.microseconds(since: pendingSince) >= limits.receiptDelayMax {
            return true
        }
        return stagedSince.map { now.microseconds(since: $0) >= limits.mergedDelayMax } ?? false
    }

    /// Whether something waits that needs the folds, which have to be loaded first: in a shop in which
    /// nothing happens any more, no request would.
    package var mustLoad: Bool {
        isSpent && (!promises.isEmpty || !snapshots.isEmpty || ending != nil)
    }

    /// The folds as they are durable; nil where they have to be loaded first.
    ///
    /// To be asked between two commits.
    package var folds: (own: Balances, merged: MergedBalances)? {
        isSpent ? nil : (admission.balances, merged)
    }

    // MARK: What comes in

    /// Takes a batch, or a group that is recorded all or none.
    ///
    /// - Precondition: not spent.
    package mutating func submit<Failure>(
        _ submissions: [Submission], isGroup: Bool, waiter: Waiter, now: Timestamp,
        stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) {
        precondition(!isSpent, "a request for folds that never became durable")
        if isGroup {
            try admission.submit(group: submissions, waiter: waiter, now: now, stored: stored)
        } else {
            try admission.submit(submissions, waiter: waiter, now: now, stored: stored)
        }
    }

    /// Takes what the outbox wants done.
    package mutating func take(_ errand: Errand, now: SteadyTime) -> [Effect] {
        switch errand {
        case .open(let opening):
            let before = pending.sessions[opening.stream] ?? 0
            pending.sessions[opening.stream] = max(before, opening.session)
            openings.append(opening)
            return []
        case .take(let snapshot, let session):
            guard snapshots.count < limits.waitingSnapshotsMax else {
                return [unusable(snapshot, session)]
            }
            snapshots.append((snapshot, session))
            return []
        case .promiseTime(let place): promises.append(Promise(acknowledged: place))
        case .observe(let clock): observe(clock)
        case .end(let stream, let end):
            if stream == admission.stream {
                ending = ending ?? (stream, end)
            } else if let lastDraw {
                // It has ended, and the outbox has not heard of it.
                return [.report(.drawn(lastDraw.record, behind: lastDraw.end))]
            }
        case .keep(let acknowledged):
            pending.acknowledged.append(acknowledged)
            observe(acknowledged.clock)
            pendingSince = pendingSince ?? now
        case .finish(let stream, let hub):
            pending.finished[stream] = hub
            pendingSince = pendingSince ?? now
        case .follow(let hub):
            if let own = self.hub, own.tag == hub.tag { return [.report(.seen(own))] }
            pending.hub = hub
            pending.hubEvents.removeAll()
            pendingSince = pendingSince ?? now
        case .keepEvents(let events):
            let following = pending.hub?.tag ?? hub?.tag
            pending.hubEvents += events.filter { $0.hub == following }
            pendingSince = pendingSince ?? now
        }
        return []
    }

    mutating func observe(_ clock: HybridTimestamp) {
        observed = max(observed, clock)
        admission.observe(clock)
    }
}
