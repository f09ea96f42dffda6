import AgentCore
import AgentStore
import LedgerCore
import SegmentStore

extension AgentRuntime: AgentEventSource {
    package var stream: StreamTag { store.stream.tag }

    package func lastOutcome() async throws(ServiceFailure) -> UInt64 {
        try await reading { (store) throws(StoreError) in try store.lastOutcome() }
    }

    package func outcomes(
        after sequence: UInt64, eventsMax: Int
    ) async throws(ServiceFailure) -> (runs: [MergedRun], hasMore: Bool) {
        try await reading { (store) throws(StoreError) in
            try store.outcomes(after: sequence, eventsMax: eventsMax)
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
