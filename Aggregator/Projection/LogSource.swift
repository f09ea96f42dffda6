import AggregatorCore
import LedgerCore
import SegmentStore

/// What a projection follows: the aggregator's log, and the fold that says which of its events have
/// an effect.
package protocol LogSource: Sendable {
    /// Whose log it is: rows of one log are never taken for those of another.
    var identity: String { get }

    /// The greatest position; 0 while the log is empty.
    func lastPosition() throws(StoreError) -> Int64

    /// The next segments, the oldest first; none at the end.
    func segments(after position: Int64, limit: ReadLimit) throws(StoreError) -> [FollowedSegment]

    /// The fold with the names that the log defines up to a position, so that it judges what comes
    /// behind as the merge did.
    func judge(after position: Int64) throws(StoreError) -> GlobalLedger
}

/// A segment of the log, and how it came.
package struct FollowedSegment: Sendable {
    package let decoded: DecodedSegment
    package let arrival: Arrival?

    package init(decoded: DecodedSegment, arrival: Arrival?) {
        self.decoded = decoded
        self.arrival = arrival
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
