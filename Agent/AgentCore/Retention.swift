import LedgerCore

/// Notes of how far a stream had come at some times, which say what is older than a retention.
///
/// **Invariants.** Events and times both grow from mark to mark. What `oldThrough` names was there
/// when its mark was made, so it is at least as old as the retention.
package struct RetentionMarks: Sendable, Hashable {
    package struct Mark: Sendable, Hashable {
        package var through: UInt64
        /// By the `RetentionClock`.
        package var elapsed: Int64

        package init(through: UInt64, elapsed: Int64) {
            self.through = through
            self.elapsed = elapsed
        }
    }

    /// Marks kept: twice as many as there are with one retention; more come only from a longer one
    /// after a shorter one.
    package static let countMax = 2 * marksPerRetention
    /// Something is kept for longer than its retention by one such part of it at most.
    private static let marksPerRetention = 64
    /// The least time between two marks, in microseconds: a bound on how often they are written.
    private static let spacingMin: Int64 = 100_000

    /// In microseconds.
    package let retention: Int64
    package private(set) var marks: [Mark]

    package init(retention: Int64, marks: [Mark] = []) {
        precondition(retention > 0, "a retention is longer than no time")
        self.retention = retention
        self.marks = marks
    }

    private var spacing: Int64 {
        max(retention / Int64(RetentionMarks.marksPerRetention), RetentionMarks.spacingMin)
    }

    /// Everything through `head` is there by now.
    ///
    /// - Returns: whether that made a new mark.
    package mutating func note(head: UInt64, elapsed: Int64) -> Bool {
        if let last = marks.last {
            guard head > last.through, elapsed - last.elapsed >= spacing else { return false }
        } else if head == 0 {
            return false
        }
        marks.append(Mark(through: head, elapsed: elapsed))
        if marks.count > RetentionMarks.countMax { thin() }
        return true
    }

    /// What a mark left out would have covered is covered by the next one: later, never earlier.
    private mutating func thin() {
        marks = marks.enumerated().filter { $0.offset % 2 == 1 || $0.offset == marks.count - 1 }
            .map(\.element)
    }

    /// The last event that is older than the retention; 0 for none.
    package func oldThrough(elapsed: Int64) -> UInt64 {
        marks.last { elapsed - $0.elapsed >= retention }?.through ?? 0
    }

    /// Marks up to there say nothing any more.
    package mutating func forget(through sequence: UInt64) {
        marks.removeAll { $0.through <= sequence }
    }
}

/// What of the agent's log may be pruned: what is acknowledged and older than the retention.
///
/// **Overview.** Two retentions: of segments, and of idempotency keys, which are kept longer so
/// that a client's late repetition still finds its first request. Both count the same clock, and
/// each stream of the folder has marks of its own.
package struct Retention: Sendable, Hashable {
    /// How long things are kept, in microseconds.
    package struct Spans: Sendable, Hashable {
        package var segments: Int64
        package var keys: Int64

        /// - Parameter keys: at least as long as the segments; what is shorter is lengthened.
        package init(segments: Int64 = Spans.days(7), keys: Int64 = Spans.days(90)) {
            self.segments = segments
            self.keys = max(keys, segments)
        }

        package static func days(_ count: Int64) -> Int64 { count * 86_400_000_000 }
    }

    /// The marks of one stream.
    package struct Marks: Sendable, Hashable {
        package var segments: [RetentionMarks.Mark]
        package var keys: [RetentionMarks.Mark]

        package init(segments: [RetentionMarks.Mark] = [], keys: [RetentionMarks.Mark] = []) {
            self.segments = segments
            self.keys = keys
        }
    }

    /// What a restart takes up again.
    package struct Saved: Sendable, Hashable {
        package var clock: RetentionClock.Saved
        package var marks: [StreamTag: Marks]

        package init(clock: RetentionClock.Saved, marks: [StreamTag: Marks]) {
            self.clock = clock
            self.marks = marks
        }
    }

    private struct Kept: Sendable, Hashable {
        var segments: RetentionMarks
        var keys: RetentionMarks

        init(_ spans: Spans, _ marks: Marks) {
            segments = RetentionMarks(retention: spans.segments, marks: marks.segments)
            keys = RetentionMarks(retention: spans.keys, marks: marks.keys)
        }
    }

    private let spans: Spans
    private let clock: RetentionClock
    private var savedClock: RetentionClock.Saved?
    private var streams: [StreamTag: Kept]

    package init(_ spans: Spans, saved: Saved?, now: ClockReading) {
        self.spans = spans
        clock = RetentionClock(saved: saved?.clock, now: now)
        savedClock = saved?.clock
        streams = (saved?.marks ?? [:]).mapValues { Kept(spans, $0) }
    }

    /// Notes how far the streams have come.
    ///
    /// - Parameter heads: of all the folder's streams.
    /// - Returns: what must be written down now, or the next start counts wrong; nil for nothing.
    package mutating func look(heads: [StreamTag: UInt64], now: ClockReading) -> Saved? {
        let elapsed = clock.elapsed(at: now)
        var isNew = false
        for (stream, head) in heads {
            var kept = streams[stream] ?? Kept(spans, Marks())
            let hasNewMark = [
                kept.segments.note(head: head, elapsed: elapsed),
                kept.keys.note(head: head, elapsed: elapsed),
            ]
            guard hasNewMark.contains(true) else { continue }
            isNew = true
            streams[stream] = kept
        }
        let hasEvents = heads.values.contains { $0 > 0 }
        let hasDrifted = savedClock.map { clock.hasDrifted(from: $0, at: now) } ?? hasEvents
        return isNew || hasDrifted ? saved(at: now) : nil
    }

    /// What was handed out is durable.
    package mutating func wasSaved(_ saved: Saved) {
        savedClock = saved.clock
    }

    private func saved(at now: ClockReading) -> Saved {
        let marks = streams.mapValues { Marks(segments: $0.segments.marks, keys: $0.keys.marks) }
        return Saved(clock: clock.saved(at: now), marks: marks)
    }

    /// The last event of a stream whose segment may go; 0 for none.
    ///
    /// - Parameter held: the last event that the aggregator is known to hold, durably known.
    package func prunable(_ stream: StreamTag, held: UInt64, now: ClockReading) -> UInt64 {
        guard let kept = streams[stream] else { return 0 }
        return min(held, kept.segments.oldThrough(elapsed: clock.elapsed(at: now)))
    }

    /// The last event of a stream whose idempotency key may go; 0 for none.
    package func keysPrunable(_ stream: StreamTag, held: UInt64, now: ClockReading) -> UInt64 {
        guard let kept = streams[stream] else { return 0 }
        return min(held, kept.keys.oldThrough(elapsed: clock.elapsed(at: now)))
    }

    /// A stream's segments through there are pruned.
    package mutating func pruned(_ stream: StreamTag, through sequence: UInt64) {
        streams[stream]?.segments.forget(through: sequence)
    }

    /// A stream's keys through there are pruned.
    package mutating func prunedKeys(_ stream: StreamTag, through sequence: UInt64) {
        streams[stream]?.keys.forget(through: sequence)
    }
}
