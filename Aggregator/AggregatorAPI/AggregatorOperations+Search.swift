import AggregatorCore
import HTTPSupport
import LedgerCore

/// What the searches do, take and answer.
extension AggregatorOperations {
    private static let times = [
        APIParameter.query("from", .time, "Only what was accepted at this time or later."),
        APIParameter.query("to", .time, "Only what was accepted before this time."),
    ]

    private static let link = APIAnswer.Header(
        "Link", "The next page's address (RFC 8288), where there is one.")

    static let search = APIOperation(
        "searchTransactions", "The transactions of all agents, the last merged first.",
        parameters: [
            .query("account", .account, "Only those that moved this account."),
            .query("agent", .agentID, "Only those of this agent."),
            .query("reference", .string(), "Only those with this reference."),
            .query("kind", .words([TransactionKind.transfer.name]), "Only those of this kind."),
            .query(
                "status", .words(MergedStatus.allCases.map(\.rawValue)),
                "Only those of which this became."),
        ] + times + APIParameter.paging,
        answers: [
            APIAnswer(
                200,
                "A page, which may hold fewer than asked for, even none, and still have a next one; or all, a line each.",
                headers: [
                    link,
                    APIAnswer.Header(
                        "Indexed-Through",
                        "Of lines: the position of the last segment of the log that was searched."),
                ], .json(.searchPage(of: .mergedTransaction)), .lines(of: .mergedTransaction))
        ],
        problems: [.invalidField, .overloaded, .unavailable])

    static let entries = APIOperation(
        "getStatement",
        "An account's statement: what each posting put in or took out, the last merged first.",
        parameters: [address] + times + APIParameter.paging,
        answers: [
            APIAnswer(
                200, "A page of entries.", headers: [link],
                .json(.searchPage(of: .statementEntry)))
        ],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])
}

extension Schema {
    fileprivate static func searchPage(of item: Schema) -> Schema {
        page(of: item).adding([
            "indexed_through": .explained(
                count, "The position of the last segment of the log that could be found.")
        ])
    }

    fileprivate static let statementEntry = Schema.named(
        "StatementEntry",
        .object(
            [
                "transaction": transactionID,
                "posting": .explained(count, "Its place in the transaction, from 0 on."),
                "accepted_at": .explained(.time, "By the agent's clock."), "merged_at": .time,
                "asset": asset,
                "change": .explained(quantity, "Negative for what went out."),
                "balance": .explained(
                    quantity, "Of the account in this asset behind this entry, in the log's order."),
                "counterparty": account,
            ],
            optional: ["reference": .string(lengthMax: Transaction.Limits.referenceBytesMax)]))
}
