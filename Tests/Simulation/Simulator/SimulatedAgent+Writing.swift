import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// The thread that writes, as `CommitWriter` has it: it does what `GroupCommit` decides.
extension SimulatedAgent {
    // MARK: Requests

    func submit(_ request: Request, _ ticket: Ticket) {
        switch request.kind {
        case .read(let account): post(.look(account, ticket))
        case .batch:
            let submissions = request.parts.map { submission($0) }
            post(.record(submissions, isGroup: false, ticket, request))
        case .group:
            var submissions = request.parts.map { submission($0) }
            for index in submissions.indices { submissions[index].keyed = nil }
            if let key = request.parts[0].key {
                let digest = RequestForm.digest(ofGroup: request.parts.map(\.form), hasher)
                submissions[0].keyed = keyed(key, digest)
            }
            post(.record(submissions, isGroup: true, ticket, request))
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
        var count = 0
        while count < work.count, !commits.isFull {
            take(work[count])
            count += 1
        }
        work.removeFirst(count)
        if commits.isFull || commits.isDue(now: now.steady) { commit() }
        if !isWriting { endTurn() }
    }

    private func endTurn() {
        if commits.mustLoad { loadIfSpent() }
        drawIfDue()
        guard !isWriting else { return }
        perform(commits.settle(now: now))
        look()
        keepUp()
    }

    private func take(_ item: Work) {
        switch item {
        case .record(let submissions, let isGroup, let ticket, let request):
            loadIfSpent()
            requestCount += 1
            requests[requestCount] = request
            let waiter = Waiter(ticket: ticket, request: requestCount)
            commits.submit(submissions, isGroup: isGroup, waiter: waiter, now: now.wall) {
                [keys = contents.keys] in keys[$0]
            }
        case .look(let account, let ticket): looks.append((account, ticket))
        case .errand(let errand): perform(commits.take(errand, now: now.steady))
        }
    }

    // MARK: Committing

    private func commit(withCheckpoint: Bool = false) {
        guard let commit = commits.seal(withCheckpoint: withCheckpoint) else {
            return perform(commits.settled())
        }
        if commit.checkpoint != nil { world.mark(.checkpoint) }
        if !commit.merged.isEmpty { world.mark(.snapshotTaken) }
        begin(.commit, .commit(commit), isLarge: !commit.segments.isEmpty)
    }

    private func begin(_ kind: Writing, _ change: AgentContents.Change, isLarge: Bool) {
        writing = kind
        disk.begin(change, pageCount: change.pageCount)
        world.beginWrite(device.number, isLarge: isLarge)
    }

    func written(_ isDurable: Bool) {
        guard let kind = writing else { return }
        writing = nil
        if isDurable {
            disk.decay { $0.now = world.now }
            disk.sync()
            if device.crashPoint == .afterWrite {
                return world.crash(device.number, at: .afterWrite)
            }
            succeed(kind)
        } else {
            disk.rollBack()
            fail(kind)
        }
        endTurn()
        write()
    }

    private func succeed(_ kind: Writing) {
        switch kind {
        case .commit: perform(commits.persisted(Durable(position: Int64(contents.position))))
        case .draw:
            world.mark(.drew)
            perform(commits.drew(contents.writing.record))
        case .odd(let odd):
            for (number, sequence) in odd.sound {
                let place = StreamPlace(stream: contents.tag, sequence: sequence)
                world.oracle.written(number, place)
                disk.decay { $0.told[number] = place }
            }
            // Nobody asked for it, as for a write that failed and took place all the same.
            perform(commits.failed(.unavailable(detail: "odd"), now: now.steady))
            loadIfSpent()
        }
    }

    private func fail(_ kind: Writing) {
        world.mark(.foldsReloaded)
        switch kind {
        case .commit:
            perform(commits.failed(.unavailable(detail: "the write failed"), now: now.steady))
        case .draw: commits.couldNotDraw(now: now.steady)
        case .odd: break
        }
    }

    private func loadIfSpent() {
        guard commits.isSpent else { return }
        perform(commits.load(contents.origin(), streams: contents.records))
    }

    // MARK: Effects

    private func perform(_ effects: [GroupCommit<Waiter>.Effect]) {
        for effect in effects {
            switch effect {
            case .answer(let waiter, let result): answer(waiter, result)
            case .report(let report):
                note(report)
                self.report(.report(report))
            case .search(let opening): search(opening)
            case .refused(let snapshot):
                world.mark(.snapshotRefused)
                // One of a stream that was here before says nothing of this one.
                if snapshot.included(contents.tag) != nil {
                    world.violate(
                        .readsAreTrue, "\(self.id) was told of events that it never wrote")
                }
            }
        }
    }

    private func note(_ report: CommitReport) {
        switch report {
        case .promised(let time, _): if time != nil { world.mark(.watermarkPromised) }
        case .unusable: world.mark(.snapshotTooFarBehind)
        default: break
        }
    }

    private func answer(_ waiter: Waiter, _ result: Result<[Outcome], ServiceFailure>) {
        let request = requests.removeValue(forKey: waiter.request)
        switch result {
        case .success(let outcomes):
            world.answer(waiter.ticket, .recorded(outcomes), from: self, to: request)
        case .failure: world.answer(waiter.ticket, .unavailable, from: self)
        }
    }

    /// The number is durable; now where is this aggregator in our chain?
    private func search(_ opening: SessionOpening) {
        world.mark(.sessionPrepared)
        guard let stream = contents.stream(opening.stream) else { return }
        let found = stream.search(opening)
        held[opening.stream] = found.found?.sequence ?? 0
        report(.report(.opened(opening, found)))
    }

    // MARK: Another stream

    /// What was admitted is written to the stream that it was admitted to; then another begins.
    private func drawIfDue() {
        guard commits.ending != nil, !commits.isSpent else { return }
        commit()
        guard !isWriting, commits.mayDraw(now: now.steady), let ending = commits.ending else {
            return
        }
        let genesis = SimulatedAgent.found(id, signer, &random)
        begin(.draw(genesis), .draw(genesis, ending.end), isLarge: false)
    }

    // MARK: Looks

    private func look() {
        let waiting = looks
        looks = []
        for (account, ticket) in waiting {
            loadIfSpent()
            guard let folds = commits.folds else { continue }
            let view = folds.merged.account(account, own: folds.own)
            if view?.isTold(by: commits.hubTag) != true { report(.wanted(account)) }
            if view == nil {
                world.mark(.readUnknown)
            } else {
                let hasOthers = view?.balances.contains { $0.asOf != nil } ?? false
                world.mark(hasOthers ? .readMerged : .readOwn)
            }
            let fault = world.oracle.read(
                account, view, folder: device.number, formerHubs: world.watch.formerHubs)
            if let (invariant, fault) = fault {
                world.violate(invariant, fault)
            }
            world.answer(ticket, .account(view), from: self)
        }
    }

    // MARK: Upkeep

    private func keepUp() {
        guard now.steady >= upkeepDue, !isWriting else { return }
        let heads = contents.streams.map { ($0.tag, $0.head.sequence) }
        let heard = Dictionary(uniqueKeysWithValues: heads)
        if let saved = retention.look(heads: heard, now: now) {
            disk.decay { $0.retention = saved }
            retention.wasSaved(saved)
        }
        let interval = min(
            max(world.plan.retention.segments / 64, 100_000), limits.upkeepIntervalMax)
        upkeepDue = now.steady.advanced(byMicroseconds: interval)
        for (tag, _) in heads {
            let safe = min(held[tag] ?? 0, commits.acknowledged[tag] ?? 0)
            if prune(tag, retention.prunable(tag, held: safe, now: now)) { return }
            pruneKeys(tag, retention.keysPrunable(tag, held: safe, now: now))
        }
    }

    /// - Returns: whether there is more to do first.
    private func prune(_ tag: StreamTag, _ sequence: UInt64) -> Bool {
        guard sequence > 0, let index = contents.index(tag) else { return false }
        let (counted, last) = (contents.counted.position, contents.position)
        let stream = contents.streams[index]
        let count = stream.prunable(
            through: sequence, counted: counted, last: last,
            segmentsMax: limits.segmentsPerPruneMax)
        if count > 0 {
            world.mark(.pruned)
            world.checkPruning(self, stream, count)
            disk.decay { $0.streams[index].prune(count) }
            for stored in stream.segments.prefix(count) { world.loseIfLast(stored.sealed) }
            report(.report(.pruned(tag, through: contents.streams[index].keptBehind)))
        } else if stream.needsCheckpoint(through: sequence, counted: counted, last: last) {
            loadIfSpent()
            commit(withCheckpoint: true)
            return true
        } else {
            retention.pruned(tag, through: sequence)
        }
        return false
    }

    private func pruneKeys(_ tag: StreamTag, _ sequence: UInt64) {
        guard sequence > 0 else { return }
        var count = 0
        disk.decay { count = $0.pruneKeys(tag, through: sequence) }
        if count > 0 { world.mark(.keysPruned) }
        retention.prunedKeys(tag, through: sequence)
    }

    // MARK: What should not be there

    /// Writes a segment as a later version would have, or a writer that errs; then the folds come
    /// from the store again.
    func writeOddly() {
        guard !isWriting, !commits.isSpent, !commits.isDue(now: now.steady) else { return }
        for kind in [FaultKind.unknownEvent, .poisonedEvent] {
            guard var how = world.faults.strikes(kind, device.number) else { continue }
            let origin = contents.origin()
            let transactions = (0...how.below(4)).map { _ in
                world.transactionOfNobody(folder: device.number, &how)
            }
            let segment = OddSegment(
                origin.place, origin.dictionary, transactions, isUnknown: kind == .unknownEvent,
                after: max(origin.latest, HybridTimestamp(now.wall)), &how)
            for number in segment.unsound { world.oracle.unreadable(number) }
            var commit = AgentCommit()
            commit.segments = [segment.sealed]
            return begin(.odd(segment), .commit(commit), isLarge: true)
        }
    }
}
