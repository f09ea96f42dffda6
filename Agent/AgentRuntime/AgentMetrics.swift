import Metrics
import Observability

/// What an agent tells of itself. Its counters are made once a start, and kept: counting looks
/// nothing up.
struct AgentMetrics: Sendable {
    /// Why a transaction was not recorded; the codes of the problems that clients get.
    enum Refusal: String, CaseIterable, Sendable {
        case invalidField = "invalid_field"
        case idempotencyMismatch = "idempotency_mismatch"
        case tooLarge = "too_large"
        case overloaded
        case unavailable
        case storageFull = "storage_full"
    }

    let accepted = Counter(label: Self.accepted.name)
    let replayed = Counter(label: Self.replayed.name)
    let commitDuration = Timer(label: Self.commitDuration.name)
    let commitTransactions = Recorder(label: Self.commitTransactions.name, aggregate: true)
    let commitFailures = Counter(label: Self.commitFailures.name)
    let publishedSegments = Counter(label: Self.publishedSegments.name)
    let publishedBytes = Counter(label: Self.publishedBytes.name)
    let acknowledgements = Counter(label: Self.acknowledgements.name)
    private let refused: [Refusal: Counter] = Dictionary(
        uniqueKeysWithValues: Refusal.allCases.map { refusal in
            let dimensions = [("code", refusal.rawValue)]
            return (refusal, Counter(label: AgentMetrics.refused.name, dimensions: dimensions))
        })

    func refuse(_ refusal: Refusal, count: Int) {
        guard count > 0 else { return }
        refused[refusal]?.increment(by: count)
    }
}

// MARK: What is counted as it happens

extension AgentMetrics {
    private static let accepted = MetricDefinition(
        "tributary_agent_transactions_accepted_total", .counter,
        "Transactions that were made durable, each counted once.")
    private static let replayed = MetricDefinition(
        "tributary_agent_transactions_replayed_total", .counter,
        "Requests answered with what came of the same request before.")
    private static let refused = MetricDefinition(
        "tributary_agent_transactions_refused_total", .counter, labels: ["code"],
        "Transactions that were understood and not recorded, by the code of their problem.")
    private static let commitDuration = MetricDefinition(
        "tributary_agent_commit_duration_seconds", .histogram(.durations),
        "Group commits of new transactions, their sync to the disk included, in seconds.")
    private static let commitTransactions = MetricDefinition(
        "tributary_agent_commit_transactions", .histogram(.counts),
        "Transactions that shared a group commit.")
    private static let commitFailures = MetricDefinition(
        "tributary_agent_commit_failures_total", .counter,
        "Commits that failed; what waited for them was refused.")
    private static let publishedSegments = MetricDefinition(
        "tributary_agent_published_segments_total", .counter,
        "Segments handed to the broker, each as often as it was sent.")
    private static let publishedBytes = MetricDefinition(
        "tributary_agent_published_bytes_total", .counter,
        "Bytes of segments handed to the broker, as often as they were sent.")
    private static let acknowledgements = MetricDefinition(
        "tributary_agent_acknowledgements_total", .counter,
        "Acknowledgements of the aggregator that released something.")
}

// MARK: What is asked at the scrape

extension AgentMetrics {
    static let head = MetricDefinition(
        "tributary_agent_stream_head", .gauge, "Number of the last event of this device's stream.")
    static let acknowledged = MetricDefinition(
        "tributary_agent_stream_acknowledged", .gauge,
        "Number of the last event that the aggregator has committed.")
    static let backlog = MetricDefinition(
        "tributary_agent_backlog_transactions", .gauge,
        "Transactions that are durable here and not yet acknowledged.")
    static let backlogBytes = MetricDefinition(
        "tributary_agent_backlog_bytes", .gauge, "Bytes of the segments not yet acknowledged.")
    static let backlogAge = MetricDefinition(
        "tributary_agent_backlog_oldest_age_seconds", .gauge,
        "Age of the oldest transaction not yet acknowledged, in seconds; 0 where none waits.")
    static let oldestRetained = MetricDefinition(
        "tributary_agent_oldest_retained_sequence", .gauge,
        "The first event that is kept here; what is before it was merged, and is pruned.")
    static let storage = MetricDefinition(
        "tributary_agent_storage_bytes", .gauge, "Size of the database.")
    static let quota = MetricDefinition(
        "tributary_agent_storage_quota_bytes", .gauge,
        "How large the database may grow; absent where only the disk limits it.")
    static let ready = MetricDefinition(
        "tributary_agent_ready", .gauge, "1 where transactions can be made durable now, else 0.")
    static let connected = MetricDefinition(
        "tributary_agent_connected", .gauge, "1 while the broker is connected, else 0.")
    static let connections = MetricDefinition(
        "tributary_agent_connections_total", .counter, "Times that the broker was connected.")
    static let rejected = MetricDefinition(
        "tributary_agent_broker_rejections_total", .counter,
        "Messages that the broker answered with a refusal.")
    static let session = MetricDefinition(
        "tributary_agent_session_state", .gauge, labels: ["state"],
        "1 for the state that the session with the aggregator is in, 0 for the others.")
    static let lastAcknowledgement = MetricDefinition(
        "tributary_agent_last_acknowledgement_timestamp_seconds", .gauge,
        "When the last acknowledgement came, in seconds since 1970; absent before the first.")

    static let streams = MetricDefinition(
        "tributary_agent_streams", .gauge, labels: ["state"],
        "Streams of this data folder: the one that is written, and former ones that the aggregator lacks something of (draining) or has (drained)."
    )
    static let conflicts = MetricDefinition(
        "tributary_agent_conflicts_total", .counter, labels: ["kind"],
        "Conflicts of this device's streams that the aggregator has told of, settled ones included."
    )
    static let openConflicts = MetricDefinition(
        "tributary_agent_open_conflicts", .gauge, labels: ["kind"],
        "Those of them that nobody has settled, as far as was told.")
    static let quarantined = MetricDefinition(
        "tributary_agent_quarantined_events", .gauge,
        "Events of this device that have no effect at the aggregator, because it cannot read them, or not yet."
    )

    static let definitions = [
        streams, conflicts, openConflicts, quarantined,
        accepted, replayed, refused, commitDuration, commitTransactions, commitFailures, head,
        acknowledged, backlog, backlogBytes, backlogAge, oldestRetained, storage, quota, ready,
        connected,
        connections, rejected, session, publishedSegments, publishedBytes, acknowledgements,
        lastAcknowledgement,
    ]
}
