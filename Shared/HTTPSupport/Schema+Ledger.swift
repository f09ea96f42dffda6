import LedgerCore

/// What the answers of both daemons are made of.
extension Schema {
    package static let count = Schema.integer(minimum: 0)

    package static let account = Schema.named(
        "Account",
        .string(
            pattern: "^[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)*$", lengthMax: AccountAddress.lengthMax))
    package static let asset = Schema.named(
        "Asset", .string(pattern: "^[A-Z][A-Z0-9_-]{0,31}(/[0-9]{1,2})?$"))
    package static let agentID = Schema.named(
        "AgentID", .string(pattern: "^[a-z0-9][a-z0-9-]{0,62}$"))
    package static let streamTag = Schema.named(
        "StreamTag", .string(pattern: "^[0-9a-hjkmnp-tv-z]{8}$"))
    package static let transactionID = Schema.named(
        "TransactionID",
        .explained(
            .string(
                pattern:
                    "^[a-z0-9][a-z0-9-]{0,62}\\.[0-9a-hjkmnp-tv-z]{8}\\.[1-9][0-9]*(~[0-9a-f]{8})?$"
            ),
            "AGENT.STREAM.NUMBER, such as till-042.k3f9qa2m.1051."))
    package static let traceID = Schema.named("TraceID", .string(pattern: "^[0-9a-f]{32}$"))
    package static let hash = Schema.named("Hash", .string(pattern: "^[0-9a-f]{64}$"))

    /// A sum or a number that may be larger than what most readers of JSON keep exactly.
    package static let quantity = Schema.named(
        "Quantity",
        .explained(
            .either([.integer(), .string(pattern: "^-?[0-9]+$")]),
            "A whole number; a string of digits beyond 2^53, because most readers of JSON would round it."
        ))
    package static let amount = Schema.named(
        "Amount",
        .explained(
            .either([.integer(minimum: 1), .string(pattern: "^[1-9][0-9]*$")]),
            "In the asset's smallest unit, from 1 to \(Int64.max); a string of digits beyond 2^53.")
    )

    package static let posting = Schema.named(
        "Posting",
        .object(
            ["source": account, "destination": account, "asset": asset, "amount": amount],
            others: .refused))

    package static let metadata = Schema.explained(
        .members([], others: .of(.string())),
        "At most \(Transaction.Limits.metadataPairsMax) pairs, \(Transaction.Limits.metadataBytesMax) bytes with their names."
    )

    /// What a transaction says of itself, in answers of both daemons.
    package static let transaction = Schema.object(
        [
            "kind": .words([TransactionKind.transfer.name]),
            "postings": .array(of: posting, countMax: Transaction.Limits.postingsMax),
        ],
        optional: [
            "reference": .string(lengthMax: Transaction.Limits.referenceBytesMax),
            "metadata": metadata, "occurred_at": .time, "related": transactionID,
        ])

    /// A page of a list.
    package static func page(of item: Schema) -> Schema {
        .object([
            "items": .array(of: item, countMax: QueryParameters.limitMax),
            "next": .orNull(.explained(.string(), "The cursor of the next page; null at the end.")),
        ])
    }

    /// RFC 9457. A kind of problem may have members of its own.
    package static let problem = Schema.named("Problem", problem(of: ProblemCode.allCases))

    package static func problem(of codes: [ProblemCode]) -> Schema {
        .object(
            [
                "type": .string(pattern: "^/problems/[a-z-]+$"), "title": .string(),
                "status": .integer(minimum: 400, maximum: 599),
                "code": .words(codes.map(\.rawValue)), "detail": .string(),
                "retryable": .explained(
                    .boolean, "Whether the same request may succeed later, unchanged."),
            ],
            optional: [
                "instance": .string(),
                "errors": .array(of: .object(["path": .string(), "message": .string()])),
            ], others: .any)
    }
}
