import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol

/// The thread that writes, as `CommitThread` and `Upkeep` have it: what waits becomes one commit, and
/// between two commits it looks, takes snapshots, promises and prunes.
extension SimulatedAgent {
    // MARK: Requests

    func submit(_ request: Request, _ ticket: Ticket) {
        switch request.kind {
        case .read(let account): post(.look(account, ticket))
        case .batch: post(.record(request.parts.map { submission($0) }, ticket, request))
        case .group:
            var submissions = request.parts.map { submission($0) }
            for index in submissions.indices { submissions[index].keyed = nil }
            if let key = request.parts[0].key {
                let digest = RequestForm.digest(ofGroup: request.parts.map(\.form), hasher)
                submissions[0].keyed = keyed(key, digest)
            }
            post(.group(submissions, ticket, request))
        }
    }

    private func submission(_ part: Request.Part) -> Submission {
        guard let transaction = try? part.form.transaction() else {
            preconditionFailure("the clients of a market ask for what is allowed")
        }
        let keyed = part.key.map { self.keyed($0, part.form.digest(hasher)) }
        return Submission(transaction, keyed: keyed)
    }

    private func keyed(_ key: String, _ digest: RequestDigest) -> KeyedRequest {
        guard let key = try? IdempotencyKey(scope: id.description, key: key) else {
            preconditionFailure("the clients of a market have short keys")
        }
        return KeyedRequest(key: key, digest: digest)
    }

    // MARK: One turn

    /// Takes what is in the mailbox, and writes what must be written. While a write is under way the
    /// thread stands still.
    func write() {
        guard device.isRunning, !isWriting else { return }
        while let item = work.first, admission.sealedCount < limits.segmentsPerCommitMax {
            work.removeFirst()
            take(item)
        }
        if mustCommit { commit() }
        if !isWriting { endTurn() }
    }

    private var mustCommit: Bool {
        if admission.hasWaiters || pending.lastSession != nil { return true }
        let isDue = { [now] (since: SteadyTime?, patience: Int64) in
            since.map { now.steady.microseconds(since: $0) >= patience } ?? false
        }
        return isDue(pendingSince, limits.receiptDelayMax)
            || isDue(stagedSince, limits.mergedDelayMax)
    }

    private func take(_ item: Work) {
        switch item {
        case .record(let submissions, let ticket, let request):
            record(submissions, ticket, request, isGroup: false)
        case .group(let submissions, let ticket, let request):
            record(submissions, ticket, request, isGroup: true)
        case .look(let account, let ticket): looks.append((account, ticket))
        case .snapshot(let snapshot, let session):
            guard snapshots.count < limits.waitingSnapshotsMax else {
                return report(.unusable(number: snapshot.number, session: session))
            }
            snapshots.append((snapshot, session))
        case .receipt(let through):
            pending.acknowledged = max(pending.acknowledged ?? 0, through)
            pendingSince = pendingSince ?? now.steady
        case .session(let number, let leaves, let announced):
            pending.lastSession = number
            sessions.append((number, leaves, announced))
        case .see(let seen): admission.saw(seen)
        case .promise(let acknowledged): promises.append(Promise(acknowledged: acknowledged))
        case .stop: isStopped = true
        }
    }

    private func record(
        _ submissions: [Submission], _ ticket: Ticket, _ request: Request, isGroup: Bool
    ) {
        guard !isStopped, loadIfSpent() else {
            return world.answer(ticket, .unavailable, from: self)
        }
        let waiter = Waiter(ticket: ticket, index: requests.count)
        requests.append(request)
        let stored = { [contents] (key: IdempotencyKey) in contents.keys[key] }
        if isGroup {
            admission.submit(group: submissions, waiter: waiter, now: now.wall, stored: stored)
        } else {
            admission.submit(submissions, waiter: waiter, now: now.wall, stored: stored)
        }
    }

    // MARK: Committing

    private func commit(withCheckpoint: Bool = false) {
        if !isSpent {
            pending.segments = admission.seal()
            if withCheckpoint || mustCheckpoint { addCheckpoint() }
        }
        pending.merged = merged.staged
        guard !pending.isEmpty else {
            if !isSpent { answer(admission.settled()) }
            return
        }
        disk.begin(pending, pageCount: pending.pageCount)
        world.beginWrite(device.number, isLarge: !pending.segments.isEmpty)
    }

    func written(_ isDurable: Bool) {
        guard isDurable else {
            disk.rollBack()
            return fail()
        }
        disk.decay { $0.now = world.now }
        disk.sync()
        if device.crashPoint == .afterWrite { return world.crash(device.number, at: .afterWrite) }
        succeed()
        endTurn()
        write()
    }

    private func succeed() {
        noteOdd()
        let durable = Durable(position: Int64(contents.segments.count))
        let change = pending
        pending = AgentContents.Change()
        pendingSince = nil
        segmentsSinceCheckpoint =
            change.checkpoint == nil ? segmentsSinceCheckpoint + change.segments.count : 0
        for sealed in change.segments { tail.append(sealed.segment) }
        if !change.merged.isEmpty { merged.persisted(durable) }
        stagedSince = nil
        durablyAcknowledged = max(durablyAcknowledged, change.acknowledged ?? 0)
        let prepared = sessions
        sessions = []
        for session in prepared { prepare(session) }
        keepPromises()
        if let last = change.segments.last {
            let bytes = change.segments.reduce(0) { $0 + $1.segment.bytes.count }
            backlogBytes += bytes
            report(.appended(last.end, byteCount: bytes))
        }
        if !isSpent { answer(admission.persisted(change.segments, durable)) }
    }

    /// The number is durable; now where is this aggregator in our chain?
    private func prepare(
        _ session: (number: UInt64, leaves: [ChainPoint], announced: ChainPoint)
    ) {
        world.mark(.sessionPrepared)
        let leaves = session.leaves.sorted { $0.sequence > $1.sequence }
        let found = leaves.first { contents.isInChain($0) }
        held = found?.sequence ?? 0
        report(
            .prepared(
                session: session.number, found: found,
                hasAnnounced: contents.passes(session.announced),
                byteCount: contents.byteCount(behind: found?.sequence ?? 0)))
    }

    private func answer(_ answers: [(Waiter, [Outcome])]) {
        for (waiter, outcomes) in answers {
            world.answer(
                waiter.ticket, .recorded(outcomes), from: self,
                to: requests[waiter.index])
        }
        if !answers.isEmpty { requests = [] }
    }

    /// Who waits was promised nothing; an acknowledgement is not lost with the write that carried it.
    private func fail() {
        odd = nil
        world.mark(.foldsReloaded)
        let waiting = admission.abandon()
        requests = []
        isSpent = true
        sessions = []
        promises = []
        let receipt = pending.acknowledged
        pending = AgentContents.Change()
        pending.acknowledged = receipt
        pendingSince = receipt == nil ? nil : now.steady
        stagedSince = merged.staged.isEmpty ? nil : now.steady
        for waiter in waiting { world.answer(waiter.ticket, .unavailable, from: self) }
        write()
    }

    private func loadIfSpent() -> Bool {
        guard isSpent else { return true }
        admission = Admission(contents.origin(), hasher: hasher)
        admission.saw(seen)
        isSpent = false
        return true
    }

    private var mustCheckpoint: Bool {
        segmentsSinceCheckpoint >= limits.segmentsPerCheckpoint
            || admission.keys.count >= limits.keysPerCheckpoint
    }

    private func addCheckpoint() {
        world.mark(.checkpoint)
        let taken = admission.takeCheckpoint()
        pending.checkpoint = AgentContents.Checkpoint(
            balances: admission.balances, keys: taken.keys, transactions: admission.transactions)
    }

    // MARK: Between two commits

    private func endTurn() {
        takeSnapshots()
        look()
        promiseTimes()
        keepUp()
    }

    private func takeSnapshots() {
        let waiting = snapshots
        snapshots = []
        for (snapshot, session) in waiting {
            guard loadIfSpent() else { continue }
            let refusal = merged.take(
                snapshot, stream: contents.tag, own: admission.balances, tail: &tail,
                dictionary: admission.dictionary)
            switch refusal {
            case nil: world.mark(.snapshotTaken)
            case .tooFarBehind: world.mark(.snapshotTooFarBehind)
            case .impossible: world.mark(.snapshotRefused)
            }
            // One of a stream that was here before says nothing of this one.
            if refusal == .impossible, snapshot.included(contents.tag) != nil {
                world.violate(.readsAreTrue, "\(self.id) was told of events that it never wrote")
            }
            if refusal == .tooFarBehind {
                report(.unusable(number: snapshot.number, session: session))
            }
        }
        if !merged.staged.isEmpty { stagedSince = stagedSince ?? now.steady }
    }

    private func look() {
        let waiting = looks
        looks = []
        for (account, ticket) in waiting {
            guard loadIfSpent() else { continue }
            let view = merged.account(account, own: admission.balances)
            if view == nil {
                world.mark(.readUnknown)
                report(.wanted(account))
            } else {
                let hasOthers = view?.balances.contains { $0.asOf != nil } ?? false
                world.mark(hasOthers ? .readMerged : .readOwn)
            }
            if let (invariant, fault) = world.oracle.read(account, view, agent: name) {
                world.violate(invariant, fault)
            }
            world.answer(ticket, .account(view), from: self)
        }
    }

    private func promiseTimes() {
        var kept: [Promise] = []
        for var promise in promises {
            if promise.time == nil {
                if loadIfSpent() {
                    promise.time = admission.promiseTime(
                        acknowledged: promise.acknowledged, now: now.wall)
                }
                guard let time = promise.time else {
                    report(.promised(nil, acknowledged: promise.acknowledged))
                    continue
                }
                pending.promisedTime = time
                pendingSince = pendingSince ?? now.steady
            }
            kept.append(promise)
        }
        promises = kept
    }

    private func keepPromises() {
        for promise in promises where promise.time != nil {
            world.mark(.watermarkPromised)
            report(.promised(promise.time, acknowledged: promise.acknowledged))
        }
        promises.removeAll { $0.time != nil }
    }

    // MARK: What should not be there

    /// Writes a segment as a later version would have, or a writer that errs; then the folds come
    /// from the store again.
    func writeOddly() {
        guard !isWriting, !isSpent, !admission.hasWaiters, pending.isEmpty else { return }
        for kind in [FaultKind.unknownEvent, .poisonedEvent] {
            guard var how = world.faults.strikes(kind, name) else { continue }
            let origin = contents.origin()
            let transactions = (0...how.below(4)).map { _ in
                world.transactionOfNobody(agent: name, &how)
            }
            let segment = OddSegment(
                origin.place, origin.dictionary, transactions, isUnknown: kind == .unknownEvent,
                after: max(origin.latest, HybridTimestamp(now.wall)), &how)
            for number in segment.unsound { world.oracle.unreadable(number) }
            odd = segment
            pending.segments = [segment.sealed]
            isSpent = true
            disk.begin(pending, pageCount: pending.pageCount)
            return world.beginWrite(device.number, isLarge: true)
        }
    }

    private func noteOdd() {
        guard let odd else { return }
        self.odd = nil
        for (number, sequence) in odd.sound {
            world.oracle.written(number, StreamPlace(stream: contents.tag, sequence: sequence))
        }
    }

    // MARK: Upkeep

    private func keepUp() {
        guard now.steady >= upkeepDue, !isWriting else { return }
        if let saved = retention.look(
            heads: [contents.tag: contents.head.sequence], now: now)
        {
            disk.decay { $0.retention = saved }
            retention.wasSaved(saved)
        }
        let interval = min(
            max(world.plan.retention.segments / 64, 100_000), limits.upkeepIntervalMax)
        upkeepDue = now.steady.advanced(byMicroseconds: interval)
        let safe = min(held, durablyAcknowledged)
        prune(retention.prunable(contents.tag, held: safe, now: now))
        let keysThrough = retention.keysPrunable(contents.tag, held: safe, now: now)
        if keysThrough > 0 {
            var count = 0
            disk.decay { count = $0.pruneKeys(through: keysThrough) }
            if count > 0 { world.mark(.keysPruned) }
            retention.prunedKeys(contents.tag, through: keysThrough)
        }
    }

    private func prune(_ sequence: UInt64) {
        guard sequence > 0 else { return }
        let count = contents.prunable(through: sequence, segmentsMax: limits.segmentsPerPruneMax)
        if count > 0 {
            world.mark(.pruned)
            world.checkPruning(self, count)
            disk.decay { $0.prune(count) }
        } else if contents.needsCheckpoint(through: sequence) {
            if loadIfSpent() { commit(withCheckpoint: true) }
        } else {
            retention.pruned(contents.tag, through: sequence)
        }
    }
}
