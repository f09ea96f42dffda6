import LedgerCore
import SyncProtocol

/// A run of this agent's events that the aggregator has merged, all of one stream.
package struct MergedRun: Hashable, Sendable {
    package let stream: StreamTag
    package let first: UInt64
    package let through: UInt64
    /// When the aggregator had committed all that the acknowledgement covers, by its clock: each of
    /// these events was merged then or earlier.
    package let committedAt: Timestamp
    /// By this agent's.
    package let acknowledgedAt: Timestamp

    package init(
        stream: StreamTag, first: UInt64, through: UInt64, committedAt: Timestamp,
        acknowledgedAt: Timestamp
    ) {
        self.stream = stream
        self.first = first
        self.through = through
        self.committedAt = committedAt
        self.acknowledgedAt = acknowledgedAt
    }
}

/// Some runs in the order in which they were acknowledged, behind a place that a reader has come to.
package struct OutcomePage: Hashable, Sendable {
    package var runs: [MergedRun]
    /// Whether more follow.
    package var hasMore: Bool
    /// Of the reader's stream, what would have come next and is no longer kept.
    package var missing: ClosedRange<UInt64>?

    package init(runs: [MergedRun], hasMore: Bool, missing: ClosedRange<UInt64>? = nil) {
        self.runs = runs
        self.hasMore = hasMore
        self.missing = missing
    }

    /// As much of it as has at most so many events together.
    ///
    /// - Parameter after: of a run that holds this place, only what lies behind it is left.
    package func cut(after: EventPlace, eventsMax: Int) -> OutcomePage {
        var room = UInt64(eventsMax)
        var page = OutcomePage(runs: [], hasMore: hasMore, missing: missing)
        for run in runs {
            let isReached = run.stream == after.stream && run.first <= after.sequence
            let first = isReached ? after.sequence + 1 : run.first
            guard first <= run.through else { continue }
            guard room > 0 else {
                page.hasMore = true
                return page
            }
            let through = min(run.through, first + room - 1)
            room -= through - first + 1
            page.runs.append(
                MergedRun(
                    stream: run.stream, first: first, through: through,
                    committedAt: run.committedAt, acknowledgedAt: run.acknowledgedAt))
            guard through == run.through else {
                page.hasMore = true
                return page
            }
        }
        return page
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
    /// The stream that new events go to.
    var stream: StreamTag { get }
    /// The last event whose outcome became known; the place before the first event where none is.
    func lastOutcome() async throws(ServiceFailure) -> EventPlace
    /// The last event of a stream whose outcome is known, 0 for none; nil for a stream that is none
    /// of this agent's.
    func lastOutcome(of stream: StreamTag) async throws(ServiceFailure) -> UInt64?
    /// What became of events behind that one, in the order in which it became known, some at a time.
    /// The place before the first event of a stream stands for the beginning of all that is kept.
    func outcomes(after place: EventPlace, eventsMax: Int) async throws(ServiceFailure)
        -> OutcomePage
    func link() -> LinkState
    /// Says that outcomes or link may have changed since the call.
    func changes() -> AsyncStream<Void>
}
