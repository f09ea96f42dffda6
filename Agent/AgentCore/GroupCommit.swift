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
    package private(set) var isSpent = false
    private var pending = AgentCommit()
    /// Since when something waits that may wait for company.
    private var pendingSince: SteadyTime?
    private var openings: [SessionOpening] = []
    private var promises: [Promise] = []
    private var hub: HubRecord?
    private var seen: Seen
    /// The hub's clock, as far as it was heard of, and as far as it is written down.
    private var observed = HybridTimestamp(rawValue: 0)
    private var observedDurably = HybridTimestamp(rawValue: 0)
    /// The last event of each stream whose acknowledgement is durable.
    package private(set) var acknowledged: [StreamTag: UInt64] = [:]
    private var segmentsSinceCheckpoint = 0
    private var bytesSinceCheckpoint = 0
    /// The stream that may not go on, and why.
    package private(set) var ending: (stream: StreamTag, end: StreamEnd)?
    private var drawAgainAt: SteadyTime?
    var merged: MergedBalances
    var tail: OwnTail
    var snapshots: [(snapshot: AccountSnapshot, session: UInt64)] = []
    var stagedSince: SteadyTime?
    let limits: AgentLimits
    private let hasher: any ContentHasher

    /// A time that the outbox wants to be promised.
    private struct Promise {
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
        seen = origin.place.seen
        self.limits = limits
        self.hasher = hasher
        for stream in streams { acknowledged[stream.tag] = stream.acknowledged }
    }

    // MARK: Questions

    package var stream: StreamTag { admission.stream }
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
            pending.sessions[opening.stream] = opening.session
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
            if stream == admission.stream { ending = ending ?? (stream, end) }
        case .keep(let acknowledged):
            pending.acknowledged.append(acknowledged)
            observe(acknowledged.clock)
            pendingSince = pendingSince ?? now
        case .finish(let stream, let hub):
            pending.finished[stream] = hub
            pendingSince = pendingSince ?? now
        case .follow(let hub):
            guard hub.tag != self.hub?.tag else { return [.report(.seen(seen))] }
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

    private mutating func observe(_ clock: HybridTimestamp) {
        observed = max(observed, clock)
        admission.observe(clock)
    }

    // MARK: Committing

    /// What one transaction writes now; nil where nothing is to be written, then `settled` answers
    /// who waits all the same.
    package mutating func seal(withCheckpoint: Bool = false) -> AgentCommit? {
        if !isSpent {
            pending.segments = admission.seal()
            if withCheckpoint || mustCheckpoint { addCheckpoint() }
        }
        pending.merged = merged.staged
        guard !pending.isEmpty else { return nil }
        if observed > observedDurably { pending.clock = max(pending.clock ?? observed, observed) }
        return pending
    }

    /// Only repeated requests waited: they are answered with what has long been durable.
    package mutating func settled() -> [Effect] {
        isSpent ? [] : admission.settled().map { .answer($0, .success($1)) }
    }

    private var mustCheckpoint: Bool {
        segmentsSinceCheckpoint >= limits.segmentsPerCheckpoint
            || bytesSinceCheckpoint >= limits.bytesPerCheckpoint
            || admission.keys.count >= limits.keysPerCheckpoint
    }

    private mutating func addCheckpoint() {
        let taken = admission.takeCheckpoint()
        pending.checkpoint = AgentCommit.Checkpoint(
            balances: admission.balances, changedPages: taken.changedPages, keys: taken.keys,
            transactions: admission.transactions)
    }

    /// What was sealed last is durable.
    package mutating func persisted(_ durable: Durable) -> [Effect] {
        let commit = pending
        let bytes = commit.segments.reduce(0) { $0 + $1.segment.bytes.count }
        let isCheckpointed = commit.checkpoint != nil
        segmentsSinceCheckpoint =
            isCheckpointed ? 0 : segmentsSinceCheckpoint + commit.segments.count
        bytesSinceCheckpoint = isCheckpointed ? 0 : bytesSinceCheckpoint + bytes
        for sealed in commit.segments { tail.append(sealed.segment) }
        if !commit.merged.isEmpty { merged.persisted(durable) }
        stagedSince = nil
        for one in commit.acknowledged {
            let through = one.through.sequence
            acknowledged[one.stream] = max(acknowledged[one.stream] ?? 0, through)
        }
        if let clock = commit.clock { observedDurably = max(observedDurably, clock) }
        clearPending()
        var effects: [Effect] = openings.map { .search($0) }
        openings.removeAll()
        effects += keptPromises() + saw(commit)
        if let last = commit.segments.last {
            effects.append(.report(.appended(admission.stream, last.end, byteCount: bytes)))
        }
        if !isSpent {
            effects += admission.persisted(commit.segments, durable).map {
                .answer($0, .success($1))
            }
        }
        return effects
    }

    /// Hub events that are durable are seen: what is recorded from now on knew of them.
    private mutating func saw(_ commit: AgentCommit) -> [Effect] {
        if let hub = commit.hub {
            self.hub = hub
            seen = Seen(hub: hub.tag, position: hub.seen)
        }
        if let last = commit.hubEvents.last {
            seen = Seen(hub: last.hub, position: max(seen.position, last.event.sequence))
        }
        guard commit.hub != nil || !commit.hubEvents.isEmpty else { return [] }
        if !isSpent { admission.saw(seen) }
        return [.report(.seen(seen))]
    }

    private mutating func clearPending() {
        pending = AgentCommit()
        pendingSince = nil
    }

    // MARK: Failing

    /// What was sealed last was not written, or a request could not be looked at: all that waits is
    /// given up, and its clients ask again. What the hub said is not lost with the write.
    package mutating func failed(
        _ failure: ServiceFailure, waiters: [Waiter] = [], now: SteadyTime
    ) -> [Effect] {
        let waiting = waiters + admission.abandon()
        isSpent = true
        openings.removeAll()
        promises.removeAll()
        var kept = AgentCommit()
        kept.acknowledged = pending.acknowledged
        kept.finished = pending.finished
        kept.hub = pending.hub
        kept.hubEvents = pending.hubEvents
        pending = kept
        pendingSince = kept.isEmpty ? nil : now
        stagedSince = merged.staged.isEmpty ? nil : now
        return waiting.map { .answer($0, .failure(failure)) }
    }

    /// Takes the folds as the store has them, after a write that failed: it may have taken place.
    package mutating func load(_ origin: AdmissionOrigin, streams: [StreamRecord]) -> [Effect] {
        let before = (stream: admission.stream, head: admission.head)
        admission = Admission(origin, hasher: hasher)
        admission.saw(seen)
        admission.observe(observed)
        isSpent = false
        if tail.head != admission.head.sequence || before.stream != admission.stream {
            tail = OwnTail(
                head: admission.head.sequence, byteCountMax: limits.ownTailBytesMax)
        }
        if before.stream != admission.stream {
            guard let record = streams.last(where: { $0.tag == admission.stream }) else {
                preconditionFailure("the stream that is written is one of the folder's")
            }
            let end = streams.last { $0.tag == before.stream }?.end
            return drawn(record, end)
        }
        guard admission.head.sequence > before.head.sequence else { return [] }
        return [.report(.appended(admission.stream, admission.head, byteCount: 0))]
    }

    // MARK: Another stream

    /// Whether the store may draw a stream now: one must, and nothing that was admitted waits.
    package func mayDraw(now: SteadyTime) -> Bool {
        guard ending != nil, !isSpent, !admission.hasWaiters else { return false }
        return drawAgainAt.map { now >= $0 } ?? true
    }

    /// The store has drawn it: what is admitted from now on is recorded there.
    package mutating func drew(_ record: StreamRecord) -> [Effect] {
        let end = ending?.end
        admission.draw(
            SegmentBuilder.Place(
                stream: record.tag, firstSequence: 1, previous: record.head.hash, seen: seen,
                dictionary: .empty))
        tail = OwnTail(head: 0, byteCountMax: limits.ownTailBytesMax)
        return drawn(record, end)
    }

    private mutating func drawn(_ record: StreamRecord, _ end: StreamEnd?) -> [Effect] {
        ending = nil
        drawAgainAt = nil
        acknowledged[record.tag] = record.acknowledged
        return [.report(.drawn(record, behind: end))]
    }

    /// It could not; whether it did all the same is known when the folds are loaded anew.
    package mutating func couldNotDraw(now: SteadyTime) {
        isSpent = true
        drawAgainAt = now.advanced(byMicroseconds: limits.drawDelay)
    }

    // MARK: Promises

    /// Between two commits, when nothing is admitted that is not written. The promise is written
    /// with the next commit, or soon: like acknowledgements, it may wait a little for company.
    mutating func promiseTimes(_ now: ClockReading) -> [Effect] {
        var effects: [Effect] = []
        var kept: [Promise] = []
        for var promise in promises {
            if promise.time == nil {
                let place = promise.acknowledged
                guard !isSpent, place.stream == admission.stream,
                    let time = admission.promiseTime(
                        acknowledged: place.sequence, now: now.wall)
                else {
                    effects.append(.report(.promised(nil, acknowledged: place)))
                    continue
                }
                promise.time = time
                pending.clock = max(pending.clock ?? time, time)
                pendingSince = pendingSince ?? now.steady
            }
            kept.append(promise)
        }
        promises = kept
        return effects
    }

    private mutating func keptPromises() -> [Effect] {
        let made = promises.filter { $0.time != nil }
        promises.removeAll { $0.time != nil }
        return made.map { .report(.promised($0.time, acknowledged: $0.acknowledged)) }
    }
}
