import AggregatorCore
import LedgerCore
import SegmentStore

/// What a projection follows: the aggregator's log.
package protocol LogSource: Sendable {
    /// Whose log it is: rows of one log are never taken for those of another.
    var identity: String { get }

    /// The greatest position; 0 while the log is empty.
    func lastPosition() throws(StoreError) -> Int64

    /// The next segments, the oldest first; none at the end.
    func segments(after position: Int64, limit: ReadLimit) throws(StoreError) -> [FollowedSegment]
}

/// A segment of the log, and how it came.
package struct FollowedSegment: Sendable {
    package let decoded: DecodedSegment
    package let arrival: Arrival?
    /// What the hub's events say of it, by now.
    package let note: SegmentNote

    package init(decoded: DecodedSegment, arrival: Arrival?, note: SegmentNote = .none) {
        self.decoded = decoded
        self.arrival = arrival
        self.note = note
    }

    package struct Arrival: Sendable {
        /// By the agent's clock.
        package let publishedAt: Timestamp
        package let attempt: UInt32
        package let receivedAt: Timestamp

        package init(publishedAt: Timestamp, attempt: UInt32, receivedAt: Timestamp) {
            self.publishedAt = publishedAt
            self.attempt = attempt
            self.receivedAt = receivedAt
        }
    }
}
