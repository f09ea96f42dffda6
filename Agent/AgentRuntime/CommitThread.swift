import AgentCore
import AgentStore
import LedgerCore
import Logging
import Observability
import SegmentStore
import SyncProtocol
import Synchronization
import Workers

/// The one thread that writes: it owns the folds, and everything that waits becomes one segment and
/// one sync.
///
/// A write that fails promised nothing to anybody: who waits is told so, and the folds are loaded
/// anew from the store.
final class CommitThread: Sendable {
    typealias Reply = @Sendable (Result<[Outcome], ServiceFailure>) -> Void

    enum Work: Sendable {
        case record([Submission], Reply)
        /// All or none of them.
        case recordGroup([Submission], Reply)
        /// A look at the folds, between two commits.
        case look(@Sendable (Folds?) -> Void)
        /// What the hub says of accounts; told whether it could be used.
        case snapshot(AccountSnapshot, @Sendable (Bool) -> Void)
        case receipt(Receipt)
        case session(UInt64, @Sendable (Bool) -> Void)
        case see(Seen)
        /// Promise that nothing earlier than a time will be recorded any more, and write it; nil
        /// where something is recorded behind that event.
        case promiseTime(acknowledged: UInt64, @Sendable (HybridTimestamp?) -> Void)
        /// No new transactions from here on, and why.
        case stop(String)
    }

    /// The balances as they are durable: this agent's own, and what others brought.
    struct Folds {
        let own: Balances
        let merged: MergedBalances

        func view(of address: AccountAddress) -> AccountView? {
            merged.account(address, own: own)
        }
    }

    private let mailbox: Mailbox<Work>
    private let waiting = Atomic<Int>(0)
    private let limits: AgentLimits
    private let thread: WorkerThread
    let health = WriteHealth()

    /// - Parameters:
    ///   - board: says what the aggregator holds, and is told what is pruned.
    ///   - signal: says that receipts were written.
    ///   - committed: called on this thread with the new head, the bytes that the commit added, and
    ///     which of its events are traced.
    ///   - broken: called when the disk failed and nothing can be written until a new start.
    init(
        store: AgentStore, loaded: AgentStore.Loaded, tail: OwnTail, limits: AgentLimits,
        upkeep: Upkeep, board: SyncBoard, hasher: any ContentHasher, logger: Logger,
        tracer: TributaryTracer?, signal: ChangeSignal,
        committed: @escaping @Sendable (ChainPoint, Int, [TracedRun]) -> Void,
        broken: @escaping @Sendable (String) -> Void
    ) {
        let mailbox = Mailbox<Work>(capacity: limits.waitingTransactionsMax)
        self.mailbox = mailbox
        self.limits = limits
        let health = health
        thread = WorkerThread("commit") {
            var writer = Writer(
                store: store, loaded: loaded, tail: tail, limits: limits, upkeep: upkeep,
                board: board, hasher: hasher, logger: logger, health: health,
                metrics: AgentMetrics(), tracer: tracer, signal: signal, committed: committed,
                broken: broken)
            writer.run(mailbox)
        }
    }

    /// Queues transactions for the next commit.
    ///
    /// - Returns: false where too many wait already.
    func record(_ submissions: [Submission], reply: @escaping Reply) -> Bool {
        queue(submissions, reply, Work.record)
    }

    /// Queues a group for the next commit; otherwise as ``record(_:reply:)``.
    func record(group: [Submission], reply: @escaping Reply) -> Bool {
        queue(group, reply, Work.recordGroup)
    }

    private func queue(
        _ submissions: [Submission], _ reply: @escaping Reply,
        _ work: ([Submission], @escaping Reply) -> Work
    ) -> Bool {
        let count = submissions.count
        let (before, _) = waiting.add(count, ordering: .relaxed)
        let posted =
            before > limits.waitingTransactionsMax
            ? .full
            : mailbox.post(
                work(submissions) { [self] result in
                    waiting.subtract(count, ordering: .relaxed)
                    reply(result)
                })
        guard posted != .taken else { return true }
        waiting.subtract(count, ordering: .relaxed)
        return false
    }

    @discardableResult
    func post(_ work: Work) -> Bool {
        mailbox.post(work) == .taken
    }

    /// Writes what waits, and a last checkpoint.
    func finish() -> Bool {
        mailbox.close()
        return thread.join(atMost: .seconds(8))
    }
}

/// The state of the commit thread.
private struct Writer: ~Copyable {
    private let store: AgentStore
    private let limits: AgentLimits
    private let hasher: any ContentHasher
    private let logger: Logger
    private let health: WriteHealth
    private let metrics: AgentMetrics
    private let signal: ChangeSignal
    private let committed: @Sendable (ChainPoint, Int, [TracedRun]) -> Void
    private let broken: @Sendable (String) -> Void
    private var admission: Admission<CommitThread.Reply>
    /// A write failed: the folds hold what never became durable.
    private var isSpent = false
    private var trace: CommitTrace
    private var seen = Seen.nothing
    private var stopped: String?
    private var pending = AgentStore.Commit()
    private var pendingSince: SteadyTime?
    private var sessions: [@Sendable (Bool) -> Void] = []
    private var looks: [@Sendable (CommitThread.Folds?) -> Void] = []
    private var merged: MergedBalances
    private var tail: OwnTail
    private var snapshots: [(AccountSnapshot, @Sendable (Bool) -> Void)] = []
    private var stagedSince: SteadyTime?
    private var promises: [TimePromise] = []
    private var segmentsSinceCheckpoint = 0
    private var bytesSinceCheckpoint = 0
    private var upkeep: Upkeep
    private let board: SyncBoard
    /// The last event whose acknowledgement is durable.
    private var acknowledged: UInt64

    init(
        store: AgentStore, loaded: AgentStore.Loaded, tail: OwnTail, limits: AgentLimits,
        upkeep: Upkeep, board: SyncBoard, hasher: any ContentHasher, logger: Logger,
        health: WriteHealth, metrics: AgentMetrics, tracer: TributaryTracer?,
        signal: ChangeSignal,
        committed: @escaping @Sendable (ChainPoint, Int, [TracedRun]) -> Void,
        broken: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.limits = limits
        self.hasher = hasher
        self.logger = logger
        self.health = health
        self.metrics = metrics
        self.signal = signal
        self.committed = committed
        self.broken = broken
        trace = CommitTrace(tracer)
        self.upkeep = upkeep
        self.board = board
        acknowledged = loaded.writing.acknowledged
        admission = Admission(loaded.origin, hasher: hasher)
        merged = MergedBalances(loaded.merged, limits: limits)
        self.tail = tail
    }

    mutating func run(_ mailbox: Mailbox<CommitThread.Work>) {
        while let work = mailbox.take(patience: patience) {
            for item in work {
                take(item)
                if admission.sealedCount >= limits.segmentsPerCommitMax { commit() }
            }
            if mustCommit { commit() }
            takeSnapshots()
            look()
            promiseTimes()
            keepUp(isIdle: work.isEmpty)
        }
        commit(withCheckpoint: segmentsSinceCheckpoint > 0)
    }

    /// Whether nothing waits for its time to be written.
    private var isPatient: Bool { pendingSince == nil && stagedSince == nil }

    private var patience: Duration {
        isPatient ? upkeep.patience : min(upkeep.patience, .milliseconds(100))
    }

    /// Receipts and what others brought wait a little for company: nobody waits for them.
    private var mustCommit: Bool {
        if admission.hasWaiters || !pending.sessions.isEmpty { return true }
        guard !isPatient else { return false }
        let now = SteadyClock.now()
        if let pendingSince, now.microseconds(since: pendingSince) >= limits.receiptDelayMax {
            return true
        }
        return stagedSince.map { now.microseconds(since: $0) >= limits.mergedDelayMax } ?? false
    }

    private mutating func take(_ work: CommitThread.Work) {
        switch work {
        case .record(let submissions, let reply): record(submissions, reply)
        case .recordGroup(let group, let reply): record(group, reply, isGroup: true)
        case .look(let body): looks.append(body)
        case .snapshot(let snapshot, let reply): keep(snapshot, reply)
        case .receipt(let receipt):
            pending.receipts.append(receipt)
            pendingSince = pendingSince ?? SteadyClock.now()
        case .session(let number, let done):
            pending.sessions[admission.stream] = number
            sessions.append(done)
        case .see(let seen):
            self.seen = seen
            admission.saw(seen)
        case .promiseTime(let acknowledged, let reply):
            promises.append(TimePromise(acknowledged: acknowledged, reply: reply))
        case .stop(let reason): stopped = reason
        }
    }

    private mutating func record(
        _ submissions: [Submission], _ reply: @escaping CommitThread.Reply, isGroup: Bool = false
    ) {
        if let stopped { return reply(.failure(.stopped(detail: stopped))) }
        guard loadIfSpent() else {
            return reply(
                .failure(
                    .unavailable(detail: "the data folder cannot be read; see the agent's log")))
        }
        let stored = { [store] (key: IdempotencyKey) throws(StoreError) in
            try store.keyRecord(key)
        }
        let now = WallClock.now()
        let first = admission.nextSequence
        do throws(StoreError) {
            if isGroup {
                try admission.submit(group: submissions, waiter: reply, now: now, stored: stored)
            } else {
                try admission.submit(submissions, waiter: reply, now: now, stored: stored)
            }
            trace.admitted(
                submissions.first?.trace, from: first, before: admission.nextSequence)
        } catch {
            // Part of the batch may be admitted: all that waits is given up, and its clients ask
            // again.
            fail([reply], error)
        }
    }

    // MARK: Committing

    private mutating func commit(withCheckpoint: Bool = false) {
        if !isSpent {
            pending.segments = admission.seal()
            if withCheckpoint || mustCheckpoint { addCheckpoint() }
        }
        pending.merged = merged.staged
        guard !pending.isEmpty else {
            if !isSpent { answer(admission.settled()) }
            return
        }
        if !pending.segments.isEmpty { trace.begins() }
        do throws(StoreError) {
            let began = ContinuousClock.now
            let durable = try store.commit(pending, now: WallClock.now())
            count(pending.segments, since: began)
            succeed(durable)
        } catch {
            fail([], error)
        }
    }

    private mutating func succeed(_ durable: Durable) {
        health.succeeded()
        let segments = pending.segments
        let hasReceipts = !pending.receipts.isEmpty
        let bytes = segments.reduce(0) { $0 + $1.segment.bytes.count }
        segmentsSinceCheckpoint =
            pending.checkpoint == nil ? segmentsSinceCheckpoint + segments.count : 0
        bytesSinceCheckpoint = pending.checkpoint == nil ? bytesSinceCheckpoint + bytes : 0
        for sealed in segments { tail.append(sealed.segment) }
        if !pending.merged.isEmpty { merged.persisted(durable) }
        stagedSince = nil
        acknowledged = pending.receipts.reduce(acknowledged) { max($0, $1.through.sequence) }
        clearPending()
        for done in sessions { done(true) }
        sessions.removeAll()
        keepPromises()
        if hasReceipts { signal.signal() }
        if let last = segments.last { committed(last.end, bytes, trace.ended(segments)) }
        if !isSpent { answer(admission.persisted(segments, durable)) }
    }

    private func answer(_ answers: [(CommitThread.Reply, [Outcome])]) {
        var replayed = 0
        var mismatched = 0
        var tooLarge = 0
        for (reply, outcomes) in answers {
            for outcome in outcomes {
                switch outcome {
                case .accepted: break
                case .replayed: replayed += 1
                case .mismatched: mismatched += 1
                case .groupTooLarge: tooLarge += 1
                }
            }
            reply(.success(outcomes))
        }
        if replayed > 0 { metrics.replayed.increment(by: replayed) }
        metrics.refuse(.idempotencyMismatch, count: mismatched)
        metrics.refuse(.tooLarge, count: tooLarge)
    }

    /// What became durable, and how long it took; a commit of receipts alone is nobody's wait.
    private func count(_ segments: [SealedSegment], since began: ContinuousClock.Instant) {
        guard !segments.isEmpty else { return }
        let duration = ContinuousClock.now - began
        let transactions = segments.reduce(0) { $0 + Int($1.segment.header.count) }
        metrics.accepted.increment(by: transactions)
        metrics.commitTransactions.record(transactions)
        metrics.commitDuration.record(duration: duration)
    }

    private mutating func fail(_ replies: [CommitThread.Reply], _ error: StoreError) {
        metrics.commitFailures.increment()
        logger.error("commit failed", metadata: ["store.error": "\(error)"])
        trace.failed("\(error)")
        health.failed("the last commit failed: \(error)")
        if store.isBroken { broken("\(error)") }
        let failure: ServiceFailure =
            if case .full(let detail) = error { .storageFull(detail: detail) } else {
                .unavailable(detail: "\(error)")
            }
        let waiting = replies + admission.abandon()
        isSpent = true
        for done in sessions { done(false) }
        sessions.removeAll()
        promises.removeAll()
        // An acknowledgement is not lost with the write that carried it.
        let receipts = pending.receipts
        clearPending()
        pending.receipts = receipts
        pendingSince = receipts.isEmpty ? nil : SteadyClock.now()
        stagedSince = merged.staged.isEmpty ? nil : SteadyClock.now()
        for reply in waiting { reply(.failure(failure)) }
    }

    private mutating func clearPending() {
        pending = AgentStore.Commit()
        pendingSince = nil
    }

    /// After a failed write the folds come from the store again.
    private mutating func loadIfSpent() -> Bool {
        guard isSpent else { return true }
        do throws(StoreError) {
            admission = Admission(try store.load().origin, hasher: hasher)
            admission.saw(seen)
            isSpent = false
            return true
        } catch {
            logger.error("loading the folds failed", metadata: ["store.error": "\(error)"])
            return false
        }
    }

    // MARK: Upkeep

    /// One step of it, also where a write failed: it may be what makes room for the next one.
    private mutating func keepUp(isIdle: Bool) {
        switch upkeep.step(standings, isIdle: isIdle) {
        case .nothing: break
        case .pruned(let through):
            board.update { $0[through.stream]?.oldestRetained = through.sequence + 1 }
        case .needsCheckpoint:
            if loadIfSpent() { commit(withCheckpoint: true) }
            if isSpent { upkeep.postpone() }
        case .failed(let error):
            logger.warning("pruning failed", metadata: ["store.error": "\(error)"])
            if store.isBroken { broken("\(error)") }
        }
    }

    private var standings: [Upkeep.Standing] {
        board.current.streams.map { stream in
            let isWritten = stream.tag == admission.stream
            return Upkeep.Standing(
                stream: stream.tag,
                head: isWritten ? admission.head.sequence : stream.head.sequence,
                acknowledged: isWritten ? acknowledged : stream.acknowledged, held: stream.held)
        }
    }

    // MARK: Checkpoints and looks

    private var mustCheckpoint: Bool {
        segmentsSinceCheckpoint >= limits.segmentsPerCheckpoint
            || bytesSinceCheckpoint >= limits.bytesPerCheckpoint
            || admission.keys.count >= limits.keysPerCheckpoint
    }

    private mutating func addCheckpoint() {
        let taken = admission.takeCheckpoint()
        pending.checkpoint = AgentStore.Checkpoint(
            balances: admission.balances, changedPages: taken.changedPages, keys: taken.keys,
            transactions: admission.transactions)
    }

    private mutating func look() {
        guard !looks.isEmpty else { return }
        // What ran ahead of the disk is shown to nobody.
        let folds =
            loadIfSpent() ? CommitThread.Folds(own: admission.balances, merged: merged) : nil
        for look in looks { look(folds) }
        looks.removeAll()
    }

    // MARK: What others brought

    /// Waits for the end of the commit under way: only then are the folds what is durable.
    private mutating func keep(
        _ snapshot: AccountSnapshot, _ reply: @escaping @Sendable (Bool) -> Void
    ) {
        guard snapshots.count < limits.waitingSnapshotsMax else { return reply(false) }
        snapshots.append((snapshot, reply))
    }

    private mutating func takeSnapshots() {
        guard !snapshots.isEmpty else { return }
        let isLoaded = loadIfSpent()
        for (snapshot, reply) in snapshots {
            guard isLoaded else {
                reply(false)
                continue
            }
            let refusal = merged.take(
                snapshot, stream: admission.stream, own: admission.balances, tail: &tail,
                dictionary: admission.dictionary)
            if refusal == .impossible {
                logger.warning(
                    "account snapshot refused",
                    metadata: ["hub.position": "\(snapshot.position)"])
            }
            reply(refusal != .tooFarBehind)
        }
        snapshots.removeAll(keepingCapacity: true)
        if !merged.staged.isEmpty { stagedSince = stagedSince ?? SteadyClock.now() }
    }

    // MARK: Promises

    /// Between two commits, when nothing is admitted that is not written. The promise is written
    /// with the next commit, or soon: like receipts, it may wait a little for company. After a failed
    /// write the folds are loaded for it: a shop in which nothing happens any more has nothing else
    /// that would, and would hold the ledger back.
    private mutating func promiseTimes() {
        for index in promises.indices where promises[index].time == nil {
            guard loadIfSpent(),
                let time = admission.promiseTime(
                    acknowledged: promises[index].acknowledged, now: WallClock.now())
            else {
                promises[index].reply(nil)
                promises[index].isOver = true
                continue
            }
            promises[index].time = time
            pending.promisedTime = time
            pendingSince = pendingSince ?? SteadyClock.now()
        }
        promises.removeAll { $0.isOver }
    }

    private mutating func keepPromises() {
        for promise in promises where promise.time != nil { promise.reply(promise.time) }
        promises.removeAll { $0.time != nil }
    }
}

/// A time that somebody wants to be promised.
private struct TimePromise {
    let acknowledged: UInt64
    let reply: @Sendable (HybridTimestamp?) -> Void
    /// Once it is chosen; it counts when it is written.
    var time: HybridTimestamp?
    var isOver = false

    init(acknowledged: UInt64, reply: @escaping @Sendable (HybridTimestamp?) -> Void) {
        self.acknowledged = acknowledged
        self.reply = reply
    }
}
