/// A moment of a clock that nobody sets, in microseconds since some moment of this run: for
/// deadlines and pauses, which a wall clock that is set back would put off by hours. It is never
/// stored and never said to anyone.
package struct SteadyTime: Hashable, Comparable, Sendable {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    package static func < (left: SteadyTime, right: SteadyTime) -> Bool {
        left.microseconds < right.microseconds
    }

    package func microseconds(since earlier: SteadyTime) -> Int64 {
        microseconds - earlier.microseconds
    }

    /// The moment that far away, or the nearest that can be said.
    package func advanced(byMicroseconds distance: Int64) -> SteadyTime {
        let (moved, overflow) = microseconds.addingReportingOverflow(distance)
        guard overflow else { return SteadyTime(microseconds: moved) }
        return SteadyTime(microseconds: distance < 0 ? .min : .max)
    }
}

/// What a device's clocks say at one moment. The cores are handed it; they never ask.
package struct ClockReading: Hashable, Sendable {
    package var wall: Timestamp
    package var steady: SteadyTime

    package init(wall: Timestamp, steady: SteadyTime) {
        self.wall = wall
        self.steady = steady
    }

    /// The moment that far away, where nobody sets the wall clock meanwhile.
    package func advanced(byMicroseconds distance: Int64) -> ClockReading {
        ClockReading(
            wall: wall.advanced(byMicroseconds: distance),
            steady: steady.advanced(byMicroseconds: distance))
    }
}
