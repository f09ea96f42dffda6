import AgentCore
import AggregatorCore
import TestSupport

/// Limits so small that a short run reaches them.
extension Plan {
    static func agentLimits(_ random: inout SplitMix64) -> AgentLimits {
        var limits = AgentLimits()
        limits.segmentsPerCheckpoint = random.pick([3, 20, 4096])
        limits.segmentsPerCommitMax = random.pick([1, 64])
        limits.keysPerCheckpoint = random.pick([5, 20_000])
        limits.smallMessagesInFlightMax = random.pick([1, 4])
        limits.fullMessageBytes = random.pick([500, 4_000, 128 << 10])
        limits.ownTailBytesMax = random.pick([600, 4_000, 1 << 20])
        limits.mergedBalancesMax = random.pick([131_072, 131_072, 6])
        limits.missingSnapshotsMax = random.pick([2, 256])
        limits.segmentsPerPruneMax = random.pick([1, 4, 128])
        limits.receiptDelayMax = random.pick([1_000, 200_000])
        limits.mergedDelayMax = random.pick([1_000, 250_000])
        return limits
    }

    static func aggregatorLimits(_ random: inout SplitMix64) -> AggregatorLimits {
        var limits = AggregatorLimits()
        limits.bytesPerAgentMax = random.pick([1, 2_000, 70_000, 4 << 20])
        limits.messagesPerAgentMax = random.pick([1, 4, 16])
        limits.earlySegmentsMax = random.pick([2, 256])
        limits.messagesPerCommitMax = random.pick([1, 4, 64])
        limits.segmentsPerCheckpoint = random.pick([5, 50, 8192])
        limits.snapshotBytesMax = random.pick([200, 16 << 10])
        limits.snapshotMessagesPerTurnMax = random.pick([1, 16])
        limits.snapshotNoticesPerTurnMax = random.pick([4, 16_384])
        limits.watermarkDelayMax = random.pick([1_000, 1_000_000])
        return limits
    }

    /// - Parameter isAged: whether a clock may jump by years while a device is off. Then keys are
    ///   kept for ever, or a late repetition would do its work twice, which is no error of anybody.
    static func retention(_ isAged: Bool, _ random: inout SplitMix64) -> Retention.Spans {
        let segments = random.pick([2 * second, 30 * second, day, 7 * day])
        let keys = random.pick([3600 * second, day, 90 * day])
        return Retention.Spans(segments: segments, keys: isAged ? .max / 4 : keys)
    }
}
