import AgentCore
import LedgerCore

extension EmbeddedAgent {
    /// What became of a group, once it is durable.
    public enum GroupOutcome: Sendable, Equatable {
        /// Recorded under these ids, in the order of its transfers, now or when the same group came
        /// before.
        case recorded(ids: [String], isRepeated: Bool)
        /// Nothing of it was recorded, and why: each reason with its place.
        case refused(reasons: [String])
    }

    /// Records 1 to 1,000 transfers all or none, and returns when they are durable.
    ///
    /// - Parameters:
    ///   - transfers: none with an idempotency key of its own.
    ///   - idempotencyKey: names the whole, so that recording it again does nothing twice.
    /// - Throws: `Failure` where nothing can be recorded now; then the same call may be made again.
    public func record(
        group transfers: [Transfer], idempotencyKey: String? = nil
    ) async throws(Failure) -> GroupOutcome {
        guard !transfers.isEmpty else { return .refused(reasons: ["the group is empty"]) }
        var requests: [ClientRequest] = []
        var reasons: [String] = []
        for (index, transfer) in transfers.enumerated() {
            do throws(InvalidValue) {
                if transfer.idempotencyKey != nil {
                    throw InvalidValue("a key is for the group, not for one of it")
                }
                requests.append(try transfer.request())
            } catch {
                reasons.append("transfers[\(index)]: \(error.description)")
            }
        }
        guard reasons.isEmpty else { return .refused(reasons: reasons) }
        do throws(ServiceFailure) {
            let group = ClientGroup(requests: requests, key: idempotencyKey)
            return GroupOutcome(try await runtime.record(group))
        } catch {
            throw Failure(description: error.sentence)
        }
    }
}

extension EmbeddedAgent.GroupOutcome {
    fileprivate init(_ answer: GroupAnswer) {
        switch answer {
        case .accepted(let transactions):
            self = .recorded(ids: transactions.map(\.id.description), isRepeated: false)
        case .replayed(let transactions):
            self = .recorded(ids: transactions.map(\.id.description), isRepeated: true)
        case .mismatched(let first):
            self = .refused(reasons: [
                "the idempotency key belongs to another request, which became \(first)"
            ])
        case .invalid(let fields): self = .refused(reasons: fields.map(\.description))
        case .tooManyTransactions: self = .refused(reasons: ["a group has at most 1,000 transfers"])
        case .tooManyBytes:
            self = .refused(reasons: ["a group takes at most 48 KiB in the log"])
        }
    }
}
