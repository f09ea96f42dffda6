import LedgerCore
import SyncProtocol

/// A request with all that came around it.
package struct ClientRequest: Sendable {
    package var form: RequestForm
    /// The client's idempotency key, unquoted.
    package var key: String?
    package var trace: TraceContext?

    package init(form: RequestForm, key: String? = nil, trace: TraceContext? = nil) {
        self.form = form
        self.key = key
        self.trace = trace
    }
}

/// Requests that are recorded all or none, under one key.
package struct ClientGroup: Sendable {
    /// Without keys of their own.
    package var requests: [ClientRequest]
    /// The client's idempotency key for all of it, unquoted.
    package var key: String?

    package init(requests: [ClientRequest], key: String? = nil) {
        self.requests = requests
        self.key = key
    }
}

/// What came of a group.
package enum GroupAnswer: Sendable {
    /// All of it, in the order of its requests.
    case accepted([RecordedTransaction])
    /// The same group came before under its key; this is what it became then.
    case replayed([RecordedTransaction])
    /// Another request came before under the key.
    case mismatched(first: EventID)
    /// These parts break rules, each with its path in the batch, so nothing was recorded.
    case invalid([InvalidField])
    /// It has more transactions than `SegmentHeader.groupEventsMax`.
    case tooManyTransactions
    /// It would take more bytes than `SegmentHeader.groupBytesMax`.
    case tooManyBytes
}

/// Why the agent cannot take, or find, anything now.
package enum ServiceFailure: Error, Hashable, Sendable {
    /// More waits than may wait; try again soon.
    case overloaded
    /// No room is left for new transactions.
    case storageFull(detail: String)
    case unavailable(detail: String)
}

/// What came of one request.
package enum Answer: Sendable {
    case accepted(RecordedTransaction)
    /// The same request came before under its key; this is what it became then.
    case replayed(RecordedTransaction)
    /// Another request came before under the key.
    case mismatched(first: EventID)
    case invalid(InvalidField)
}

/// A transaction of this agent's log, and how far it has come.
package struct RecordedTransaction: Sendable {
    package enum Status: String, Sendable {
        /// Durable here.
        case accepted
        /// Committed by the aggregator too.
        case merged
        /// Committed by the aggregator, and a conflict says what became of it there.
        case conflict
    }

    package let id: EventID
    package let event: Event
    package let status: Status
    /// Those that it is in.
    package let conflicts: [EventID]

    package init(id: EventID, event: Event, status: Status, conflicts: [EventID] = []) {
        self.id = id
        self.event = event
        self.status = status
        self.conflicts = conflicts
    }
}

/// How a transaction got from here to the aggregator: the stages with their times.
package struct Journey: Sendable {
    package let transaction: RecordedTransaction
    package let segmentFirst: UInt64
    package let segmentCount: UInt32
    package let segmentHash: Hash256
    package let durableAt: Timestamp
    /// Nil until an acknowledgement covers it.
    package let receipt: Receipt?

    package init(
        transaction: RecordedTransaction, segmentFirst: UInt64, segmentCount: UInt32,
        segmentHash: Hash256, durableAt: Timestamp,
        receipt: Receipt?
    ) {
        self.transaction = transaction
        self.segmentFirst = segmentFirst
        self.segmentCount = segmentCount
        self.segmentHash = segmentHash
        self.durableAt = durableAt
        self.receipt = receipt
    }
}

/// One acknowledgement as the agent keeps it: which events it covered, and what the way there took.
package struct Receipt: Hashable, Sendable {
    package var stream: StreamTag
    package var first: UInt64
    package var through: ChainPoint
    /// The hub that acknowledged, and the position in its log of the segment that `first` is in;
    /// nil where the acknowledgement repeated what an earlier, lost one had said.
    package var hub: StreamTag
    package var position: UInt64?
    /// By this agent's clock: when the message that carried the events was last handed to the
    /// broker (nil where the agent was started anew meanwhile), and when the answer came.
    package var publishedAt: Timestamp?
    package var attempt: UInt32
    package var acknowledgedAt: Timestamp
    /// By the aggregator's clock.
    package var receivedAt: Timestamp
    package var committedAt: Timestamp
    /// What the events had waited for before, for people; empty where they had not.
    package var waitedFor: String

    package init(
        stream: StreamTag, first: UInt64, through: ChainPoint, hub: StreamTag, position: UInt64?,
        publishedAt: Timestamp?, attempt: UInt32,
        acknowledgedAt: Timestamp, receivedAt: Timestamp, committedAt: Timestamp, waitedFor: String
    ) {
        self.stream = stream
        self.first = first
        self.through = through
        self.hub = hub
        self.position = position
        self.publishedAt = publishedAt
        self.attempt = attempt
        self.acknowledgedAt = acknowledgedAt
        self.receivedAt = receivedAt
        self.committedAt = committedAt
        self.waitedFor = waitedFor
    }
}

extension Receipt {
    /// One receipt a run of positions, because each has its own place in the hub's log, and one
    /// without a position for what comes before the first run. The parts end where the next begins;
    /// the hash is that of the last one's end.
    package func split(by runs: [Ack.Run]) -> [Receipt] {
        var starts = runs.filter { (first...through.sequence).contains($0.firstSequence) }
            .map { (first: $0.firstSequence, position: UInt64?.some($0.position)) }
        if starts.first?.first != first { starts.insert((first, nil), at: 0) }
        return starts.indices.map { index in
            var part = self
            (part.first, part.position) = starts[index]
            if index + 1 < starts.count {
                part.through = ChainPoint(sequence: starts[index + 1].first - 1, hash: .zero)
            }
            return part
        }
    }
}

/// An account as this agent sees it, one entry an asset.
package struct AccountView: Sendable {
    package struct Balance: Sendable {
        package let asset: Asset
        /// What everybody brought it, as far as this agent knows, and what it took away.
        package let input: Int128
        package let output: Int128
        /// The share of this agent's own events in the balance.
        package let local: Int128
        /// How far others are counted in; nil where only this agent's own events are.
        package let asOf: MergedBalances.AsOf?

        package init(
            asset: Asset, input: Int128, output: Int128, local: Int128,
            asOf: MergedBalances.AsOf?
        ) {
            self.asset = asset
            self.input = input
            self.output = output
            self.local = local
            self.asOf = asOf
        }
    }

    package let address: AccountAddress
    package let balances: [Balance]

    package init(address: AccountAddress, balances: [Balance]) {
        self.address = address
        self.balances = balances
    }

    /// Whether all of it is that hub's word.
    package func isTold(by hub: StreamTag?) -> Bool {
        balances.allSatisfy { $0.asOf != nil && $0.asOf?.hub == hub }
    }
}

/// A part of a listing, and where the next one begins; nil at the end.
package struct Page<Item: Sendable>: Sendable {
    package let items: [Item]
    package let next: String?

    package init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}

/// Which transactions to list.
package struct TransactionFilter: Sendable {
    package var account: AccountAddress?
    package var reference: String?

    package init(account: AccountAddress? = nil, reference: String? = nil) {
        self.account = account
        self.reference = reference
    }
}

/// What the agent's HTTP API needs of the agent. The API and the store meet here and nowhere else.
package protocol AgentService: Sendable {
    var agent: AgentID { get }
    /// Records requests in their order and answers when all are durable.
    func record(_ requests: [ClientRequest]) async throws(ServiceFailure) -> [Answer]
    /// Records a group, all or none, and answers when it is durable.
    func record(_ group: ClientGroup) async throws(ServiceFailure) -> GroupAnswer
    func transaction(_ id: EventID) async throws(ServiceFailure) -> RecordedTransaction?
    /// Whether it is one of ours that was merged and is no longer kept here.
    func wasPruned(_ id: EventID) -> Bool
    func journey(_ id: EventID) async throws(ServiceFailure) -> Journey?
    /// Newest first.
    ///
    /// - Throws: `unavailable`; a cursor that is none of ours is nil.
    func transactions(
        _ filter: TransactionFilter, cursor: String?, limit: Int
    ) async throws(ServiceFailure) -> Page<RecordedTransaction>?
    /// Nil where nothing is known of it; then the aggregator is asked, and a later call may know.
    func account(_ address: AccountAddress) async throws(ServiceFailure) -> AccountView?
    /// Those that this agent has used, in the order of their first use.
    func accounts(cursor: String?, limit: Int) async throws(ServiceFailure) -> Page<AccountView>?
    func syncStatus() async throws(ServiceFailure) -> SyncStatus
    /// Of this agent's streams, as the aggregator has told it.
    func conflicts() async throws(ServiceFailure) -> OwnConflicts
    /// Nil where transactions can be taken durably now, else why not.
    func unreadiness() -> String?
}
