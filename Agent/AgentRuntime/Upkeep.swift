import AgentCore
import AgentStore
import LedgerCore
import Logging
import SegmentStore
import Workers

/// What keeps the log from growing for ever: pruning, and giving space back.
///
/// **Overview.** It lives on the commit thread, because there is one writer, and does one small step
/// at a time between two commits: none waits for more than one step. While commits come without a
/// pause, the steps are far apart.
///
/// **Function.** Call `step` after each turn; it does nothing until something is due. `patience`
/// says when it wants to be called again.
///
/// **Invariants.** Nothing goes that the aggregator of this run's sessions is not known to hold, that
/// is not acknowledged durably, that is younger than the retention, or that no checkpoint of the
/// folds has counted in.
package struct Upkeep: Sendable {
    /// How a stream stands.
    package struct Standing: Sendable {
        package var stream: StreamTag
        /// The last durable event.
        package var head: UInt64
        /// The last event whose acknowledgement is durable.
        package var acknowledged: UInt64
        /// The last event that the aggregator said in this run that it holds; 0 before it did.
        package var held: UInt64

        package init(stream: StreamTag, head: UInt64, acknowledged: UInt64, held: UInt64) {
            self.stream = stream
            self.head = head
            self.acknowledged = acknowledged
            self.held = held
        }

        fileprivate var prunable: UInt64 { min(held, acknowledged) }
    }

    package enum Outcome: Sendable {
        case nothing
        /// The folds' checkpoint must reach further first.
        case needsCheckpoint
        /// The log of that stream begins behind that event now.
        case pruned(through: EventPlace)
        case failed(StoreError)
    }

    private let store: AgentStore
    private let limits: AgentLimits
    private let interval: Int64
    private var retention: Retention
    private var due: SteadyTime
    private var sweep: Sweep?
    private var sweptThrough: [StreamTag: UInt64] = [:]
    /// Whether pages were cut off the database, and its file or its write-ahead log's may still have
    /// them.
    private var awaitsShorterFiles: Bool
    /// What a few commits behind an emptied write-ahead log may have added to it.
    private static let shortLogByteCount: Int64 = 256 << 10
    private let canReturnSpace: Bool

    /// A walk through the idempotency keys.
    private struct Sweep: Sendable {
        var through: EventPlace
        var cursor: KeyCursor?
    }

    private let clock: @Sendable () -> ClockReading

    /// - Parameter clock: the device's clocks.
    package init(
        store: AgentStore, spans: Retention.Spans, limits: AgentLimits,
        clock: @escaping @Sendable () -> ClockReading = ClockReading.now
    ) throws(StoreError) {
        let now = clock()
        self.clock = clock
        self.store = store
        self.limits = limits
        retention = Retention(spans, saved: try store.retention(), now: now)
        canReturnSpace = try store.canReturnSpace()
        awaitsShorterFiles = canReturnSpace
        interval = min(max(spans.segments / 64, 100_000), limits.upkeepIntervalMax)
        due = now.steady
    }

    /// Whether a step is due.
    package var isDue: Bool { clock().steady >= due }

    /// How long until the next step is due.
    package var patience: Duration {
        .microseconds(max(0, due.microseconds(since: clock().steady)))
    }

    /// Does the next step, if one is due.
    ///
    /// - Parameters:
    ///   - standings: of all the folder's streams, the oldest first.
    ///   - isIdle: whether nothing else waits.
    package mutating func step(
        _ standings: [Standing], isIdle: Bool
    ) -> Outcome {
        let now = clock()
        guard now.steady >= due else { return .nothing }
        let pause = isIdle ? limits.upkeepPause : limits.upkeepPauseWhenBusy
        do throws(StoreError) {
            let outcome = try work(standings, now)
            due = now.steady.advanced(byMicroseconds: outcome == nil ? interval : pause)
            return outcome ?? .nothing
        } catch {
            due = now.steady.advanced(byMicroseconds: limits.upkeepPauseAfterFailure)
            return .failed(error)
        }
    }

    /// Something that a step asked for failed: the next one is not tried at once.
    package mutating func postpone() {
        due = clock().steady.advanced(byMicroseconds: limits.upkeepPauseAfterFailure)
    }

    /// - Returns: nil where nothing is left to do.
    private mutating func work(
        _ standings: [Standing], _ now: ClockReading
    ) throws(StoreError) -> Outcome? {
        let heads = Dictionary(uniqueKeysWithValues: standings.map { ($0.stream, $0.head) })
        if let saved = retention.look(heads: heads, now: now) {
            try store.save(saved)
            retention.wasSaved(saved)
        }
        for one in standings {
            let through = retention.prunable(one.stream, held: one.prunable, now: now)
            let place = EventPlace(stream: one.stream, sequence: through)
            if let outcome = try prune(place) { return outcome }
        }
        for one in standings {
            let through = retention.keysPrunable(one.stream, held: one.prunable, now: now)
            let place = EventPlace(stream: one.stream, sequence: through)
            if try pruneKeys(place) { return .nothing }
        }
        return try returnSpace() ? .nothing : nil
    }

    private mutating func prune(_ place: EventPlace) throws(StoreError) -> Outcome? {
        guard place.sequence > 0 else { return nil }
        let limit = ReadLimit(
            segments: limits.segmentsPerPruneMax, bytes: limits.bytesPerPruneMax)
        switch try store.prune(place.stream, through: place.sequence, limit: limit) {
        case .pruned(let through, _, _):
            return .pruned(through: EventPlace(stream: place.stream, sequence: through))
        case .needsCheckpoint: return .needsCheckpoint
        case .nothing:
            retention.pruned(place.stream, through: place.sequence)
            return nil
        }
    }

    /// A sweep that is under way goes on first.
    ///
    /// - Returns: whether there is more to do.
    private mutating func pruneKeys(_ place: EventPlace) throws(StoreError) -> Bool {
        if sweep == nil, place.sequence > sweptThrough[place.stream] ?? 0 {
            sweep = Sweep(through: place, cursor: nil)
        }
        guard var next = sweep else { return false }
        next.cursor = try store.pruneKeys(
            of: next.through.stream, through: next.through.sequence, after: next.cursor,
            keysMax: limits.keysPerPruneMax)
        if next.cursor == nil {
            sweptThrough[next.through.stream] = next.through.sequence
            retention.prunedKeys(next.through.stream, through: next.through.sequence)
        }
        sweep = next.cursor == nil ? nil : next
        return true
    }

    /// - Returns: whether there is more to do.
    private mutating func returnSpace() throws(StoreError) -> Bool {
        guard canReturnSpace else { return false }
        let statistics = try store.statistics()
        let free = statistics.freeByteCount
        let used = statistics.byteCount - free
        if free > used / 8 + Int64(limits.freePagesKept) * 4096 {
            try store.returnSpace(pagesMax: limits.pagesPerReturnMax)
            awaitsShorterFiles = true
            return true
        }
        if awaitsShorterFiles {
            awaitsShorterFiles =
                store.fileByteCounts.map {
                    $0.database > statistics.byteCount || $0.log > Upkeep.shortLogByteCount
                } ?? false
            if awaitsShorterFiles { store.requestShortFiles() }
        }
        return false
    }
}
