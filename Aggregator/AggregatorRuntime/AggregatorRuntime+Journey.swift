import AggregatorCore
import LedgerCore

extension AggregatorRuntime {
    package func journey(_ id: EventID) async throws(AggregatorFailure) -> MergedJourney? {
        if let found = try await transaction(id) { return MergedJourney(found) }
        guard id.branch == nil else { return nil }
        guard let figures = await figures() else {
            throw .unavailable(detail: "the aggregator is stopping, or has too much to do")
        }
        let agent = figures.agents.first { $0.id == id.agent }
        let stream = agent?.streams.first { $0.tag == id.stream }
        guard let stream, id.sequence <= stream.announced else { return nil }
        // It may have been merged between the two questions.
        if let found = try await transaction(id) { return MergedJourney(found) }
        return MergedJourney(announced: id)
    }
}
