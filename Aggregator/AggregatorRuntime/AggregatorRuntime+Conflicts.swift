import AggregatorCore
import LedgerCore
import SyncProtocol

extension AggregatorRuntime: ConflictService {
    package func conflicts() async throws(AggregatorFailure) -> ConflictBook {
        guard let figures = await figures() else { throw AggregatorRuntime.tooBusy }
        return figures.book
    }

    package func decide(
        _ decision: OperatorDecision, by: HubEvent.Decision
    ) async throws(AggregatorFailure) -> Result<EventID, DecisionFailure> {
        let result: Result<EventID, DecisionFailure>? = await withUnsafeContinuation {
            continuation in
            let posted = intake.post(
                .decide(decision, by) { continuation.resume(returning: $0) })
            if posted != .taken { continuation.resume(returning: nil) }
        }
        guard let result else { throw AggregatorRuntime.tooBusy }
        return result
    }

    static let tooBusy = AggregatorFailure.unavailable(
        detail: "the aggregator is stopping, or has too much to do")
}

extension Intake.Figures {
    var book: ConflictBook { ConflictBook(hub: hub, state: state, agents: agents) }
}
