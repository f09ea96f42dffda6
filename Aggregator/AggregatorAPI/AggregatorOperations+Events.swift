import HTTPSupport
import LedgerCore
import SyncProtocol

extension AggregatorOperations {
    static let events = APIOperation(
        "followEvents",
        "Server-sent events: merges, conflicts, what operators decide, and changes of the fleet.",
        parameters: [
            .query("agent", .agentID, "Only of this agent."),
            .query("account", .account, "Only merges with a posting from or to this account."),
        ] + APIParameter.eventPlace,
        answers: [
            APIAnswer(200, "A stream that goes on until its reader leaves.", .events(of: event))
        ],
        problems: [.invalidField, .overloaded, .unavailable])

    /// The data of one of the events `merged`, `set_aside`, `conflict`, `decision`, `fleet` and `reset`.
    private static let event = Schema.named(
        "LedgerEvent",
        .either([
            Schema.transaction.adding([
                "id": .transactionID, "agent": .agentID, "position": .count, "merged_at": .time,
                "accepted_at": .explained(.time, "By the agent's clock."),
            ]),
            .object([
                "id": .transactionID, "agent": .agentID, "position": .count, "merged_at": .time,
                "reason": .string(),
            ]),
            .object(
                [
                    "event": .conflictID, "what": .string(), "position": .count, "at": .time,
                ],
                optional: [
                    "agent": .agentID, "stream": .streamTag, "operator": .string(),
                    "reason": .string(), "conflict": .conflict,
                ]),
            .object(
                ["change": .words(["online", "offline"] + Standing.allCases.map(\.name))],
                optional: ["agent": .agentID, "at": .time, "stream": .streamTag]),
            .object(["change": .words(["missed"]), "detail": .string()]),
            .object(["reason": .words(["ahead"]), "position": .count, "detail": .string()]),
        ]))

    static let completeness = APIOperation(
        "getCompleteness", "Up to when the ledger has everything, and who holds that back.",
        answers: [.ok("How far it is complete.", .completeness)],
        problems: [.overloaded, .unavailable])

    static let gaps = APIOperation(
        "listGaps", "What streams have and the ledger has not, for some seconds at least.",
        parameters: [.query("agent", .agentID, "Only of this agent.")] + APIParameter.paging,
        answers: [.page("A page, in the order of agents, streams and numbers.", of: .gap)],
        problems: [.invalidField, .overloaded, .unavailable])
}

extension Schema {
    static let completeness = Schema.named("Completeness", .object(completenessMembers))

    /// Of the ledger's object, too.
    static let completenessMembers: KeyValuePairs<String, Schema> = [
        "live_agents": .explained(
            .count,
            "Those that have proved a session, offline or not, but for those whose streams are refused or declared lost."
        ),
        "complete_through": .explained(
            .orNull(.time), "The least watermark of all live agents: all up to then is merged."),
        "complete_through_without_them": .explained(
            .orNull(.time), "The least of those that hold nothing back."),
        "held_back_by_count": .count,
        "held_back_by": .explained(
            .array(of: laggard),
            "The furthest behind first; the first of them, where they are many."),
    ]

    private static let laggard = Schema.object(
        [
            "agent": agentID, "complete_through": .orNull(.time), "backlog": count,
            "cause": .words(
                ["offline", "replaced", "backlog", "clock_behind", "silent"]
                    + Standing.allCases.filter { $0 != .open }.map(\.name)),
        ],
        optional: [
            "since": .orNull(.time), "clock_offset_seconds": .number(),
            "stream": .explained(
                streamTag,
                "Of one that is replaced: its former stream, which holds the ledger back."),
        ])

    static let gap = Schema.named(
        "Gap",
        .object(
            [
                "agent": agentID, "stream": streamTag, "first": count, "last": count,
                "count": count, "since": .time, "online": .boolean, "standing": .string(),
                "merged": count,
                "evidence": .explained(
                    .words(["successor", "announced", "pruned", "unreadable"]),
                    "A later segment is here; or the device has said how far it is; or it has pruned them, or cannot read them from its disk, and nobody has them any more."
                ),
            ],
            optional: [
                "successor_first": count, "successor_names": hash, "announced": count,
                "oldest_retained": count,
            ]))
}
