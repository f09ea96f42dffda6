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
    /// Runs of segments that wait for the store's word on where they belong, for each stream: as many
    /// messages as its agent may have under way, and the branches that began while they waited.
    package var lookUpsWaitingMax = 32
    /// Branches of one stream: each copy of a folder makes one, so more are made on purpose.
    package var branchesPerStreamMax = 256
    /// How far an agent's clock may be ahead of ours, or behind, before its events are shown at other
    /// times than it says, in microseconds: more than honest clocks differ by, less than a shift.
    package var driftMax: Int64 = 300_000_000
    /// How long an agent is waited for to acknowledge hub events before it is told them again; doubled
    /// each time, in microseconds.
    package var tellRepeatMin: Int64 = 1_000_000
    package var tellRepeatMax: Int64 = 60_000_000
    /// Places under former hubs that are kept of a stream, to compare with where its segments come to
    /// stand: those of as many messages as may be under way.
    package var returnedRunsMax = 4096
    /// How long a hub writes a stream at least before it draws another, in microseconds: whatever
    /// agents say that it forgot.
    package var drawIntervalMin: Int64 = 60_000_000
    /// Ranges that an agent cannot read from its own disk, of one session: the latest count.
    package var unreadableRangesMax = 256
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
    /// Accounts that one agent is told of: what the schedule keeps in memory for it, and what a new
    /// session of it may cost.
    package var accountsPerAgentMax = 65_536
    /// Accounts that an agent may ask for without using them.
    package var accountsWantedMax = 1024
    /// How long what changed may be gathered before an agent is told, in microseconds.
    package var snapshotInterval: Int64 = 250_000
    /// Bytes of accounts in one snapshot message: so small that an acknowledgement behind it is not
    /// kept waiting.
    package var snapshotBytesMax = 16 * 1024
    /// Bytes of account snapshots in one turn of 50 ms, to all agents together: some 1.3 MB/s.
    package var snapshotBytesPerTurnMax = 64 * 1024
    /// Messages of account snapshots in one turn, likewise.
    package var snapshotMessagesPerTurnMax = 16
    /// Changed accounts, each once for every agent that uses it, looked at in one turn: a bound on
    /// the time that it takes from the merge.
    package var snapshotNoticesPerTurnMax = 16_384
    /// Events that a stream may have announced and not yet sent while its agent is told of accounts:
    /// beyond, it is catching up, and could not use them.
    package var snapshotLagMax: UInt64 = 16_384
    /// How long after the last snapshot its number is repeated, in case it was lost; doubled each
    /// time, in microseconds.
    package var snapshotRepeatMin: Int64 = 1_000_000
    package var snapshotRepeatMax: Int64 = 60_000_000
    /// How long a watermark may wait for a commit that is made for something else, in microseconds:
    /// a fleet that is idle costs one write in that time.
    package var watermarkDelayMax: Int64 = 1_000_000
    /// From when on an agent whose watermark lies further back is said to hold the ledger back, in
    /// microseconds; idle agents speak several times as often.
    package var watermarkLateAfter: Int64 = 60_000_000
    /// Agents named among those that hold the ledger back; the rest is counted.
    package var laggardsNamedMax = 20
    /// How long an announced event may be on its way before it counts as missing, in microseconds.
    package var missingAfter: Int64 = 5_000_000
    /// Missing ranges named of one stream; the rest is counted into the last.
    package var missingRangesMax = 16
    /// Changes of the fleet that a reader of events may be behind with and still hear of.
    package var fleetChangesKept = 1024
    /// How long an answer may wait for the audit to catch up with the log, in microseconds.
    package var auditWaitMax: Int64 = 5_000_000

    package init() {}

    /// The credit of one agent among so many.
    package func messagesPerAgent(agents: Int) -> UInt32 {
        max(1, min(messagesPerAgentMax, messagesInFlightMax / UInt32(max(1, agents))))
    }
}
