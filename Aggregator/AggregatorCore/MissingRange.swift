import LedgerCore

/// Events that a stream has and the ledger has not, and how that is known.
package struct MissingRange: Hashable, Sendable {
    package enum Evidence: Hashable, Sendable {
        /// A later segment is here, and names the hash of the one before it.
        case successor(first: UInt64, names: Hash256)
        /// The stream's key has signed for a head this far.
        case announced(head: UInt64)
        /// The agent has said that it keeps its events from this one on, so nobody has those before:
        /// they are not asked for.
        case pruned(oldestRetained: UInt64)
        /// The agent has said that it cannot read some of them from its disk, and has pruned the others,
        /// if there are any: nobody has them.
        case unreadable
    }

    package private(set) var first: UInt64
    package let last: UInt64
    /// By the aggregator's clock: when the gap was found, or when the stream last grew here.
    package let since: Timestamp
    package let evidence: Evidence

    /// - Precondition: the range is not empty.
    package init(first: UInt64, last: UInt64, since: Timestamp, evidence: Evidence) {
        precondition(first <= last, "nothing is missing from \(first) to \(last)")
        self.first = first
        self.last = last
        self.since = since
        self.evidence = evidence
    }

    package var count: UInt64 { last - first + 1 }

    /// What of it lies behind an event; nil for nothing.
    package func rest(behind sequence: UInt64) -> MissingRange? {
        guard last > sequence else { return nil }
        var rest = self
        rest.first = max(first, sequence + 1)
        return rest
    }
}
