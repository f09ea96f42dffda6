import AgentCore
import HTTPSupport
import LedgerCore
import SyncProtocol

/// What the agent's requests and answers are made of.
extension Schema {
    /// As a client sends it.
    static let newTransaction = Schema.named(
        "NewTransaction",
        .object(
            ["postings": .array(of: newPosting, countMax: Transaction.Limits.postingsMax)],
            optional: [
                "kind": .orNull(.words([TransactionKind.transfer.name])),
                "reference": .orNull(.string(lengthMax: Transaction.Limits.referenceBytesMax)),
                "metadata": .orNull(metadata), "occurred_at": .orNull(.time),
                "related": .orNull(transactionID),
                "idempotency_key": .explained(
                    .string(lengthMax: IdempotencyKey.lengthMax),
                    "In a batch that is not atomic, and in a line; a single transaction has its key in the head."
                ),
            ], others: .refused))

    static let newBatch = Schema.named(
        "NewBatch",
        .object(
            ["transactions": .array(of: newTransaction)],
            optional: [
                "atomic": .explained(
                    .boolean,
                    "All or none, in one commit: at most \(SegmentHeader.groupEventsMax) transactions, which take at most \(SegmentHeader.groupBytesMax) bytes in the log."
                ),
                "idempotency_key": .explained(
                    .string(lengthMax: IdempotencyKey.lengthMax), "Of an atomic batch."),
            ], others: .refused))

    private static let newPosting = Schema.named(
        "NewPosting",
        .object(
            ["source": account, "destination": account, "asset": asset, "amount": amount],
            others: .refused))

    static let recordedTransaction = Schema.named(
        "RecordedTransaction",
        transaction.adding(
            [
                "id": transactionID,
                "status": .explained(
                    .words(["accepted", "merged", "conflict"]),
                    "accepted: durable here; merged: committed by the aggregator, too; conflict: likewise, and conflicts say what became of it there."
                ),
                "accepted_at": .time,
                "hlc": .explained(quantity, "The hybrid logical clock at which it was accepted."),
            ],
            optional: [
                "trace_id": .explained(traceID, "Left out where nobody traces it."),
                "conflicts": .explained(
                    .array(of: conflictID), "Those that it is in; left out where there is none."),
            ]))

    static let batchResult = Schema.named(
        "BatchResult",
        .either([
            .object([
                "status": .integer(minimum: 200, maximum: 201), "transaction": recordedTransaction,
            ]),
            .object(["status": .integer(minimum: 400, maximum: 599), "problem": problem]),
        ]))

    /// The answer to a line, which it names.
    static let lineResult = Schema.named(
        "LineResult",
        .either([
            .object([
                "line": count, "status": .integer(minimum: 200, maximum: 201),
                "transaction": recordedTransaction,
            ]),
            .object([
                "line": count, "status": .integer(minimum: 400, maximum: 599), "problem": problem,
            ]),
        ]))

    static let agentJourney = Schema.named(
        "Journey",
        .object([
            "transaction": recordedTransaction, "agent": agentID, "accepted_at": .time,
            "durable_at": .time,
            "segment": .object(["first": count, "count": count, "hash": hash]),
            "receipt": .explained(
                .orNull(receipt), "What the aggregator's acknowledgement said; null until it came."
            ),
        ]))

    private static let receipt = Schema.named(
        "Receipt",
        .object([
            "first": count, "through": count, "published_at": .orNull(.time), "attempt": count,
            "acknowledged_at": .time, "received_at": .time,
            "committed_at": .explained(.time, "When all that it covers was merged."),
            "hub": streamTag,
            "position": .explained(
                .orNull(count), "Of the first segment that it covers, in the aggregator's log."),
            "waited_for": .orNull(.string()),
        ]))

    static let agentAccount = Schema.named(
        "AccountBalances",
        .object([
            "address": account,
            "balances": .array(
                of: .object([
                    "asset": asset, "balance": quantity, "input": quantity, "output": quantity,
                    "local": .explained(quantity, "This device's own share of the balance."),
                    "as_of": .explained(
                        .orNull(.object(["time": .time, "hub": streamTag, "position": count])),
                        "How far others are counted in; null where only this device's own are."),
                ])),
        ]))

    private static let ownStream = Schema.named(
        "OwnStream",
        .object(
            [
                "stream": streamTag,
                "state": .explained(
                    .words(SyncStatus.Stream.State.allCases.map(\.rawValue)),
                    "writing: new transactions go there; draining: a former one, of which the "
                        + "aggregator may lack something; drained: a former one that it has."),
                "head": count,
                "hash": .explained(hash, "Of the segment that ends with the head."),
                "acked": count, "oldest_retained": count,
            ],
            optional: [
                "ended": .explained(
                    .object([
                        "cause": .words(StreamEnd.Cause.allCases.map(\.rawValue)),
                        "detail": .string(), "at": .time,
                    ]), "Why transactions go on in another stream.")
            ]))

    static let syncStatus = Schema.named(
        "SyncStatus",
        .object(
            [
                "agent": agentID, "connected": .boolean,
                "session": .words(["offline", "greeting", "streaming", "held", "ended"]),
                "broker": .string(), "since": .orNull(.time), "attempts": count,
                "next_attempt_at": .orNull(.time),
                "breaker": .words(["closed", "open", "halfOpen"]), "stream": streamTag,
                "head": count, "acked": count, "streams": .array(of: ownStream),
                "backlog": .object([
                    "count": count, "bytes": count, "oldest_at": .orNull(.time),
                    "oldest_age_seconds": .number(minimum: 0),
                ]),
                "last_ack_at": .orNull(.time),
                "storage": .object(
                    ["bytes": count, "free_bytes": count, "oldest_retained": count],
                    optional: ["quota_bytes": count]),
                "now": .time,
            ], optional: ["reason": .string(), "last_error": .string()]))
}
