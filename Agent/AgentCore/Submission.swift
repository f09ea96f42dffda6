import LedgerCore
import SyncProtocol

/// What a client asks the agent to record.
package struct Submission: Hashable, Sendable {
    package var transaction: Transaction
    package var keyed: KeyedRequest?
    package var trace: TraceContext?

    package init(_ transaction: Transaction, keyed: KeyedRequest? = nil, trace: TraceContext? = nil)
    {
        self.transaction = transaction
        self.keyed = keyed
        self.trace = trace
    }
}

/// Where the event of an idempotency key stands, and the digest of the request that made it.
package struct KeyRecord: Hashable, Sendable {
    package let place: EventPlace
    package let digest: RequestDigest
    /// Of the event. The store keeps it beside the key, for when the event is pruned; what it reads
    /// back for a look-up has none.
    package let time: HybridTimestamp?

    package init(place: EventPlace, digest: RequestDigest, time: HybridTimestamp? = nil) {
        self.place = place
        self.digest = digest
        self.time = time
    }
}

/// What a start takes from the store.
package struct AdmissionOrigin: Sendable {
    package var place: SegmentBuilder.Place
    package var dictionary: StreamDictionary
    package var balances: Balances
    package var latest: HybridTimestamp
    /// Keys of events behind the last checkpoint.
    package var keys: [IdempotencyKey: KeyRecord]
    package var transactions: Int64

    package init(
        place: SegmentBuilder.Place, dictionary: StreamDictionary, balances: Balances,
        latest: HybridTimestamp,
        keys: [IdempotencyKey: KeyRecord], transactions: Int64
    ) {
        self.place = place
        self.dictionary = dictionary
        self.balances = balances
        self.latest = latest
        self.keys = keys
        self.transactions = transactions
    }
}

/// What became of a submission.
package enum Outcome: Hashable, Sendable {
    /// It is this event.
    case accepted(EventPlace, time: HybridTimestamp)
    /// The same request came before, under the same key, and made this event.
    case replayed(EventPlace)
    /// Another request came before under the same key, and made this event.
    case mismatched(EventPlace)
    /// A group of more bytes than one may have: none of it was recorded.
    case groupTooLarge
}
