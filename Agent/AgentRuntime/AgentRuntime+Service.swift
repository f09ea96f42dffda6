import AgentCore
import AgentStore
import LedgerCore
import SegmentStore
import SyncProtocol
import Workers

extension AgentRuntime: AgentService {
    package var agent: AgentID { configuration.agent }

    package func unreadiness() -> String? {
        commits.health.recentFailure
    }

    // MARK: Recording

    package func record(_ requests: [ClientRequest]) async throws(ServiceFailure) -> [Answer] {
        var answers = [Answer?](repeating: nil, count: requests.count)
        var submissions: [Submission] = []
        var places: [Int] = []
        submissions.reserveCapacity(requests.count)
        for (index, request) in requests.enumerated() {
            do throws(InvalidField) {
                submissions.append(try submission(request))
                places.append(index)
            } catch {
                metrics.refuse(.invalidField, count: 1)
                answers[index] = .invalid(error)
            }
        }
        if !submissions.isEmpty {
            let outcomes = try await commit(submissions)
            let firsts = try await firsts(of: outcomes)
            for (place, (submission, outcome)) in zip(places, zip(submissions, outcomes)) {
                answers[place] = try await answer(submission, outcome, firsts)
            }
        }
        return answers.map { answer in
            guard let answer else { preconditionFailure("a request was left without its answer") }
            return answer
        }
    }

    func submission(_ request: ClientRequest) throws(InvalidField) -> Submission {
        let transaction = try request.form.transaction()
        guard let key = request.key else { return Submission(transaction, trace: request.trace) }
        do throws(InvalidValue) {
            let key = try IdempotencyKey(scope: agent.description, key: key)
            let keyed = KeyedRequest(key: key, digest: request.form.digest(hasher))
            return Submission(transaction, keyed: keyed, trace: request.trace)
        } catch {
            throw InvalidField(path: "idempotency_key", message: error.description)
        }
    }

    /// Hands submissions to the commit thread and waits until they are durable. A client that hangs
    /// up does not cancel it: others are in the same commit.
    package func commit(_ submissions: [Submission]) async throws(ServiceFailure) -> [Outcome] {
        let result = await withUnsafeContinuation { continuation in
            let taken = commits.record(submissions) { continuation.resume(returning: $0) }
            if !taken { continuation.resume(returning: .failure(.overloaded)) }
        }
        if case .failure(let failure) = result {
            metrics.refuse(failure.refusal, count: submissions.count)
        }
        return try result.get()
    }

    /// The events that came first under the keys of the replayed, as far as the log has them; read
    /// together, for who sends a whole day again has many to a segment.
    private func firsts(
        of outcomes: [Outcome]
    ) async throws(ServiceFailure) -> [EventPlace: Event] {
        let places = outcomes.compactMap { outcome in
            if case .replayed(let place) = outcome { place } else { nil }
        }
        guard !places.isEmpty else { return [:] }
        return try await reading { (store) throws(StoreError) in try store.events(at: places) }
    }

    private func answer(
        _ submission: Submission, _ outcome: Outcome, _ firsts: [EventPlace: Event]
    ) async throws(ServiceFailure) -> Answer {
        switch outcome {
        case .accepted(let place, let time):
            let event = Event(
                sequence: place.sequence, time: time, transaction: submission.transaction,
                keyed: submission.keyed,
                trace: submission.trace)
            return .accepted(
                RecordedTransaction(id: place.id(agent), event: event, status: .accepted))
        case .replayed(let place):
            if let first = firsts[place] { return .replayed(recorded(first, of: place.stream)) }
            return .replayed(try await pruned(place.id(agent), submission))
        case .mismatched(let place):
            return .mismatched(first: place.id(agent))
        case .groupTooLarge:
            preconditionFailure("the outcome of a group, for a request that is none")
        }
    }

    /// What the first request under a key became, where that is pruned: it is told from the request,
    /// which says the same, and from when it was accepted, which is kept with the key.
    private func pruned(_ id: EventID, _ submission: Submission) async throws(ServiceFailure)
        -> RecordedTransaction
    {
        let time = try await timeOfPruned(id, submission)
        let event = Event(
            sequence: id.sequence, time: time, transaction: submission.transaction,
            keyed: submission.keyed, trace: nil)
        return RecordedTransaction(id: id, event: event, status: .merged)
    }

    /// When the first request under a key was accepted, whose event is not in the log any more.
    func timeOfPruned(_ id: EventID, _ submission: Submission) async throws(ServiceFailure)
        -> HybridTimestamp
    {
        guard wasPruned(id), let keyed = submission.keyed else {
            throw .unavailable(
                detail: "event \(id.sequence) is in the key table but not in the log; run verify")
        }
        let time = try await reading { (store) throws(StoreError) in
            try store.time(of: keyed.key)
        }
        guard let time else {
            throw .unavailable(
                detail: "the first request under this key became \(id), which was merged and is "
                    + "pruned here: ask the aggregator for it")
        }
        return time
    }

    package func wasPruned(_ id: EventID) -> Bool {
        guard owns(id), let stream = board.current[id.stream] else { return false }
        return id.sequence > 0 && id.sequence < stream.oldestRetained
    }

    // MARK: Reading

    /// Reads block, so they run off the pool.
    func reading<Value: Sendable>(
        _ body: @escaping @Sendable (AgentStore) throws(StoreError) -> Value
    ) async throws(ServiceFailure) -> Value {
        let result = await readers.run { [store] () -> Result<Value, StoreError> in
            do throws(StoreError) { return .success(try body(store)) } catch {
                return .failure(error)
            }
        }
        guard let result else { throw .overloaded }
        do throws(StoreError) { return try result.get() } catch {
            throw .unavailable(detail: error.description)
        }
    }

    package func transaction(_ id: EventID) async throws(ServiceFailure) -> RecordedTransaction? {
        guard owns(id) else { return nil }
        return try await reading { [self] (store) throws(StoreError) in
            guard let found = try find(id, store) else { return nil }
            return recorded(found, of: id.stream, try store.conflicts())
        }
    }

    package func journey(_ id: EventID) async throws(ServiceFailure) -> Journey? {
        guard owns(id) else { return nil }
        return try await reading { [self] (store) throws(StoreError) in
            guard let found = try find(id, store) else { return nil }
            let header = found.stored.segment.header
            return Journey(
                transaction: recorded(found, of: id.stream, try store.conflicts()),
                segmentFirst: header.firstSequence,
                segmentCount: header.count,
                segmentHash: found.stored.hash,
                durableAt: found.stored.recordedAt,
                receipt: try store.receipt(covering: id.place))
        }
    }

    private func owns(_ id: EventID) -> Bool {
        id.agent == agent && store.row(id.stream) != nil
    }

    /// Where a stream forked, the id says which of two events is meant: ours, or that of a copy.
    private func find(
        _ id: EventID, _ store: AgentStore
    ) throws(StoreError) -> AgentStore.FoundEvent? {
        guard let found = try store.event(id.place) else { return nil }
        return id.branch.map { $0 == found.stored.hash.shortDescription } ?? true ? found : nil
    }

    func recorded(_ event: Event, of stream: StreamTag) -> RecordedTransaction {
        let place = EventPlace(stream: stream, sequence: event.sequence)
        let status: RecordedTransaction.Status =
            board.current.isMerged(place) ? .merged : .accepted
        return RecordedTransaction(id: place.id(agent), event: event, status: status)
    }

    /// With the conflicts that it is in.
    private func recorded(
        _ found: AgentStore.FoundEvent, of stream: StreamTag, _ conflicts: OwnConflicts
    ) -> RecordedTransaction {
        let plain = recorded(found.event, of: stream)
        guard !conflicts.isEmpty else { return plain }
        let place = EventPlace(stream: stream, sequence: found.event.sequence)
        let concerning = conflicts.concerning(place, in: found.stored.hash)
        guard !concerning.isEmpty else { return plain }
        return RecordedTransaction(
            id: plain.id, event: plain.event, status: .conflict, conflicts: concerning.map(\.id))
    }

    package func transactions(
        _ filter: TransactionFilter, cursor: String?, limit: Int
    ) async throws(ServiceFailure) -> Page<RecordedTransaction>? {
        var before: EventPlace?
        if let cursor {
            guard let place = EventPlace(cursor), store.row(place.stream) != nil else {
                return nil
            }
            before = place
        }
        return try await reading { [self, before] (store) throws(StoreError) in
            let (events, next) = try store.events(
                before: before, limit: limit, segmentsMax: configuration.limits.listingSegmentsMax
            ) { filter.admits($0.transaction) }
            let conflicts = try store.conflicts()
            let items = try events.map { (listed) throws(StoreError) in
                // Which branch it is on, only its segment tells.
                guard !conflicts.concerning(listed.place, in: nil).isEmpty,
                    let found = try store.event(listed.place)
                else { return recorded(listed.event, of: listed.place.stream) }
                return recorded(found, of: listed.place.stream, conflicts)
            }
            return Page(items: items, next: next.map(\.description))
        }
    }

    // MARK: Balances

    private func look<Value: Sendable>(
        _ body: @escaping @Sendable (CommitThread.Folds) -> Value
    ) async -> Value? {
        await withUnsafeContinuation { continuation in
            let posted = commits.post(.look { continuation.resume(returning: $0.map(body)) })
            if !posted { continuation.resume(returning: nil) }
        }
    }

    package func account(_ address: AccountAddress) async throws(ServiceFailure) -> AccountView? {
        let look = await look { folds in
            let view = folds.view(of: address)
            return (view: view, isTold: view?.isTold(by: folds.hub) ?? false)
        }
        guard let look else {
            throw .unavailable(
                detail: "the agent is stopping, has too much to do, or cannot read its log")
        }
        if !look.isTold { shipper.post(.wanted(address)) }
        return look.view
    }

    package func accounts(cursor: String?, limit: Int) async throws(ServiceFailure) -> Page<
        AccountView
    >? {
        var start = 0
        if let cursor {
            guard let number = Int(cursor), number >= 0 else { return nil }
            start = number
        }
        let page = await look { [start] folds in
            let addresses = folds.own.accounts.dropFirst(start).prefix(limit)
            let end = start + addresses.count
            return Page(
                items: addresses.compactMap { folds.view(of: $0) },
                next: end < folds.own.accounts.count ? String(end) : nil)
        }
        guard let page else {
            throw .unavailable(
                detail: "the agent is stopping, has too much to do, or cannot read its log")
        }
        return page
    }
}

extension TransactionFilter {
    fileprivate func admits(_ transaction: Transaction) -> Bool {
        if let reference, transaction.reference != reference { return false }
        guard let account else { return true }
        return transaction.postings.contains { $0.source == account || $0.destination == account }
    }
}
