import HTTPSupport
import LedgerCore

/// What each route of the aggregator does, takes and answers.
enum AggregatorOperations {
    static let id = APIParameter.path("id", .transactionID, "The transaction's id.")
    static let agentID = APIParameter.path("id", .agentID, "The agent's id.")
    static let address = APIParameter.path("address", .account, "The account's address.")

    // MARK: Transactions and accounts

    static let transaction = APIOperation(
        "getTransaction", "One transaction of the global ledger.", parameters: [id],
        answers: [.ok("The transaction.", .mergedTransaction)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])

    static let journey = APIOperation(
        "getJourney", "The stages that a transaction has come through, and why some have no time.",
        parameters: [id], answers: [.ok("The stages, in their order.", .mergedJourney)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])

    static let accounts = APIOperation(
        "listAccounts", "The accounts of the global ledger, in the order of their first use.",
        parameters: [
            .query("prefix", .string(), "Only those whose address begins with this.")
        ] + APIParameter.paging,
        answers: [.page("A page of accounts.", of: .mergedAccount)],
        problems: [.invalidField, .unavailable])

    static let account = APIOperation(
        "getAccount", "One account of the global ledger.", parameters: [address],
        answers: [.ok("The account.", .mergedAccount)],
        problems: [.invalidField, .notFound, .unavailable])

    // MARK: The whole

    static let ledger = APIOperation(
        "getLedger", "The whole ledger: its counts, sums, digests, and what the audit found.",
        answers: [.ok("The ledger.", .ledger)], problems: [.overloaded, .unavailable])

    static let agents = APIOperation(
        "listAgents", "The agents that have ever greeted, in the order of their ids.",
        parameters: APIParameter.paging, answers: [.page("A page of agents.", of: .agent)],
        problems: [.invalidField, .unavailable])

    static let agent = APIOperation(
        "getAgent", "One agent as the aggregator sees it.", parameters: [agentID],
        answers: [.ok("The agent.", .agent)], problems: [.invalidField, .notFound, .unavailable])

    // MARK: State

    static let health = APIOperation(
        "getHealth", "Whether the daemon runs.",
        answers: [.ok("It does.", .object(["status": .words(["ok"])]))])

    static let readiness = APIOperation(
        "getReadiness",
        "Whether the aggregator can merge and answer now. Being without its broker does not change it.",
        answers: [
            .ok(
                "It can.",
                .object([
                    "status": .words(["ready"]), "connected": .boolean, "broker": .string(),
                ]))
        ],
        problems: [.unavailable])
}
