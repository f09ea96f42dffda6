/// Every bound of the store of traces, each with its reason.
package struct TraceStoreLimits: Sendable, Hashable {
    /// How long a span is kept, in microseconds: a week, in which an incident is looked into.
    package var age: Int64 = 7 * 24 * 3600 * 1_000_000
    /// What the database may take, in bytes; beyond it the oldest spans go first.
    package var byteCountMax: Int64 = 256 << 20
    /// Spans of one trace that are read: what an answer may hold in memory.
    package var spansPerTraceMax = 10_000
    /// Traces that are named for one transaction.
    package var tracesPerTransactionMax = 64
    /// How far a span's events may lie behind its first: more than any message carries. It bounds
    /// the search for a transaction.
    package var eventsPerSpanMax: Int64 = 65_536
    /// Spans deleted in one transaction: how long a write may take.
    package var spansPerPruneMax = 5_000

    package init() {}
}
