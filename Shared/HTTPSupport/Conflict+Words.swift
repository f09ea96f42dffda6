import LedgerCore
import SyncProtocol

/// What a conflict is, and what to do, as both APIs say it to people.
extension ConflictView {
    /// What happened.
    package var summary: String {
        let who = agent.map { "agent \($0)" } ?? "an agent that is not known here"
        let stream = conflict.stream
        switch conflict.event.content.fact {
        case .closed(_, .forked, _):
            return "Two data folders of \(who) went on from one copy, in stream \(stream). "
                + "All that either has recorded is merged; the stream is closed, and each goes on in a new one."
        case .closed:
            return
                "The data folder of \(who) was replaced by an older copy of itself: what it says of "
                + "stream \(stream) is older than what was said before. All that was recorded is merged; "
                + "the stream is closed, and the device goes on in a new one."
        case .gapLost(let gap):
            let it = isOne(gap.sequences) ? "it" : "them"
            let why =
                switch gap.cause {
                case .pruned: "the device had pruned \(it), as acknowledged"
                case .unreadable: "the device cannot read \(it) from its disk"
                }
            return "\(events(gap.sequences)) of \(who), stream \(stream), "
                + "\(isOne(gap.sequences) ? "is" : "are") lost: this ledger does not have \(it), and \(why). "
                + (branches.count > 1
                    ? "The stream has several branches, and from where on this one is missing is not known. "
                    : "")
                + "The stream goes on behind the gap; what turns up late is still merged."
        case .quarantined(let span, let cause):
            let why =
                switch cause {
                case .unreadable: "cannot be read"
                case .unknownKind(let kind):
                    "\(isOne(span.sequences) ? "is" : "are") of kind \(kind), which this version does not know"
                }
            return "\(events(span.sequences)) of \(who), stream \(stream), \(why). "
                + "\(isOne(span.sequences) ? "It is" : "They are") kept, and moved no money when it came; "
                + "all behind is merged."
        case .restamped(_, let offset):
            let segments = conflict.repeats + 1
            return
                "The clock of \(who) stood wrong: \(segments == 1 ? "a segment" : "\(segments) segments") "
                + "of stream \(stream) merged at once, the first of them shown \(abs(offset) / 1_000_000) s "
                + "\(offset < 0 ? "earlier" : "later") than it says."
        case .reordered(let span, let former):
            return "\(events(span.sequences)) of \(who), stream \(stream), stood at position "
                + "\(former.position) in the log of a former hub, \(former.hub), before others that stand "
                + "before them now. The present order stands."
        default: return "\(conflict.event.content.fact.name) of stream \(stream)"
        }
    }

    /// What to do.
    package var advice: String {
        guard conflict.isOpen else { return "Nothing: it is settled." }
        switch conflict.event.content.fact {
        case .closed(_, .forked, _):
            return
                "Find out where the second copy of the folder runs, and stop it or give it an id of "
                + "its own. Look through what both recorded since for goods that went out twice. "
                + "Then resolve the conflict."
        case .closed:
            return
                "Find out who put the older copy back. What the replaced disk had recorded and not "
                + "sent is only there: keep it. Then resolve the conflict."
        case .gapLost(let gap):
            let disk = gap.cause == .unreadable ? "Replace the device's disk. " : ""
            return disk
                + "Look for the old disk or a backup of it, and for a later backup of the aggregator: "
                + "what they have is merged when it comes. If there is none, correct the books by hand, and "
                + "resolve the conflict."
        case .quarantined(_, .unknownKind):
            return "Upgrade the aggregator to the version of the agent, and release them."
        case .quarantined:
            return
                "Find out which software wrote them. Release them with a version that can read them, "
                + "or correct the books by hand and resolve the conflict: they stay without effect."
        case .restamped: return "Set the device's clock. Then resolve the conflict."
        case .reordered:
            return
                "Nothing moves: balances do not depend on the order. Resolve the conflict when you have "
                + "seen it."
        default: return "Look at it, and resolve it."
        }
    }

    private func isOne(_ range: ClosedRange<UInt64>) -> Bool {
        range.lowerBound == range.upperBound
    }

    private func events(_ range: ClosedRange<UInt64>) -> String {
        isOne(range)
            ? "Event \(range.lowerBound)" : "Events \(range.lowerBound) to \(range.upperBound)"
    }
}
