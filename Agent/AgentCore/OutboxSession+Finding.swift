import LedgerCore
import SyncProtocol

extension OutboxSession {
    package enum Finding: Hashable, Sendable {
        /// The aggregator heard of a later head than ours: this data folder is an older copy.
        case rolledBack(announced: UInt64, head: UInt64)
        /// A later session was proved than this folder knows of: it is an older copy.
        case surpassed(session: UInt64, last: UInt64)
        /// The head that this stream announced is not in our chain: two folders went on from one
        /// copy.
        case diverged(announced: ChainPoint)
        /// What the aggregator says of the stream.
        case standing(Standing)
        case acknowledgedUnsent(through: UInt64)
        case acknowledgedForeign(ChainPoint)
        case needsForeign(ChainPoint)
        /// The aggregator lacks these, and this agent has pruned them.
        case prunedWhatIsLacking(ClosedRange<UInt64>)

        /// What ends a stream by it; nil where the stream goes on.
        package var cause: StreamEnd.Cause? {
            switch self {
            case .rolledBack, .surpassed, .standing(.rolledBack): .rolledBack
            case .diverged, .standing(.forked): .forked
            case .standing(.lost): .lost
            case .standing(.closed): .closed
            case .standing(.open), .standing(.refused), .standing(.unapproved): nil
            case .acknowledgedUnsent, .acknowledgedForeign, .needsForeign, .prunedWhatIsLacking:
                nil
            }
        }

        /// For people.
        package var sentence: String {
            switch self {
            case .rolledBack(let announced, let head):
                "this data folder ends at event \(head), but its stream was already at "
                    + "\(announced): it is an older copy, restored or cloned"
            case .surpassed(let session, let last):
                "session \(session) of this stream was proved, and this data folder knows of "
                    + "\(last) only: it is an older copy, restored or cloned"
            case .diverged(let announced):
                "event \(announced.sequence), which this stream announced, is not the one of this "
                    + "data folder: two devices went on from one copy"
            case .standing(let standing): standing.sentence
            case .acknowledgedUnsent(let through):
                "event \(through) was acknowledged but never sent"
            case .acknowledgedForeign(let point):
                "event \(point.sequence) was acknowledged with a hash that is not ours"
            case .needsForeign(let point):
                "what follows event \(point.sequence) was asked for with a hash that is not ours"
            case .prunedWhatIsLacking(let range):
                "the aggregator lacks events \(range.lowerBound) to \(range.upperBound), which it had "
                    + "acknowledged and this agent has pruned since: restore a later backup of the "
                    + "aggregator. What is recorded here stays here"
            }
        }
    }
}

extension Standing {
    fileprivate var sentence: String {
        switch self {
        case .open: "the aggregator takes this stream"
        case .forked: "two devices wrote this stream: the aggregator has closed it"
        case .rolledBack: "the aggregator has closed this stream: this data folder is an older copy"
        case .refused:
            "the aggregator refuses this stream: it knows another key under this agent's name"
        case .lost: "an operator has declared this stream lost"
        case .unapproved:
            "an operator has to approve this stream first. What is recorded here is sent after that"
        case .closed: "an operator has closed this stream"
        }
    }
}
