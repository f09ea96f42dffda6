import AgentCore
import HTTPSupport
import LedgerCore

/// What each route of the agent does, takes and answers.
enum AgentOperations {
    static let id = APIParameter.path("id", .transactionID, "The transaction's id.")
    /// W3C Trace Context.
    private static let trace: [APIParameter] = [
        .header(
            "traceparent", .string(),
            "The trace that the request belongs to; one that breaks a rule counts as none."),
        .header("tracestate", .string(), "Passed on as it is."),
    ]

    // MARK: Recording

    static let record = APIOperation(
        "recordTransaction", "Records one transaction; 201 comes only when it is durable.",
        parameters: [
            .header(
                "Idempotency-Key", .string(),
                "A quoted string (RFC 8941; bare is accepted) of 1 to \(IdempotencyKey.lengthMax) bytes. The same request under the same key answers the first result again."
            )
        ] + trace,
        request: [.json(.newTransaction)],
        answers: [
            APIAnswer(201, "Recorded.", .json(.recordedTransaction)),
            APIAnswer(
                200, "The same request came before under its key; this is what it became.",
                headers: [APIAnswer.Header("Idempotency-Replayed", "true")],
                .json(.recordedTransaction)),
        ],
        problems: [
            .malformedJSON, .invalidField, .tooLarge, .unsupportedMediaType, .idempotencyMismatch,
            .overloaded, .unavailable, .storageFull,
        ])

    static let recordBatch = APIOperation(
        "recordBatch",
        "Records many transactions in order: each for itself, or with atomic all or none; or a stream of lines, each answered by a line.",
        parameters: [
            .header(
                "Idempotency-Key", .string(),
                "Of an atomic batch, and the same as its idempotency_key; other items have their own."
            )
        ] + trace,
        request: [.json(.newBatch), .lines(of: .newTransaction)],
        answers: [
            APIAnswer(
                200,
                "A result for each transaction, in order. Those of a batch that is not atomic, and of lines, may be refused.",
                headers: [
                    APIAnswer.Header(
                        "Idempotency-Replayed",
                        "true: the same atomic batch came before under its key; these are its results."
                    )
                ],
                .json(.object(["results": .array(of: .batchResult)])), .lines(of: .lineResult))
        ],
        problems: [
            .malformedJSON, .invalidField, .tooLarge, .unsupportedMediaType, .idempotencyMismatch,
            .overloaded, .unavailable, .storageFull,
        ])

    // MARK: Reading

    static let list = APIOperation(
        "listTransactions", "This device's transactions, the newest first.",
        parameters: [
            .query("account", .account, "Only those with a posting from or to this account."),
            .query("reference", .string(), "Only those with this reference."),
        ] + APIParameter.paging,
        answers: [
            .page(
                "A page. It may hold fewer than asked for, even none, and still have a next one.",
                of: .recordedTransaction)
        ],
        problems: [.invalidField, .overloaded, .unavailable])

    static let transaction = APIOperation(
        "getTransaction", "One transaction of this device.", parameters: [id],
        answers: [.ok("The transaction.", .recordedTransaction)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])

    static let journey = APIOperation(
        "getJourney", "The stages that a transaction has come through.", parameters: [id],
        answers: [.ok("The stages with their times.", .agentJourney)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])

    static let accounts = APIOperation(
        "listAccounts", "The accounts that this device has used, in the order of their first use.",
        parameters: APIParameter.paging,
        answers: [.page("A page of accounts.", of: .agentAccount)],
        problems: [.invalidField, .unavailable])

    static let account = APIOperation(
        "getAccount",
        "One account as this device sees it: what the aggregator last said, and its own on top.",
        parameters: [.path("address", .account, "The account's address.")],
        answers: [.ok("The account.", .agentAccount)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])

    // MARK: State

    static let sync = APIOperation(
        "getSync", "How this device stands with its aggregator.",
        answers: [.ok("The state of sync.", .syncStatus)], problems: [.overloaded, .unavailable])

    static let health = APIOperation(
        "getHealth", "Whether the daemon runs.",
        answers: [.ok("It does.", .object(["status": .words(["ok"])]))])

    static let readiness = APIOperation(
        "getReadiness",
        "Whether transactions can be made durable now. Being offline does not change it.",
        answers: [
            .ok(
                "They can.",
                .object(
                    ["status": .words(["ready"]), "connected": .boolean],
                    optional: ["reason": .string()]))
        ],
        problems: [.unavailable, .overloaded])
}
