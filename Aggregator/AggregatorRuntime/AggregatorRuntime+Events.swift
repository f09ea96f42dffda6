import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import SegmentStore

extension AggregatorRuntime: AggregatorEventSource {
    package func lastPlace() async throws(AggregatorFailure) -> EventPlace {
        let position = try await reading { (runtime) throws(StoreError) in
            try runtime.store.lastPosition()
        }
        return EventPlace(
            position: position + 1, sequence: 0, change: feed.history.last)
    }

    package func outcomes(
        after place: EventPlace, _ filter: EventFilter, eventsMax: Int
    ) async throws(AggregatorFailure) -> OutcomePage {
        try await reading { (runtime) throws(StoreError) in
            try runtime.store.outcomes(after: place, filter, eventsMax: eventsMax)
        }
    }

    package func fleetHistory() -> FleetHistory { feed.history }

    package func changes() -> AsyncStream<Void> { feed.signal.changes() }
}
