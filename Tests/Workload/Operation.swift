/// One movement of an amount of one asset from an account to another.
package struct Posting: Hashable, Sendable {
    package var source: String
    package var destination: String
    package var asset: String
    /// In the asset's smallest unit, and positive.
    package var amount: Int64

    package init(source: String, destination: String, asset: String, amount: Int64) {
        self.source = source
        self.destination = destination
        self.asset = asset
        self.amount = amount
    }
}

/// One transaction as a client would send it, with the node that it is sent to.
package struct Operation: Hashable, Sendable {
    /// Its place in the stream, from 1, without gaps.
    package var n: Int
    /// Who records it: the name of a till, not yet that of an agent.
    package var node: String
    /// The time of day, counted from midnight; nil where the source knows no times.
    package var at: Duration?
    package var postings: [Posting]
    package var reference: String
    package var metadata: [String: String]
    /// Unique in the stream, and the same in every run with the same seed.
    package var idempotencyKey: String

    package init(
        n: Int, node: String, at: Duration?, postings: [Posting], reference: String,
        metadata: [String: String], idempotencyKey: String
    ) {
        self.n = n
        self.node = node
        self.at = at
        self.postings = postings
        self.reference = reference
        self.metadata = metadata
        self.idempotencyKey = idempotencyKey
    }
}
