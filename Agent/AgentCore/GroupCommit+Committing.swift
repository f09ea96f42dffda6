import LedgerCore
import SyncProtocol

extension GroupCommit {
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
        guard commit.hub != nil || !commit.hubEvents.isEmpty, var hub = commit.hub ?? hub else {
            return []
        }
        for event in commit.hubEvents { hub.saw(event) }
        self.hub = hub
        if !isSpent { admission.saw(hub.seen) }
        return [.report(.seen(hub))]
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
}
