import HTTPSupport

/// What each route of traces does, takes and answers.
enum TraceOperations {
    static let trace = APIOperation(
        "getTrace", "All spans of a trace, in the JSON of Jaeger's query API.",
        parameters: [.path("id", .traceID, "The trace's id; zeros in front may be missing.")],
        answers: [
            .ok("The trace.", .jaegerAnswer),
            APIAnswer(400, "The id is none, said in Jaeger's shape.", .json(.jaegerProblem)),
            APIAnswer(404, "No span of it is kept, said in Jaeger's shape.", .json(.jaegerProblem)),
        ],
        problems: [.overloaded, .unavailable])

    static let traces = APIOperation(
        "listTraces",
        "The traces that tell of a transaction: its request's, its commit's, its messages'.",
        parameters: [AggregatorOperations.id],
        answers: [
            .ok(
                "Their ids, the earliest first; none where it was not traced, or its spans are not here yet.",
                .object(["id": .transactionID, "traces": .array(of: .traceID)]))
        ],
        problems: [.invalidField, .overloaded, .unavailable])
}

extension Schema {
    private static let spanID = Schema.string(pattern: "^[0-9a-f]{16}$")

    private static let jaegerTag = Schema.named(
        "Tag",
        .object([
            "key": .string(), "type": .words(["string", "bool", "int64", "float64", "binary"]),
            "value": .either([.string(), .boolean, .integer(), .number()]),
        ]))

    private static let jaegerSpan = Schema.named(
        "Span",
        .object([
            "traceID": traceID, "spanID": spanID, "operationName": .string(),
            "references": .array(
                of: .object([
                    "refType": .explained(
                        .words(["CHILD_OF", "FOLLOWS_FROM"]),
                        "CHILD_OF: its parent; FOLLOWS_FROM: a span that it is linked to."),
                    "traceID": traceID, "spanID": spanID,
                ])),
            "flags": count, "startTime": .explained(count, "In microseconds since 1970."),
            "duration": .explained(count, "In microseconds."), "tags": .array(of: jaegerTag),
            "logs": .array(
                of: .object(["timestamp": count, "fields": .array(of: jaegerTag)])),
            "processID": .string(), "warnings": .null,
        ]))

    static let jaegerAnswer = Schema.named(
        "Traces",
        .object([
            "data": .array(
                of: .object([
                    "traceID": traceID, "spans": .array(of: jaegerSpan),
                    "processes": .members(
                        [],
                        others: .of(
                            .object([
                                "serviceName": .string(), "tags": .array(of: jaegerTag),
                            ]))), "warnings": .null,
                ])), "total": count, "limit": count, "offset": count, "errors": .null,
        ]))

    static let jaegerProblem = Schema.named(
        "TracesProblem",
        .object([
            "data": .null, "total": count, "limit": count, "offset": count,
            "errors": .array(of: .object(["code": count, "msg": .string()])),
        ]))
}
