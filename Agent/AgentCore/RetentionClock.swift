import LedgerCore

/// The time that retention counts: how long this data folder has been in use, in microseconds.
///
/// **Overview.** A segment's age must not depend on what the wall clock says now: a device whose
/// clock jumps from 1970 to today would find everything old that it has just written. So while the
/// process runs, this counts by a clock that nobody sets; only what passed between two runs is
/// taken from the wall clock, because nothing else knows it.
///
/// **Invariant.** It never goes back, and a clock that is set back while nothing runs counts as no
/// time.
package struct RetentionClock: Sendable, Hashable {
    /// What is kept from run to run.
    package struct Saved: Sendable, Hashable {
        package var elapsed: Int64
        /// What the wall clock said then.
        package var wall: Timestamp

        package init(elapsed: Int64, wall: Timestamp) {
            self.elapsed = elapsed
            self.wall = wall
        }
    }

    /// The wall clock and this one may part by so much before what is kept must be written anew: it
    /// is what a start may count wrong. A second, which a clock that is merely corrected does not
    /// reach within hours.
    package static let driftMax: Int64 = 1_000_000

    private let elapsedAtStart: Int64
    private let start: ClockReading

    /// - Parameter saved: of the last run; nil for a folder that never had one.
    package init(saved: Saved?, now: ClockReading) {
        let between = saved.map { max(0, now.wall.microseconds(since: $0.wall)) } ?? 0
        let (sum, overflow) = (saved?.elapsed ?? 0).addingReportingOverflow(between)
        elapsedAtStart = overflow ? .max / 2 : min(sum, .max / 2)
        start = now
    }

    package func elapsed(at now: ClockReading) -> Int64 {
        elapsedAtStart + max(0, now.steady.microseconds(since: start.steady))
    }

    package func saved(at now: ClockReading) -> Saved {
        Saved(elapsed: elapsed(at: now), wall: now.wall)
    }

    /// Whether the wall clock was set so far since `saved` was written that the next start would
    /// count it as time passed.
    package func hasDrifted(from saved: Saved, at now: ClockReading) -> Bool {
        let wall = now.wall.microseconds(since: saved.wall)
        let (drift, overflow) = wall.subtractingReportingOverflow(elapsed(at: now) - saved.elapsed)
        return overflow || abs(drift) > RetentionClock.driftMax
    }
}
