import LedgerCore

/// The clocks of one device, beside what time it really is: a wall clock that is set, drifts, and
/// begins in 1970 where its battery is empty; and a steady one that nobody sets, which begins anew
/// with each start.
package struct VirtualClock: Sendable {
    /// What the wall clocks of all devices say when a run begins, where nobody has set them: a day
    /// in October 2025.
    static let epoch: Int64 = 1_760_000_000_000_000

    /// What the wall clock said when it was last set.
    private var wall: Int64 = VirtualClock.epoch
    private var setAt: Int64 = 0
    /// How much faster than real time it runs, in millionths.
    private var drift: Int64 = 0
    private var startedAt: Int64 = 0
    private var steadyAtStart: Int64 = 0
    /// Whether it was ever set to a time that is not the real one.
    private(set) var wasWrong = false

    package init() {}

    package func reading(at now: Int64) -> ClockReading {
        ClockReading(
            wall: Timestamp(microseconds: wallTime(at: now)),
            steady: SteadyTime(microseconds: steadyAtStart + passed(now - startedAt)))
    }

    /// Drift shows in both clocks: they are one crystal.
    private func passed(_ real: Int64) -> Int64 {
        real + real / 1_000_000 * drift
    }

    private func wallTime(at now: Int64) -> Int64 {
        wall + passed(now - setAt)
    }

    /// The device was started: its steady clock begins anew, somewhere.
    package mutating func restart(at now: Int64, steady: Int64) {
        startedAt = now
        steadyAtStart = steady
    }

    package mutating func jump(by distance: Int64, at now: Int64) {
        set(to: wallTime(at: now) + distance, at: now)
    }

    package mutating func set(to time: Int64, at now: Int64) {
        wall = time
        setAt = now
        wasWrong = true
    }

    package mutating func drift(partsPerMillion: Int64, at now: Int64) {
        let reading = reading(at: now)
        wall = reading.wall.microseconds
        setAt = now
        startedAt = now
        steadyAtStart = reading.steady.microseconds
        drift = partsPerMillion
        wasWrong = true
    }
}
