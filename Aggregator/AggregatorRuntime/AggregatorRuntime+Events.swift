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
        var page = try await reading { (runtime) throws(StoreError) in
            try runtime.store.outcomes(after: place, filter, eventsMax: eventsMax)
        }
        guard page.outcomes.contains(where: \.isOfHub) else { return page }
        let book = try await conflicts()
        page.outcomes = page.outcomes.compactMap { outcome in
            guard case .recorded(let event) = outcome.content else { return outcome }
            guard let news = book.news(event, outcome.id), filter.admits(news) else { return nil }
            var told = outcome
            told.content = .news(news)
            return told
        }
        return page
    }

    package func fleetHistory() -> FleetHistory { feed.history }

    package func changes() -> AsyncStream<Void> { feed.signal.changes() }
}

extension LoggedOutcome {
    fileprivate var isOfHub: Bool {
        if case .recorded = content { true } else { false }
    }
}

extension EventFilter {
    fileprivate func admits(_ news: HubNews) -> Bool { agent == nil || agent == news.agent }
}
