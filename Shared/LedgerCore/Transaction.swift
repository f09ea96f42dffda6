/// One movement of an asset from an account to another.
package struct Posting: Hashable, Sendable {
    package let source: AccountAddress
    package let destination: AccountAddress
    package let asset: Asset
    package let amount: Amount

    package init(source: AccountAddress, destination: AccountAddress, asset: Asset, amount: Amount)
    {
        self.source = source
        self.destination = destination
        self.asset = asset
        self.amount = amount
    }
}

/// What a transaction is. The numbers stand in the log and never change; those not listed are
/// reserved for the kinds still to come, among them `hold` (2), `capture` (3), `void` (4), `expire`
/// (5) and `reversal` (6).
package enum TransactionKind: UInt8, Hashable, Sendable {
    case transfer = 1

    package var name: String { "transfer" }
}

/// A name and a value that the client attached.
package struct MetadataPair: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// What a client asks to be recorded: postings that apply all or none, and what the client wants to
/// remember with them.
package struct Transaction: Hashable, Sendable {
    /// The limits of one transaction (ledger rules; each is named in the refusal).
    package enum Limits {
        package static let postingsMax = 64
        package static let referenceBytesMax = 255
        package static let metadataPairsMax = 16
        /// Names and values together.
        package static let metadataBytesMax = 4096
    }

    package private(set) var kind: TransactionKind
    /// At least one.
    package private(set) var postings: [Posting]
    package private(set) var reference: String?
    /// In the order of the names' bytes, no name twice.
    package private(set) var metadata: [MetadataPair]
    /// The client's own time for it, where it gave one.
    package private(set) var occurredAt: Timestamp?
    /// Another transaction that this one is about, such as the sale of a refund.
    package private(set) var related: EventID?

    /// - Throws: `InvalidField` naming the first part that breaks a limit.
    package init(
        kind: TransactionKind = .transfer, postings: [Posting], reference: String? = nil,
        metadata: [MetadataPair] = [], occurredAt: Timestamp? = nil, related: EventID? = nil
    ) throws(InvalidField) {
        try Transaction.check(postings: postings.count)
        if let reference { try Transaction.check(reference: reference) }
        self.kind = kind
        self.postings = postings
        self.reference = reference
        self.metadata = metadata.isEmpty ? [] : try Transaction.sorted(metadata)
        self.occurredAt = occurredAt
        self.related = related
    }

    private static func check(postings count: Int) throws(InvalidField) {
        guard (1...Limits.postingsMax).contains(count) else {
            throw InvalidField(
                path: "postings",
                message: "a transaction has 1 to \(Limits.postingsMax) postings, not \(count)")
        }
    }

    private static func check(reference: String) throws(InvalidField) {
        guard reference.utf8.count <= Limits.referenceBytesMax else {
            throw InvalidField(
                path: "reference",
                message:
                    "a reference has at most \(Limits.referenceBytesMax) bytes, not \(reference.utf8.count)"
            )
        }
    }

    /// The pairs in the order of their names' bytes, each name once, within the limits.
    package static func sorted(_ metadata: [MetadataPair]) throws(InvalidField) -> [MetadataPair] {
        guard metadata.count <= Limits.metadataPairsMax else {
            throw InvalidField(
                path: "metadata",
                message:
                    "metadata has at most \(Limits.metadataPairsMax) pairs, not \(metadata.count)")
        }
        let bytes = metadata.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard bytes <= Limits.metadataBytesMax else {
            throw InvalidField(
                path: "metadata",
                message:
                    "metadata has at most \(Limits.metadataBytesMax) bytes, names and values, not \(bytes)"
            )
        }
        let sorted = metadata.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (pair, next) in zip(sorted, sorted.dropFirst())
        where pair.name.utf8.elementsEqual(next.name.utf8) {
            throw InvalidField(
                path: "metadata", message: "the name \(pair.name.quotedForMessage) stands twice")
        }
        return sorted
    }
}

/// A part of a transaction that breaks a rule, with its place as a JSON path.
package struct InvalidField: Error, Hashable, Sendable, CustomStringConvertible {
    /// As in `postings[0].amount`.
    package let path: String
    package let message: String

    package init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    package var description: String { "\(path): \(message)" }
}
