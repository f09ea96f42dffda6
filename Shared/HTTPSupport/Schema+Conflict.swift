import LedgerCore
import SyncProtocol

/// What the answers of both daemons say of conflicts.
extension Schema {
    package static let conflictID = Schema.named(
        "ConflictID",
        .explained(
            .string(
                pattern: "^[a-z0-9][a-z0-9-]{0,62}\\.[0-9a-hjkmnp-tv-z]{8}\\.[1-9][0-9]*$"),
            "The event of the hub that recorded it: HUB.STREAM.NUMBER, such as hub.k3f9qa2m.17."))

    package static let conflictKind = Schema.words(Conflict.Kind.allCases.map(\.rawValue))

    package static let branchEnd = Schema.object(["head": count, "hash": hash])

    private static let range = Schema.object(
        ["first": count, "last": count, "count": count], optional: ["segment": hash])

    private static let evidence = Schema.explained(
        .object([
            "head": count, "hash": hash, "passes_announced": .boolean, "has_left": .boolean,
            "session": count, "challenge": .string(pattern: "^[0-9a-f]+$"), "greeting": hash,
            "signature": .string(pattern: "^[0-9a-f]{128}$"),
        ]), "The last head that the stream's key had signed for before it was closed.")

    package static let conflict = Schema.named(
        "Conflict",
        .object(
            [
                "id": conflictID, "kind": conflictKind, "status": .words(["open", "resolved"]),
                "agent": .explained(.orNull(agentID), "Whose stream it is about, where known."),
                "stream": streamTag, "summary": .explained(.string(), "What happened."),
                "advice": .explained(.string(), "What to do."), "recorded_at": .time,
                "repeats": .explained(count, "How many more events recorded the same."),
                "events": .explained(
                    .array(of: range), "Those that it is about, by their numbers in the stream."),
                "without_effect": .explained(
                    .array(of: range), "Those that are in quarantine now."),
                "branches": .explained(
                    .array(of: branchEnd), "Where the stream's branches end in this ledger."),
                "resolution": .orNull(
                    .object(
                        [
                            "event": conflictID, "what": .words(["resolved", "released"]),
                            "at": .time,
                        ], optional: ["operator": .string(), "reason": .string()])),
            ],
            optional: [
                "cause": .words([
                    "forked", "rolled_back", "pruned", "unreadable", "unknown_kind",
                ]),
                "standing": .explained(
                    .words(Standing.allCases.map(\.name)), "How the stream stands now."),
                "evidence": evidence, "hash_before": hash, "resumes_behind": hash,
                "event_kind": count,
                "offset_seconds": .explained(
                    .number(), "How much later than they say the events are shown."),
                "former": .object(["hub": streamTag, "position": count]),
            ]))
}
