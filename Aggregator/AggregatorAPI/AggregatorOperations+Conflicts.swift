import HTTPSupport
import LedgerCore
import SyncProtocol

/// What the routes of conflicts and of operators' decisions do, take and answer.
extension AggregatorOperations {
    private static let conflictID = APIParameter.path("id", .conflictID, "The conflict's id.")
    private static let ofAgent = APIParameter.query("agent", .agentID, "Only of this agent.")

    static let conflicts = APIOperation(
        "listConflicts",
        "What a person may have to look at, the last recorded first. All of them are kept, the settled ones too.",
        parameters: [
            ofAgent, .query("kind", .conflictKind, "Only of this kind."),
            .query("status", .words(["open", "resolved"]), "Only those that stand so."),
        ] + APIParameter.paging,
        answers: [.page("A page of conflicts.", of: .conflict)],
        problems: [.invalidField, .unavailable])

    static let conflict = APIOperation(
        "getConflict", "One conflict: what it is, its evidence, what to do, and what was decided.",
        parameters: [conflictID], answers: [.ok("The conflict.", .conflict)],
        problems: [.invalidField, .notFound, .unavailable])

    static let resolve = APIOperation(
        "resolveConflict",
        "Says that a conflict needs nobody any more, with the operator's name and reason. Events in quarantine stay without effect.",
        parameters: [conflictID], request: [.json(.decision)], answers: [settled],
        problems: decisionProblems + [.alreadyDecided])

    static let quarantine = APIOperation(
        "listQuarantine", "Conflicts whose events have no effect now, the last recorded first.",
        parameters: [ofAgent] + APIParameter.paging,
        answers: [.page("A page of conflicts of kind quarantined.", of: .conflict)],
        problems: [.invalidField, .unavailable])

    static let release = APIOperation(
        "releaseQuarantined",
        "Gives the events of a conflict of kind quarantined their effect, all of them, where they can be read now.",
        parameters: [conflictID], request: [.json(.decision)], answers: [settled],
        problems: decisionProblems + [.alreadyDecided, .cannotRelease])

    static let approve = APIOperation(
        "approveStream", "Lets a stream go on that waits for it.", parameters: [agentID],
        request: [.json(.streamDecision)], answers: [decided],
        problems: decisionProblems + [.wrongStanding])

    static let closeStream = APIOperation(
        "closeStream",
        "Closes a stream: what its writer has recorded is still merged, and it goes on in a new one.",
        parameters: [agentID], request: [.json(.streamDecision)], answers: [decided],
        problems: decisionProblems + [.wrongStanding])

    static let declareLost = APIOperation(
        "declareLost",
        "Declares a stream lost: its device is not expected to come back, and complete_through no longer waits for it. What comes all the same is merged.",
        parameters: [agentID], request: [.json(.streamDecision)], answers: [decided],
        problems: decisionProblems + [.wrongStanding])

    private static let decisionProblems: [ProblemCode] = [
        .malformedJSON, .invalidField, .notFound, .tooLarge, .unsupportedMediaType, .unavailable,
    ]

    private static let settled = APIAnswer.ok(
        "It is durable: the hub's event that says so, and the conflict as it stands now.",
        .object(["event": .conflictID, "conflict": .conflict]))

    private static let decided = APIAnswer.ok(
        "It is durable: the hub's event that says so, and the agent as it stands now.",
        .object(["event": .conflictID, "stream": .streamTag, "agent": .agent]))
}

extension Schema {
    private static let decisionMembers: KeyValuePairs<String, Schema> = [
        "operator": .explained(
            .string(lengthMax: HubEvent.Decision.operatorBytesMax), "Who decides."),
        "reason": .explained(
            .string(lengthMax: HubEvent.Decision.reasonBytesMax), "Why; it is kept for good."),
    ]

    fileprivate static let decision = Schema.named(
        "Decision", .object(decisionMembers, others: .refused))

    fileprivate static let streamDecision = Schema.named(
        "StreamDecision",
        .object(
            decisionMembers,
            optional: [
                "stream": .explained(
                    streamTag, "May be left out where only one of the agent's could be meant.")
            ], others: .refused))
}
