import LedgerCore
import SyncProtocol

/// Why the aggregator cannot answer now.
package enum AggregatorFailure: Error, Hashable, Sendable {
    case overloaded
    case unavailable(detail: String)
}

/// A transaction of the global log, with the stages that it came through.
package struct MergedTransaction: Sendable {
    package let id: EventID
    package let event: Event
    package let status: MergedStatus
    /// Of its segment in the aggregator's log.
    package let position: Int64
    package let segmentFirst: UInt64
    package let segmentCount: UInt32
    /// When the agent handed it to the broker, by the agent's clock, and at which attempt.
    package let publishedAt: Timestamp?
    package let attempt: UInt32
    /// By this aggregator's clock.
    package let receivedAt: Timestamp?
    package let committedAt: Timestamp

    package init(
        id: EventID, event: Event, status: MergedStatus = .merged, position: Int64,
        segmentFirst: UInt64, segmentCount: UInt32, publishedAt: Timestamp?, attempt: UInt32,
        receivedAt: Timestamp?, committedAt: Timestamp
    ) {
        self.id = id
        self.event = event
        self.status = status
        self.position = position
        self.segmentFirst = segmentFirst
        self.segmentCount = segmentCount
        self.publishedAt = publishedAt
        self.attempt = attempt
        self.receivedAt = receivedAt
        self.committedAt = committedAt
    }
}

/// An account of the global ledger, one entry an asset.
package struct MergedAccount: Sendable {
    package let address: AccountAddress
    package let balances: [AssetTotal]

    package init(address: AccountAddress, balances: [AssetTotal]) {
        self.address = address
        self.balances = balances
    }
}

package struct MergedPage<Item: Sendable>: Sendable {
    package let items: [Item]
    package let next: String?

    package init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}

/// The whole ledger at one position of the log.
package struct LedgerSummary: Sendable {
    package let position: Int64
    package let counts: GlobalLedger.Counts
    package let totals: [AssetTotal]
    package let digest: Hash256
    package let factsDigest: Hash256
    /// Nil while the audit has not yet read the log up to here.
    package let audit: AuditResult?
    package let auditedThrough: Int64
    /// How far the rows behind the log have come.
    package var indexedThrough: Int64 = 0
    package let completeness: Completeness

    package init(
        position: Int64, counts: GlobalLedger.Counts, totals: [AssetTotal], digest: Hash256,
        factsDigest: Hash256,
        audit: AuditResult?, auditedThrough: Int64, completeness: Completeness
    ) {
        self.position = position
        self.counts = counts
        self.totals = totals
        self.digest = digest
        self.factsDigest = factsDigest
        self.audit = audit
        self.auditedThrough = auditedThrough
        self.completeness = completeness
    }
}

/// What came of comparing the fold with sums that other code made from the log.
package struct AuditResult: Hashable, Sendable {
    package struct Violation: Hashable, Sendable {
        package let account: AccountAddress
        package let asset: Asset
        package let foldInput: Int128
        package let foldOutput: Int128
        package let logInput: Int128
        package let logOutput: Int128

        package init(
            account: AccountAddress, asset: Asset, foldInput: Int128, foldOutput: Int128,
            logInput: Int128,
            logOutput: Int128
        ) {
            self.account = account
            self.asset = asset
            self.foldInput = foldInput
            self.foldOutput = foldOutput
            self.logInput = logInput
            self.logOutput = logOutput
        }
    }

    /// Accounts whose sums differ; the first hundred of them.
    package static let violationsMax = 100
    package let violations: [Violation]
    /// Assets of which more went in than out, or the reverse, in the log itself.
    package let unbalanced: [Asset]

    package init(violations: [Violation], unbalanced: [Asset]) {
        self.violations = violations
        self.unbalanced = unbalanced
    }

    package var isConserved: Bool { violations.isEmpty && unbalanced.isEmpty }
}

/// An agent as the aggregator sees it.
package struct AgentView: Sendable {
    package struct StreamView: Sendable {
        /// Events that nobody has any more, and the conflict that they are.
        package struct Gap: Hashable, Sendable {
            package let sequences: ClosedRange<UInt64>
            package let conflict: HubEventID
            package let isOpen: Bool
        }

        /// Events that nobody has any more, and why the agent has not.
        package struct Lacking: Hashable, Sendable {
            package let sequences: ClosedRange<UInt64>
            package let cause: HubFact.LostGap.Cause

            package init(sequences: ClosedRange<UInt64>, cause: HubFact.LostGap.Cause) {
                self.sequences = sequences
                self.cause = cause
            }
        }

        package let tag: StreamTag
        /// The highest head that the stream has announced.
        package let announced: UInt64
        package let merged: UInt64
        package let standing: Standing
        package let session: UInt64
        /// All of the stream up to this time is merged; nil where it has not said any.
        package let watermark: HybridTimestamp?
        /// In the order of their numbers.
        package let missing: [MissingRange]
        /// Events that neither this aggregator nor the agent has any more; nil for none.
        package let lacking: Lacking?
        /// Whether it is the one that its agent last greeted with.
        package let isCurrent: Bool
        /// Where its branches end, as committed; several only where it forked.
        package var branches: [ChainPoint] = []
        package var gaps: [Gap] = []
        /// Conflicts that nobody has settled.
        package var openConflicts = 0

        package init(
            tag: StreamTag, announced: UInt64, merged: UInt64, standing: Standing, session: UInt64,
            watermark: HybridTimestamp? = nil, missing: [MissingRange] = [],
            lacking: Lacking? = nil, isCurrent: Bool = true
        ) {
            self.tag = tag
            self.announced = announced
            self.merged = merged
            self.standing = standing
            self.session = session
            self.watermark = watermark
            self.missing = missing
            self.lacking = lacking
            self.isCurrent = isCurrent
        }
    }

    package let id: AgentID
    package let isOnline: Bool
    package var streams: [StreamView]
    package let softwareVersion: String
    package let lastSeenAt: Timestamp?
    /// When it went; nil while it is online, and where that was before this aggregator was started.
    package let offlineSince: Timestamp?
    package let lastAckAt: Timestamp?
    /// The agent's clock less ours, in microseconds, by its last message; the way it took is in it.
    package let clockOffset: Int64?
    package let setAside: UInt64

    package init(
        id: AgentID, isOnline: Bool, streams: [StreamView], softwareVersion: String,
        lastSeenAt: Timestamp?,
        offlineSince: Timestamp? = nil, lastAckAt: Timestamp?, clockOffset: Int64?,
        setAside: UInt64
    ) {
        self.id = id
        self.isOnline = isOnline
        self.streams = streams
        self.softwareVersion = softwareVersion
        self.lastSeenAt = lastSeenAt
        self.offlineSince = offlineSince
        self.lastAckAt = lastAckAt
        self.clockOffset = clockOffset
        self.setAside = setAside
    }

    /// The stream that an operator has to look at first; nil where there is none. One that is closed
    /// needs nobody when its conflict is settled: its agent goes on in another.
    package var stopped: StreamView? { streams.first(where: \.needsDecision) }

    /// Announced and not yet merged.
    package var backlog: UInt64 {
        streams.reduce(0) { $0 + $1.announced - min($1.announced, $1.merged) }
    }
}

extension AgentView.StreamView {
    package var needsDecision: Bool {
        switch standing {
        case .open, .lost, .closed: false
        case .unapproved, .refused: true
        case .forked, .rolledBack: openConflicts > 0
        }
    }
}

/// Whether the aggregator can take and answer, and how it stands with its broker.
package struct AggregatorHealth: Sendable {
    package let brokerSentence: String
    package let isConnected: Bool
    /// Nil where it can commit, else why not.
    package let unreadiness: String?

    package init(brokerSentence: String, isConnected: Bool, unreadiness: String?) {
        self.brokerSentence = brokerSentence
        self.isConnected = isConnected
        self.unreadiness = unreadiness
    }
}

/// What the aggregator's HTTP API needs of the aggregator. The API and the store meet here and
/// nowhere else.
package protocol AggregatorService: ConflictService {
    func transaction(_ id: EventID) async throws(AggregatorFailure) -> MergedTransaction?
    /// Nil for one that is neither in the ledger nor announced by its agent.
    func journey(_ id: EventID) async throws(AggregatorFailure) -> MergedJourney?
    func account(_ address: AccountAddress) async throws(AggregatorFailure) -> MergedAccount?
    /// In the order of their first use.
    func accounts(
        prefix: String?, cursor: String?, limit: Int
    ) async throws(AggregatorFailure) -> MergedPage<MergedAccount>?
    func ledger() async throws(AggregatorFailure) -> LedgerSummary
    /// Without waiting for the audit.
    func completeness() async throws(AggregatorFailure) -> Completeness
    func state() -> AggregatorHealth
}
