import AgentCore
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentRuntime {
    package func record(_ group: ClientGroup) async throws(ServiceFailure) -> GroupAnswer {
        guard group.requests.count <= SegmentHeader.groupEventsMax else {
            return .tooManyTransactions
        }
        var submissions: [Submission] = []
        var invalid: [InvalidField] = []
        submissions.reserveCapacity(group.requests.count)
        for (index, request) in group.requests.enumerated() {
            precondition(request.key == nil, "a group's requests have no keys of their own")
            do throws(InvalidField) { submissions.append(try submission(request)) } catch {
                invalid.append(
                    InvalidField(
                        path: "transactions[\(index)].\(error.path)", message: error.message))
            }
        }
        var keyed: KeyedRequest?
        do throws(InvalidField) { keyed = try self.keyed(group) } catch { invalid.append(error) }
        guard invalid.isEmpty else {
            metrics.refuse(.invalidField, count: invalid.count)
            return .invalid(invalid)
        }
        guard !submissions.isEmpty else { return .accepted([]) }
        // The group's key stands in its first event.
        submissions[0].keyed = keyed
        return try await answer(submissions, try await commit(group: submissions))
    }

    private func keyed(_ group: ClientGroup) throws(InvalidField) -> KeyedRequest? {
        guard let key = group.key else { return nil }
        do throws(InvalidValue) {
            return KeyedRequest(
                key: try IdempotencyKey(scope: agent.description, key: key),
                digest: RequestForm.digest(ofGroup: group.requests.map(\.form), hasher))
        } catch {
            throw InvalidField(path: "idempotency_key", message: error.description)
        }
    }

    private func commit(group: [Submission]) async throws(ServiceFailure) -> [Outcome] {
        let result = await withUnsafeContinuation { continuation in
            let taken = commits.record(group, isGroup: true) { continuation.resume(returning: $0) }
            if !taken { continuation.resume(returning: .failure(.overloaded)) }
        }
        if case .failure(let failure) = result {
            metrics.refuse(failure.refusal, count: group.count)
        }
        return try result.get()
    }

    private func answer(
        _ submissions: [Submission], _ outcomes: [Outcome]
    ) async throws(ServiceFailure) -> GroupAnswer {
        switch outcomes[0] {
        case .replayed(let first): return .replayed(try await firstGroup(first, submissions))
        case .mismatched(let first): return .mismatched(first: first.id(agent))
        case .groupTooLarge: return .tooManyBytes
        case .accepted: break
        }
        return .accepted(
            zip(submissions, outcomes).map { submission, outcome in
                guard case .accepted(let place, let time) = outcome else {
                    preconditionFailure("a group that was accepted in parts")
                }
                let event = Event(
                    sequence: place.sequence, time: time, transaction: submission.transaction,
                    keyed: submission.keyed, trace: submission.trace)
                return RecordedTransaction(id: place.id(agent), event: event, status: .accepted)
            })
    }

    /// What the first group under a key became, whose events begin there. Where it is pruned, it is
    /// told from the request, which says the same, and from when it was accepted: a group's events
    /// have the ticks of one moment.
    private func firstGroup(
        _ first: EventPlace, _ submissions: [Submission]
    ) async throws(ServiceFailure) -> [RecordedTransaction] {
        let found = try await reading { [self] (store) throws(StoreError) in
            try store.group(from: first).map { recorded($0, of: first.stream) }
        }
        guard found.isEmpty else { return found }
        let time = try await timeOfPruned(first.id(agent), submissions[0])
        return submissions.enumerated().map { offset, submission in
            let event = Event(
                sequence: first.sequence + UInt64(offset),
                time: HybridTimestamp(rawValue: time.rawValue + UInt64(offset)),
                transaction: submission.transaction, keyed: submission.keyed, trace: nil)
            let place = EventPlace(stream: first.stream, sequence: event.sequence)
            return RecordedTransaction(id: place.id(agent), event: event, status: .merged)
        }
    }
}
