/// Every bound of an aggregator, each with its reason.
package struct AggregatorLimits: Sendable, Hashable {
    /// Messages that all agents together may have under way: half of the 1,000 that Mosquitto
    /// queues for a client (`max_queued_messages`) before it drops what publishers believe
    /// delivered.
    package var messagesInFlightMax: UInt32 = 480
    /// Messages one agent may have under way: enough to cover a round trip at full speed.
    package var messagesPerAgentMax: UInt32 = 16
    /// Bytes one agent may have under way.
    package var bytesPerAgentMax: UInt32 = 4 << 20
    /// How long a gap may be the broker's reordering before what is missing is asked for, in
    /// microseconds.
    package var reorderWindow: Int64 = 200_000
    /// How long to wait for what was asked for before asking again, in microseconds.
    package var needsRepeat: Int64 = 2_000_000
    /// Segments that came before their predecessors, kept for each stream.
    package var earlySegmentsMax = 256
    /// Bytes of them, for the same reason: memory.
    package var earlyBytesMax = 4 << 20
    /// Messages that wait for the intake thread; the credit keeps it far below.
    package var intakeQueueMax = 4096
    /// Messages merged in one transaction of the store: a bound on how long an acknowledgement may
    /// wait.
    package var messagesPerCommitMax = 64
    /// Bytes merged in one transaction of the store.
    package var bytesPerCommitMax = 8 << 20
    /// Segments between two checkpoints of the folds: what a start has to replay.
    package var segmentsPerCheckpoint = 8192
    /// Bytes of segments between two checkpoints.
    package var bytesPerCheckpoint = 32 << 20
    /// Definitions a stream may have: what the aggregator keeps in memory for it.
    package var definitionsPerStreamMax: UInt32 = 16 << 20
    /// How long an answer may wait for the audit to catch up with the log, in microseconds.
    package var auditWaitMax: Int64 = 5_000_000

    package init() {}

    /// The credit of one agent among so many.
    package func messagesPerAgent(agents: Int) -> UInt32 {
        max(1, min(messagesPerAgentMax, messagesInFlightMax / UInt32(max(1, agents))))
    }
}
