import AgentCore
import AgentStore
import LedgerCore
import SegmentStore

extension AgentRuntime: AgentEventSource {
    package var stream: StreamTag { store.writing.tag }

    package func lastOutcome() async throws(ServiceFailure) -> EventPlace {
        try await reading { (store) throws(StoreError) in try store.lastOutcome() }
    }

    package func lastOutcome(of stream: StreamTag) async throws(ServiceFailure) -> UInt64? {
        try await reading { (store) throws(StoreError) in try store.lastOutcome(of: stream) }
    }

    package func outcomes(
        after place: EventPlace, eventsMax: Int
    ) async throws(ServiceFailure) -> OutcomePage {
        try await reading { (store) throws(StoreError) in
            try store.outcomes(after: place, eventsMax: eventsMax)
        }
    }

    package func link() -> LinkState {
        let state = board.current
        return LinkState(
            isConnected: state.offlineSince == nil, phase: state.phase,
            offlineSince: state.offlineSince)
    }

    package func changes() -> AsyncStream<Void> { signal.changes() }
}
