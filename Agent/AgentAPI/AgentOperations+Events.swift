import HTTPSupport
import LedgerCore

extension AgentOperations {
    static let events = APIOperation(
        "followEvents",
        "Server-sent events: what became of this device's transactions, and its connection.",
        parameters: APIParameter.eventPlace,
        answers: [
            APIAnswer(200, "A stream that goes on until its reader leaves.", .events(of: event))
        ],
        problems: [.invalidField, .overloaded, .unavailable])

    /// The data of one of the events `merged`, `connection`, `truncated` and `reset`.
    private static let event = Schema.named(
        "AgentEvent",
        .either([
            .object([
                "id": .transactionID, "status": .words(["merged"]),
                "committed_at": .explained(
                    .time,
                    "When all that the acknowledgement covers was merged, by the aggregator's clock; "
                        + "when this one was, the aggregator tells."),
                "acknowledged_at": .time,
            ]),
            .object([
                "connected": .boolean, "session": .string(), "offline_since": .orNull(.time),
            ]),
            .object([
                "missing_first": .count, "missing_through": .count, "detail": .string(),
            ]),
            .object([
                "reason": .words(["other_stream", "ahead"]), "stream": .streamTag, "after": .count,
            ]),
        ]))
}
