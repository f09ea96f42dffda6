import AgentCore
import AgentStore
import LedgerCore
import Logging
import SegmentStore
import SyncProtocol
import Workers

/// Does on the commit thread what `GroupCommit` decides.
struct CommitWriter: ~Copyable {
    private let parts: CommitThread.Parts
    private let store: AgentStore
    private let logger: Logger
    private let health: WriteHealth
    private let metrics = AgentMetrics()
    private var commits: GroupCommit<CommitThread.Reply>
    private var trace: CommitTrace
    private var upkeep: Upkeep
    private var looks: [@Sendable (CommitThread.Folds?) -> Void] = []
    private var random = SystemRandomNumberGenerator()

    init(
        _ parts: CommitThread.Parts, loaded: AgentStore.Loaded, tail: OwnTail, upkeep: Upkeep,
        health: WriteHealth
    ) {
        self.parts = parts
        store = parts.store
        logger = parts.logger
        self.health = health
        self.upkeep = upkeep
        trace = CommitTrace(parts.tracer)
        commits = GroupCommit(
            loaded.origin, streams: loaded.streams, tail: tail,
            merged: MergedBalances(loaded.merged, limits: parts.limits), hub: loaded.hubs.last,
            limits: parts.limits, hasher: parts.hasher)
    }

    mutating func run(_ mailbox: Mailbox<CommitThread.Work>) {
        while let work = mailbox.take(patience: patience) {
            for item in work {
                take(item)
                if commits.isFull { commit() }
            }
            if commits.isDue(now: SteadyClock.now()) { commit() }
            if commits.mustLoad { _ = loadIfSpent() }
            drawIfDue()
            perform(commits.settle(now: .now()))
            look()
            keepUp(isIdle: work.isEmpty)
        }
        commit(withCheckpoint: commits.hasUncheckpointed)
    }

    private var patience: Duration {
        commits.isWaiting || commits.ending != nil
            ? min(upkeep.patience, .milliseconds(100)) : upkeep.patience
    }

    private mutating func take(_ work: CommitThread.Work) {
        switch work {
        case .record(let submissions, let isGroup, let reply): record(submissions, isGroup, reply)
        case .look(let body): looks.append(body)
        case .errand(let errand): perform(commits.take(errand, now: SteadyClock.now()))
        }
    }

    private mutating func record(
        _ submissions: [Submission], _ isGroup: Bool, _ reply: @escaping CommitThread.Reply
    ) {
        guard loadIfSpent() else {
            return reply(
                .failure(
                    .unavailable(detail: "the data folder cannot be read; see the agent's log")))
        }
        let first = commits.nextSequence
        do throws(StoreError) {
            try commits.submit(
                submissions, isGroup: isGroup, waiter: reply, now: WallClock.now()
            ) { [store] (key: IdempotencyKey) throws(StoreError) in try store.keyRecord(key) }
            trace.admitted(submissions.first?.trace, from: first, before: commits.nextSequence)
        } catch {
            // Part of the batch may be admitted: all that waits is given up, and its clients ask
            // again.
            fail(error, [reply])
        }
    }

    // MARK: Committing

    private mutating func commit(withCheckpoint: Bool = false) {
        guard let commit = commits.seal(withCheckpoint: withCheckpoint) else {
            return perform(commits.settled())
        }
        if !commit.segments.isEmpty { trace.begins() }
        do throws(StoreError) {
            let began = ContinuousClock.now
            let durable = try store.commit(commit, now: WallClock.now())
            count(commit.segments, since: began)
            health.succeeded()
            let traced = commit.segments.isEmpty ? [] : trace.ended(commit.segments)
            perform(commits.persisted(durable), traced)
            let hasReceipts = commit.acknowledged.contains { !$0.receipts.isEmpty }
            if hasReceipts { parts.signal.signal() }
        } catch {
            fail(error)
        }
    }

    private mutating func perform(
        _ effects: [GroupCommit<CommitThread.Reply>.Effect], _ traced: [TracedRun] = []
    ) {
        var counts = AnswerCounts()
        for effect in effects {
            switch effect {
            case .answer(let reply, let result):
                counts.add(result)
                reply(result)
            case .report(let report):
                note(report)
                if case .appended = report {
                    parts.report(report, traced)
                } else {
                    parts.report(report, [])
                }
            case .search(let opening): search(opening)
            case .refused(let snapshot):
                logger.warning(
                    "account snapshot refused",
                    metadata: ["hub.position": "\(snapshot.position)"])
            }
        }
        counts.add(to: metrics)
    }

    /// What readers of the board are told before anybody is answered.
    private func note(_ report: CommitReport) {
        switch report {
        case .appended(let stream, let head, let byteCount):
            parts.board.update {
                $0[stream]?.append(head, byteCount: byteCount)
            }
        case .drawn(let record, let end): parts.board.update { $0.draw(record, behind: end) }
        case .opened, .promised, .unusable, .seen, .pruned: break
        }
    }

    /// On the thread that prunes, so that nothing of what the aggregator lacks goes in between.
    private mutating func search(_ opening: SessionOpening) {
        do throws(StoreError) {
            let found = try store.search(opening)
            parts.board.update { $0[opening.stream]?.held = found.found?.sequence ?? 0 }
            parts.report(.opened(opening, found), [])
        } catch {
            logger.error("cannot search the log", metadata: ["store.error": "\(error)"])
        }
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

    // MARK: Failing

    private mutating func fail(_ error: StoreError, _ replies: [CommitThread.Reply] = []) {
        metrics.commitFailures.increment()
        logger.error("commit failed", metadata: ["store.error": "\(error)"])
        trace.failed("\(error)")
        health.failed("the last commit failed: \(error)")
        if store.isBroken { parts.broken("\(error)") }
        let failure: ServiceFailure =
            if case .full(let detail) = error { .storageFull(detail: detail) } else {
                .unavailable(detail: "\(error)")
            }
        perform(commits.failed(failure, waiters: replies, now: SteadyClock.now()))
    }

    /// After a failed write the folds come from the store again.
    private mutating func loadIfSpent() -> Bool {
        guard commits.isSpent else { return true }
        do throws(StoreError) {
            let loaded = try store.load()
            perform(commits.load(loaded.origin, streams: loaded.streams))
            return true
        } catch {
            logger.error("loading the folds failed", metadata: ["store.error": "\(error)"])
            return false
        }
    }

    // MARK: Another stream

    /// What was admitted is written to the stream that it was admitted to; then another begins.
    private mutating func drawIfDue() {
        guard commits.ending != nil, !commits.isSpent else { return }
        commit()
        guard commits.mayDraw(now: SteadyClock.now()), let ending = commits.ending else { return }
        let nonce = (0..<Genesis.nonceByteCount).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        do throws(StoreError) {
            perform(commits.drew(try store.draw(nonce: nonce, ending.end)))
        } catch {
            logger.error(
                "cannot begin another stream; transactions go on in the one before",
                metadata: ["store.error": "\(error)", "sync.stream": "\(ending.stream)"])
            commits.couldNotDraw(now: SteadyClock.now())
        }
    }

    // MARK: Upkeep

    /// One step of it, also where a write failed: it may be what makes room for the next one.
    private mutating func keepUp(isIdle: Bool) {
        guard upkeep.isDue else { return }
        switch upkeep.step(standings, isIdle: isIdle) {
        case .nothing: break
        case .pruned(let place):
            parts.board.update { $0[place.stream]?.oldestRetained = place.sequence + 1 }
            reportPruned(place.stream)
        case .needsCheckpoint:
            if loadIfSpent() { commit(withCheckpoint: true) }
            if commits.isSpent { upkeep.postpone() }
        case .failed(let error):
            logger.warning("pruning failed", metadata: ["store.error": "\(error)"])
            if store.isBroken { parts.broken("\(error)") }
        }
    }

    private func reportPruned(_ stream: StreamTag) {
        do throws(StoreError) {
            parts.report(.pruned(stream, through: try store.keptBehind(of: stream)), [])
        } catch {
            // The next session's search says it too.
            logger.warning("cannot read the log", metadata: ["store.error": "\(error)"])
        }
    }

    private var standings: [Upkeep.Standing] {
        parts.board.current.streams.map { stream in
            Upkeep.Standing(
                stream: stream.tag, head: stream.head.sequence,
                acknowledged: commits.acknowledged[stream.tag] ?? 0, held: stream.held)
        }
    }

    private mutating func look() {
        guard !looks.isEmpty else { return }
        // What ran ahead of the disk is shown to nobody.
        let folds = loadIfSpent() ? commits.folds : nil
        for look in looks {
            look(
                folds.map {
                    CommitThread.Folds(own: $0.own, merged: $0.merged, hub: commits.hubTag)
                })
        }
        looks.removeAll()
    }
}

/// What clients were told, for the metrics.
private struct AnswerCounts {
    private var replayed = 0
    private var mismatched = 0
    private var tooLarge = 0

    mutating func add(_ result: Result<[Outcome], ServiceFailure>) {
        guard case .success(let outcomes) = result else { return }
        for outcome in outcomes {
            switch outcome {
            case .accepted: break
            case .replayed: replayed += 1
            case .mismatched: mismatched += 1
            case .groupTooLarge: tooLarge += 1
            }
        }
    }

    func add(to metrics: AgentMetrics) {
        if replayed > 0 { metrics.replayed.increment(by: replayed) }
        metrics.refuse(.idempotencyMismatch, count: mismatched)
        metrics.refuse(.tooLarge, count: tooLarge)
    }
}
