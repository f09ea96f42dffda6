import LedgerCore
import SyncProtocol

/// What the outbox wants to know of the log. A question that cannot be answered is dropped: the
/// session that asked greets anew in time.
package enum LogQuestion: Hashable, Sendable {
    /// A stream's segments behind an event, through another, in at most so many bytes.
    case segments(of: StreamTag, session: UInt64, after: UInt64, through: UInt64, byteCountMax: Int)
    /// The highest of these places that is in the chain.
    case places(of: StreamTag, [ChainPoint])
    case definitions(of: StreamTag, session: UInt64, NeedsDefinitions)
    /// Until when the first event behind that one had not happened.
    case timeBefore(EventPlace)
    /// Where other hubs than this one had placed these events.
    case placements(of: StreamTag, session: UInt64, ClosedRange<UInt64>, to: StreamTag)
    /// What other hubs than this one had told this agent, in so far as none has repeated it.
    case hubEvents(of: StreamTag, session: UInt64, to: StreamTag)
}

/// The answer to a `LogQuestion`.
package enum LogAnswer: Sendable {
    /// In their order, up to the first that cannot be read; none where that is the very first, and
    /// where there is nothing.
    case segments([SealedSegment])
    /// The next segment is there, but its bytes are not those that were written: its events, and
    /// where it ends by the table.
    case unreadable(ClosedRange<UInt64>, end: ChainPoint)
    case place(ChainPoint?, bytesBehind: UInt64)
    case definitions([Definition])
    case time(HybridTimestamp?)
    /// To what other hubs had placed or told.
    case returns([Returns])
}
