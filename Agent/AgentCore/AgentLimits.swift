import SyncProtocol

/// Every bound of an agent, each with its reason.
package struct AgentLimits: Sendable, Hashable {
    /// Transactions of one batch request: what still answers within a second on a small device.
    package var batchTransactionsMax = 10_000
    /// A line of NDJSON, in bytes: 64 KiB, far more than any transaction within its own limits needs.
    package var lineBytesMax = 64 << 10
    /// Transactions of a stream of lines that are recorded together and answered before more of it is
    /// read: enough for one sync of the disk to pay, and what bounds the memory of a stream.
    package var linesPerCommit = 2_048
    /// Bytes of a stream of lines that wait while others are recorded, for the same reason.
    package var lineBacklogBytesMax = 512 << 10
    /// Transactions that wait for a commit: what does not fit is answered 503 at once instead of
    /// late.
    package var waitingTransactionsMax = 65_536
    /// Segments written in one transaction of the store: a bound on how long a reader's answer may
    /// wait.
    package var segmentsPerCommitMax = 64
    /// Segments between two checkpoints of the folds: what a start has to replay.
    package var segmentsPerCheckpoint = 4096
    /// Bytes of segments between two checkpoints, for the same reason.
    package var bytesPerCheckpoint = 16 << 20
    /// Idempotency keys between two checkpoints: what is kept in memory for them.
    package var keysPerCheckpoint = 20_000
    /// Small messages under way before more is gathered into the next one, so that signing and
    /// verifying stay cheap.
    package var smallMessagesInFlightMax = 4
    /// What counts as a full message, which may use the whole credit.
    package var fullMessageBytes = SegmentsMessage.segmentBytesMax / 2
    /// The first wait for a welcome or an acknowledgement before greeting anew; doubled each time.
    package var greetingDelayBase: Int64 = 1_000_000
    /// The longest such wait, in microseconds.
    package var greetingDelayMax: Int64 = 15_000_000
    /// Former streams that are sent at a time, beside the one that is written: what they take of the
    /// broker's room, it does not have.
    package var drainingStreamsMax = 2
    /// Messages of a former stream under way, for the same reason.
    package var formerMessagesInFlightMax = 4
    /// The shortest time between two streams of one folder, in microseconds: whatever a hub says, each
    /// is a row that stays.
    package var drawDelay: Int64 = 5_000_000
    /// How long until an aggregator that takes nothing of a stream is greeted again, in microseconds,
    /// the upper half of it at random.
    package var heldGreetingDelay: Int64 = 60_000_000
    /// How long a batch of acknowledgements may wait to be written, in microseconds.
    package var receiptDelayMax: Int64 = 200_000
    /// Bytes of own segments kept in memory, to take an account snapshot apart: what lies behind it
    /// at full speed over a slow link.
    package var ownTailBytesMax = 1 << 20
    /// Balances of others that are kept, an account and an asset each: a bound on memory.
    package var mergedBalancesMax = 131_072
    /// How long balances of others may wait to be written when nothing else is, in microseconds.
    package var mergedDelayMax: Int64 = 250_000
    /// Account snapshots that may wait for the thread that writes.
    package var waitingSnapshotsMax = 256
    /// Lost snapshots that are counted one by one; beyond, all of the round counts as lost.
    package var missingSnapshotsMax = 256
    /// How long a snapshot may be missing because the network put it behind others, in microseconds;
    /// doubled each time that it is asked for.
    package var snapshotReorderWindow: Int64 = 1_000_000
    /// The longest wait before asking again.
    package var snapshotAskMax: Int64 = 60_000_000
    /// Accounts of clients' questions that wait to be asked for.
    package var wantedAccountsMax = 256
    /// The longest wait, at random, before greeting an aggregator that says it came up, in
    /// microseconds: it hears of its whole fleet within that time, and not all at once.
    package var resumeDelayMax: Int64 = 500_000
    /// The longest pause between two watermarks of an agent that is idle, in microseconds: how far
    /// a quiet shop may hold the ledger's completeness back. The upper half of it is at random.
    package var watermarkDelayMax: Int64 = 10_000_000
    /// The shortest pause between two watermarks while acknowledgements come, in microseconds: each
    /// costs a signature here and its check there.
    package var watermarkDelayMin: Int64 = 2_000_000
    /// Segments that one step of pruning takes out of the log: some milliseconds, in which a commit
    /// may have to wait for it.
    package var segmentsPerPruneMax = 128
    /// Bytes of them, for the same reason.
    package var bytesPerPruneMax = 1 << 20
    /// Idempotency keys that one step looks at.
    package var keysPerPruneMax = 2048
    /// Pages (4 KiB) that one step gives back to the file system, each of which is copied.
    package var pagesPerReturnMax = 128
    /// Pages that stay free for what comes next, beside an eighth of what is used: what is given
    /// back today and needed tomorrow is written twice.
    package var freePagesKept = 64
    /// The pause between two steps while nothing else is to do, in microseconds.
    package var upkeepPause: Int64 = 5_000
    /// The pause while there is: the steps take a few hundredths of the time.
    package var upkeepPauseWhenBusy: Int64 = 100_000
    /// How often it is looked whether there is anything to prune, at the least, in microseconds.
    package var upkeepIntervalMax: Int64 = 60_000_000
    /// The pause after a step that failed, as on a full disk, in microseconds.
    package var upkeepPauseAfterFailure: Int64 = 10_000_000
    /// Segments that one page of a listing may look through before it answers with a cursor.
    package var listingSegmentsMax = 512

    package init() {}
}
