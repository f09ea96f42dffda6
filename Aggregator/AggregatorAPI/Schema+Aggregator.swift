import AggregatorCore
import HTTPSupport
import SyncProtocol

/// What the aggregator's answers are made of.
extension Schema {
    static let segment = Schema.object(["first": count, "count": count])

    static let mergedTransaction = Schema.named(
        "MergedTransaction",
        transaction.adding(
            [
                "id": transactionID, "status": .words(MergedStatus.allCases.map(\.rawValue)),
                "agent": agentID,
                "accepted_at": .explained(.time, "By the agent's clock."),
                "hlc": .explained(quantity, "The hybrid logical clock at which it was accepted."),
                "position": .explained(count, "Of its segment, in the aggregator's log."),
                "segment": segment,
                "published_at": .explained(.orNull(.time), "By the agent's clock."),
                "attempt": count, "received_at": .orNull(.time), "merged_at": .time,
            ], optional: ["trace_id": .explained(traceID, "Left out where nobody traces it.")]))

    static let mergedJourney = Schema.named(
        "Journey",
        .object([
            "id": transactionID, "agent": agentID,
            "status": .explained(
                .words(["merged", "announced"]),
                "announced: its agent has told of it, and its segment has not arrived."),
            "stages": .array(
                of: .object(
                    [
                        "name": .words(MergedJourney.Stage.allCases.map(\.rawValue)),
                        "place": .explained(.string(), "Whose clock the time is of."),
                        "at": .orNull(.time),
                    ],
                    optional: [
                        "reason": .explained(.string(), "Why there is no time; else left out.")
                    ])),
            "attempt": .explained(.orNull(count), "How often its segment had to be sent."),
            "position": .orNull(count), "segment": .orNull(segment),
        ]))

    static let mergedAccount = Schema.named(
        "AccountBalances",
        .object([
            "address": account,
            "balances": .array(
                of: .object([
                    "asset": asset, "balance": quantity, "input": quantity, "output": quantity,
                ])),
        ]))

    static let ledger = Schema.named(
        "Ledger",
        .object([
            "transactions": count, "events": count,
            "set_aside": .explained(count, "Events that could not be read, and are in no balance."),
            "conserved": .explained(
                .orNull(.boolean),
                "Whether the balances are those that the log adds up to; null while it is not known."
            ),
            "violations": .array(
                of: .object([
                    "account": account, "asset": asset, "stored_input": quantity,
                    "stored_output": quantity, "log_input": quantity, "log_output": quantity,
                ])),
            "unbalanced_assets": .array(of: asset), "audited_through": count, "position": count,
            "indexed_through": .explained(
                count, "How far the rows that searches read have come: a position, too."),
            "digest": hash, "facts_digest": hash,
            "assets": .array(
                of: .object(["asset": asset, "input": quantity, "output": quantity])),
        ]).adding(completenessMembers))

    static let agent = Schema.named(
        "Agent",
        .object([
            "id": agentID,
            "state": .explained(.string(), "In a word, the worst of its streams first."),
            "online": .boolean,
            "backlog": .explained(count, "Announced and not yet merged."),
            "streams": .array(
                of: .object(
                    [
                        "stream": streamTag, "standing": .words(Standing.allCases.map(\.name)),
                        "announced": count,
                        "merged": count, "session": count, "complete_through": .orNull(.time),
                        "current": .explained(
                            .boolean, "The agent's last greeting since the start named it."),
                        "open_conflicts": .explained(
                            count, "Conflicts of this stream that nobody has settled."),
                        "branches": .explained(
                            .array(of: branchEnd),
                            "Where its chains end in this ledger: several where it forked."),
                        "gaps": .explained(
                            .array(
                                of: .object([
                                    "first": count, "last": count,
                                    "status": .words(["open", "resolved"]),
                                ])),
                            "Events that nobody has any more: conflicts of kind gap_lost."),
                    ],
                    optional: [
                        "lacking": .explained(
                            .object([
                                "first": count, "through": count,
                                "cause": .words(HubFact.LostGap.Cause.allCases.map(\.name)),
                            ]),
                            "Events that neither this ledger nor the agent has any more.")
                    ])),
            "complete_through": .explained(
                .orNull(.time), "All that it accepted up to then is merged."),
            "version": .string(), "last_seen_at": .orNull(.time),
            "offline_since": .orNull(.time), "last_ack_at": .orNull(.time),
            "clock_offset_seconds": .explained(
                .orNull(.number()), "The agent's clock less ours, by its last message."),
            "set_aside": count,
        ]))
}
