import LedgerCore

/// What became of an event in the merge.
package enum MergedStatus: String, CaseIterable, Sendable {
    case merged
    /// Without effect: it, or its group, makes no sense.
    case setAside = "set_aside"
}

/// Which transactions are searched for: all that is given must hold.
package struct TransactionFilter: Sendable, Hashable {
    package var account: AccountAddress?
    package var agent: AgentID?
    package var reference: String?
    package var kind: TransactionKind?
    package var status: MergedStatus?
    /// Accepted at this time or later, by the agent's hybrid clock.
    package var from: Timestamp?
    /// Accepted before this time.
    package var to: Timestamp?

    package init() {}

    package func admits(_ time: Timestamp) -> Bool {
        if let from, time < from { return false }
        if let to, time >= to { return false }
        return true
    }
}

/// A place between two rows, as the cursor of a page names it. It follows from the log alone, so it
/// stays right while data arrives and when the rows are rebuilt.
package struct SearchPlace: Sendable, Hashable {
    /// What is before it comes on the next page.
    package let number: Int64

    /// - Precondition: a positive number.
    package init(before number: Int64) {
        precondition(number > 0, "nothing is before \(number)")
        self.number = number
    }

    /// - Returns: nil for what is no cursor.
    package init?(cursor: String) {
        guard let number = Int64(cursor), number > 0, String(number) == cursor else { return nil }
        self.number = number
    }

    package var cursor: String { String(number) }
}

/// A page of rows, the latest in the log first.
package struct SearchPage<Item: Sendable>: Sendable {
    package let items: [Item]
    /// Where the next page begins; nil on the last one. A page may be short, or empty, and not be the
    /// last: then it was enough to look through for one answer.
    package let next: SearchPlace?
    /// The position of the last segment of the log whose rows could be found.
    package let indexedThrough: Int64

    package init(items: [Item], next: SearchPlace?, indexedThrough: Int64) {
        self.items = items
        self.next = next
        self.indexedThrough = indexedThrough
    }
}

/// One line of an account's statement: what one posting put in or took out.
package struct StatementEntry: Sendable {
    package let id: EventID
    /// Of the posting in its transaction, from 0 on.
    package let posting: Int
    package let acceptedAt: Timestamp
    package let mergedAt: Timestamp
    package let asset: Asset
    /// In the asset's smallest unit; negative for what went out.
    package let change: Int64
    /// Of the account in this asset behind this entry, in the order of the log.
    package let balance: Int128
    package let counterparty: AccountAddress
    package let reference: String?

    package init(
        id: EventID, posting: Int, acceptedAt: Timestamp, mergedAt: Timestamp, asset: Asset,
        change: Int64, balance: Int128, counterparty: AccountAddress, reference: String?
    ) {
        self.id = id
        self.posting = posting
        self.acceptedAt = acceptedAt
        self.mergedAt = mergedAt
        self.asset = asset
        self.change = change
        self.balance = balance
        self.counterparty = counterparty
        self.reference = reference
    }
}

/// What is read from the rows behind the log. They follow it: what was merged a moment ago may not be
/// there yet, and each answer says how far they are.
package protocol SearchService: Sendable {
    /// - Parameter place: where the page before ended; nil for the latest.
    func transactions(
        _ filter: TransactionFilter, before place: SearchPlace?, limit: Int
    ) async throws(AggregatorFailure) -> SearchPage<MergedTransaction>

    /// An account's statement: its entries in the reverse order of the log, in which their balances
    /// run.
    func entries(
        of account: AccountAddress, _ filter: TransactionFilter, before place: SearchPlace?,
        limit: Int
    ) async throws(AggregatorFailure) -> SearchPage<StatementEntry>

    /// The position of the last segment of the log that has its rows.
    var indexedThrough: Int64 { get }
}
