import HTTPSupport

extension AgentOperations {
    static let conflicts = APIOperation(
        "listConflicts",
        "What of this device's streams a person may have to look at, as its aggregator has told it, the last recorded first.",
        parameters: [
            .query("kind", .conflictKind, "Only of this kind."),
            .query("status", .words(["open", "resolved"]), "Only those that stand so."),
        ] + APIParameter.paging,
        answers: [.page("A page of conflicts.", of: .conflict)],
        problems: [.invalidField, .overloaded, .unavailable])

    static let conflict = APIOperation(
        "getConflict", "One conflict: what it is, its evidence, what to do, and what was decided.",
        parameters: [.path("id", .conflictID, "The conflict's id.")],
        answers: [.ok("The conflict.", .conflict)],
        problems: [.invalidField, .notFound, .overloaded, .unavailable])
}
