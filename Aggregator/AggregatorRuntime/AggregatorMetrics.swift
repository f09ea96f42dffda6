import AggregatorCore
import LedgerStoreSQLite
import Metrics
import Observability

/// What an aggregator tells of itself. Its counters are made once a start, and kept: counting looks
/// nothing up.
struct AggregatorMetrics: Sendable {
    let receivedSegments = Counter(label: Self.receivedSegments.name)
    let brokenMessages = Counter(label: Self.brokenMessages.name)
    let mergedSegments = Counter(label: Self.mergedSegments.name)
    let commitDuration = Timer(label: Self.commitDuration.name)
    let commitTransactions = Recorder(label: Self.commitTransactions.name, aggregate: true)
    let commitFailures = Counter(label: Self.commitFailures.name)
    let acknowledgements = Counter(label: Self.acknowledgements.name)
    private let drops: [StreamSession.Drop: Counter] = Dictionary(
        uniqueKeysWithValues: StreamSession.Drop.allCases.map { drop in
            let dimensions = [("reason", drop.rawValue)]
            return (drop, Counter(label: AggregatorMetrics.drops.name, dimensions: dimensions))
        })

    func count(_ drop: StreamSession.Drop) {
        drops[drop]?.increment()
    }

    /// What was committed, and how long it took; a commit of bookkeeping alone is not counted.
    func count(_ arrivals: [HubCommit.Arrival], since began: ContinuousClock.Instant) {
        guard !arrivals.isEmpty else { return }
        commitDuration.record(duration: ContinuousClock.now - began)
        let segments = arrivals.reduce(0) { $0 + $1.run.segments.count }
        let transactions = arrivals.reduce(0) { sum, arrival in
            sum + arrival.run.segments.reduce(0) { $0 + Int($1.segment.header.count) }
        }
        mergedSegments.increment(by: segments)
        commitTransactions.record(transactions)
    }
}

// MARK: What is counted as it happens

extension AggregatorMetrics {
    private static let receivedSegments = MetricDefinition(
        "tributary_aggregator_received_segments_total", .counter,
        "Segments that arrived, each as often as it did.")
    private static let brokenMessages = MetricDefinition(
        "tributary_aggregator_broken_messages_total", .counter,
        "Messages that could not be decoded, and were dropped.")
    static let droppedSpanMessages = MetricDefinition(
        "tributary_aggregator_dropped_span_messages_total", .counter, labels: ["reason"],
        "Messages of spans that were dropped: broken ones could not be decoded or stored, overflow came faster than they are stored."
    )
    private static let drops = MetricDefinition(
        "tributary_aggregator_dropped_total", .counter, labels: ["reason"],
        "Messages and segments that had no effect, by the reason: duplicates are harmless, broken_segment and bad_signature are not."
    )
    private static let mergedSegments = MetricDefinition(
        "tributary_aggregator_merged_segments_total", .counter,
        "Segments that were merged and committed, each once.")
    private static let commitDuration = MetricDefinition(
        "tributary_aggregator_commit_duration_seconds", .histogram(.durations),
        "Group commits of segments, their sync to the disk included, in seconds.")
    private static let commitTransactions = MetricDefinition(
        "tributary_aggregator_commit_transactions", .histogram(.counts),
        "Transactions that shared a group commit.")
    private static let commitFailures = MetricDefinition(
        "tributary_aggregator_commit_failures_total", .counter,
        "Commits that failed; agents send again what was in them.")
    private static let acknowledgements = MetricDefinition(
        "tributary_aggregator_acknowledgements_total", .counter,
        "Acknowledgements sent, repeated ones included.")
}

// MARK: What is asked at the scrape

extension AggregatorMetrics {
    static let mergedTransactions = MetricDefinition(
        "tributary_aggregator_merged_transactions_total", .counter,
        "Transactions in the global ledger, since its beginning.")
    static let setAside = MetricDefinition(
        "tributary_aggregator_set_aside_events_total", .counter,
        "Events that could not be read and are in no balance, since the ledger's beginning.")
    static let position = MetricDefinition(
        "tributary_aggregator_log_position", .gauge, "Position of the last segment of the log.")
    static let indexed = MetricDefinition(
        "tributary_aggregator_indexed_position", .gauge,
        "Position of the log up to which the rows that searches read have come: what log_position is ahead of it is their lag."
    )
    static let agents = MetricDefinition(
        "tributary_aggregator_agents", .gauge, labels: ["state"],
        "Agents that have ever greeted, by whether they are online now.")
    static let stoppedStreams = MetricDefinition(
        "tributary_aggregator_stopped_streams", .gauge,
        "Streams that an operator has to look at: a copy of a device was seen and nobody has settled it, or a new stream waits for approval."
    )
    static let streams = MetricDefinition(
        "tributary_aggregator_streams", .gauge, labels: ["standing"],
        "Streams of agents that have ever proved themselves, by how they stand: forked, rolled_back, lost and closed ones take what their writers had recorded, and nothing new."
    )
    static let conflicts = MetricDefinition(
        "tributary_aggregator_conflicts_total", .counter, labels: ["kind"],
        "Conflicts that were recorded, settled ones included, since the ledger's beginning.")
    static let openConflicts = MetricDefinition(
        "tributary_aggregator_open_conflicts", .gauge, labels: ["kind"],
        "Conflicts that nobody has settled.")
    static let quarantined = MetricDefinition(
        "tributary_aggregator_quarantined_events", .gauge,
        "Events that are kept and have no effect now, because they cannot be read, or not yet.")
    static let lost = MetricDefinition(
        "tributary_aggregator_lost_events", .gauge,
        "Events that neither this ledger nor a device has any more, of gaps that nobody has settled."
    )
    static let restamped = MetricDefinition(
        "tributary_aggregator_restamped_segments_total", .counter,
        "Segments whose clock stood wrong, and which are shown at other times than they say, since the ledger's beginning."
    )
    static let hubStreams = MetricDefinition(
        "tributary_aggregator_hub_streams_total", .counter,
        "Streams that the hub has drawn: one, and one more for each time that it was restored from a copy."
    )
    static let clockOffsetWorst = MetricDefinition(
        "tributary_aggregator_clock_offset_worst_seconds", .gauge,
        "Of the agents online, by how much the clock that differs most from ours does, by its last message; the way it took is in it."
    )
    static let lackingStreams = MetricDefinition(
        "tributary_aggregator_lacking_streams", .gauge,
        "Streams that lack events which nobody has any more, because this ledger was restored from a backup older than their agent's retention: nothing that follows can be merged."
    )
    static let backlog = MetricDefinition(
        "tributary_aggregator_backlog_transactions", .gauge,
        "Transactions that agents have announced and that are not merged, of all together.")
    static let backlogWorst = MetricDefinition(
        "tributary_aggregator_backlog_worst_transactions", .gauge,
        "The same, of the agent that has most.")
    static let lagWorst = MetricDefinition(
        "tributary_aggregator_lag_worst_seconds", .gauge,
        "Of the agents with a backlog, how long ago the one acknowledged longest ago was; 0 where none has one."
    )
    static let conserved = MetricDefinition(
        "tributary_aggregator_conserved", .gauge,
        "1 where the last audit found every balance to be what the log adds up to, else 0; absent before the first."
    )
    static let audited = MetricDefinition(
        "tributary_aggregator_audited_position", .gauge,
        "Position of the log up to which the last audit has read.")
    static let unreadableLog = MetricDefinition(
        "tributary_aggregator_log_unreadable", .gauge,
        "1 where the last audit could not read the log, which is damaged then, else 0.")
    static let storage = MetricDefinition(
        "tributary_aggregator_storage_bytes", .gauge, "Size of the database.")
    static let ready = MetricDefinition(
        "tributary_aggregator_ready", .gauge, "1 where it can merge and answer now, else 0.")
    static let connected = MetricDefinition(
        "tributary_aggregator_connected", .gauge, "1 while the broker is connected, else 0.")
    static let connections = MetricDefinition(
        "tributary_aggregator_connections_total", .counter,
        "Times that the broker was connected.")
    static let rejected = MetricDefinition(
        "tributary_aggregator_broker_rejections_total", .counter,
        "Messages that the broker answered with a refusal.")
    static let oversize = MetricDefinition(
        "tributary_aggregator_oversize_messages_total", .counter,
        "Messages dropped because they were above the limit.")

    static let definitions = [
        receivedSegments, mergedSegments, drops, brokenMessages, oversize, mergedTransactions,
        droppedSpanMessages, setAside, position, indexed, commitDuration, commitTransactions,
        commitFailures,
        acknowledgements,
        agents, streams, stoppedStreams, lackingStreams, conflicts, openConflicts, quarantined,
        lost,
        restamped, hubStreams, clockOffsetWorst, backlog, backlogWorst, lagWorst, conserved,
        audited,
        unreadableLog, storage, ready, connected, connections, rejected,
    ]
}
