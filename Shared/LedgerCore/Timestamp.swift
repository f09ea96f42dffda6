/// A moment of wall-clock time, in microseconds since 1970-01-01T00:00:00Z. The cores are handed
/// it; they never ask.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// Whole microseconds from `earlier` to here; negative where the clock went back. What does not
    /// fit is the nearest that does: one of the two may have come from the network.
    package func microseconds(since earlier: Timestamp) -> Int64 {
        let (distance, overflow) = microseconds.subtractingReportingOverflow(earlier.microseconds)
        guard overflow else { return distance }
        return microseconds < earlier.microseconds ? .min : .max
    }

    /// The moment that far away, or the nearest that can be said.
    package func advanced(byMicroseconds distance: Int64) -> Timestamp {
        let (moved, overflow) = microseconds.addingReportingOverflow(distance)
        guard overflow else { return Timestamp(microseconds: moved) }
        return Timestamp(microseconds: distance < 0 ? .min : .max)
    }
}
