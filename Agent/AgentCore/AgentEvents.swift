import LedgerCore
import SyncProtocol

/// A run of this stream's events that the aggregator has merged.
package struct MergedRun: Hashable, Sendable {
    package let first: UInt64
    package let through: UInt64
    /// When the aggregator had committed all that the acknowledgement covers, by its clock: each of
    /// these events was merged then or earlier.
    package let committedAt: Timestamp
    /// By this agent's.
    package let acknowledgedAt: Timestamp

    package init(first: UInt64, through: UInt64, committedAt: Timestamp, acknowledgedAt: Timestamp)
    {
        self.first = first
        self.through = through
        self.committedAt = committedAt
        self.acknowledgedAt = acknowledgedAt
    }
}

extension MergedRun {
    /// The runs behind an event, with at most so many events together, and whether that left any
    /// out.
    package static func page(
        _ runs: [MergedRun], after: UInt64, eventsMax: Int
    ) -> (runs: [MergedRun], hasMore: Bool) {
        var room = UInt64(eventsMax)
        var page: [MergedRun] = []
        for run in runs where run.through > after {
            guard room > 0 else { return (page, true) }
            let first = max(run.first, after + 1)
            let through = min(run.through, first + room - 1)
            room -= through - first + 1
            page.append(
                MergedRun(
                    first: first, through: through, committedAt: run.committedAt,
                    acknowledgedAt: run.acknowledgedAt))
            if through < run.through { return (page, true) }
        }
        return (page, false)
    }
}

/// How the agent is connected, in so far as its readers are told of changes.
package struct LinkState: Hashable, Sendable {
    /// To the broker.
    package let isConnected: Bool
    package let phase: OutboxSession.Phase
    /// Since when there has been no connection; nil while there is one.
    package let offlineSince: Timestamp?

    package init(isConnected: Bool, phase: OutboxSession.Phase, offlineSince: Timestamp?) {
        self.isConnected = isConnected
        self.phase = phase
        self.offlineSince = offlineSince
    }
}

/// What the event stream of the agent's HTTP API needs of the agent.
///
/// What is told here is durable first: an outcome that a reader has heard of is known after a new
/// start too.
package protocol AgentEventSource: Sendable {
    var agent: AgentID { get }
    var stream: StreamTag { get }
    /// The last event whose outcome is known.
    func lastOutcome() async throws(ServiceFailure) -> UInt64
    /// What became of the events behind one, in their order, some at a time. Where the first run
    /// begins later than the next event, what is between is no longer kept.
    func outcomes(
        after sequence: UInt64, eventsMax: Int
    ) async throws(ServiceFailure) -> (runs: [MergedRun], hasMore: Bool)
    func link() -> LinkState
    /// Says that outcomes or link may have changed since the call.
    func changes() -> AsyncStream<Void>
}
