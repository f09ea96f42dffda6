/// What one route of an API does, takes and answers: what OpenAPI calls an operation.
///
/// It is given where the route is added, so that there is no route without a description; a test
/// asks every route of both daemons and compares what comes with what is said here.
package struct APIOperation: Sendable {
    /// Unique within the daemon.
    package let id: String
    package let summary: String
    package let parameters: [APIParameter]
    /// Any one of these; none where the route takes no body.
    package let request: [APIContent]
    package let answers: [APIAnswer]
    /// Beyond `internal_error`, which all have.
    package let problems: [ProblemCode]

    package init(
        _ id: String, _ summary: String, parameters: [APIParameter] = [],
        request: [APIContent] = [], answers: [APIAnswer], problems: [ProblemCode] = []
    ) {
        self.id = id
        self.summary = summary
        self.parameters = parameters
        self.request = request
        self.answers = answers
        self.problems = problems
    }

    /// All that it may answer with.
    var statuses: Set<Int> {
        Set(answers.map(\.status) + (problems + [.internalError]).map(\.status.code))
    }
}

/// A part of the address, of the query or of the head.
package struct APIParameter: Sendable {
    package enum Place: String, Sendable {
        case path, query, header
    }

    package let name: String
    package let place: Place
    package let schema: Schema
    package let sentence: String

    package static func path(_ name: String, _ schema: Schema, _ sentence: String) -> APIParameter {
        APIParameter(name: name, place: .path, schema: schema, sentence: sentence)
    }

    /// Every one may be left out.
    package static func query(_ name: String, _ schema: Schema, _ sentence: String)
        -> APIParameter
    {
        APIParameter(name: name, place: .query, schema: schema, sentence: sentence)
    }

    /// Every one may be left out.
    package static func header(_ name: String, _ schema: Schema, _ sentence: String)
        -> APIParameter
    {
        APIParameter(name: name, place: .header, schema: schema, sentence: sentence)
    }

    /// Of a list in pages.
    package static let paging = [
        query("cursor", .string(), "Where the page begins: the `next` of the page before."),
        query(
            "limit", .integer(minimum: 1, maximum: Int64(QueryParameters.limitMax)),
            "Entries of the page at most; \(QueryParameters.limitDefault) where nothing is said."),
    ]
}

/// A body: its media type, and what stands in it.
package struct APIContent: Sendable {
    package let mediaType: String
    package let schema: Schema
    /// Where the body is many documents, what each of them is.
    package let line: Schema?

    package static func json(_ schema: Schema) -> APIContent {
        APIContent(mediaType: "application/json", schema: schema, line: nil)
    }

    package static func problem(_ codes: [ProblemCode]) -> APIContent {
        APIContent(
            mediaType: "application/problem+json", schema: .problem(of: codes), line: nil)
    }

    /// One JSON document a line.
    package static func lines(of schema: Schema) -> APIContent {
        APIContent(mediaType: "application/x-ndjson", schema: .string(), line: schema)
    }

    /// Server-sent events.
    ///
    /// - Parameter schema: of the `data` of one event.
    package static func events(of schema: Schema) -> APIContent {
        APIContent(mediaType: "text/event-stream", schema: .string(), line: schema)
    }

    package static func text(_ mediaType: String = "text/plain; charset=utf-8") -> APIContent {
        APIContent(mediaType: mediaType, schema: .string(), line: nil)
    }
}

/// An answer that is no problem.
package struct APIAnswer: Sendable {
    package struct Header: Sendable {
        package let name: String
        package let sentence: String

        package init(_ name: String, _ sentence: String) {
            self.name = name
            self.sentence = sentence
        }
    }

    package let status: Int
    package let sentence: String
    package let headers: [Header]
    package let content: [APIContent]

    package init(
        _ status: Int, _ sentence: String, headers: [Header] = [], _ content: APIContent...
    ) {
        self.status = status
        self.sentence = sentence
        self.headers = headers
        self.content = content
    }

    /// 200 with one JSON document.
    package static func ok(_ sentence: String, _ schema: Schema) -> APIAnswer {
        APIAnswer(200, sentence, .json(schema))
    }

    /// 200 with a page of a list.
    package static func page(_ sentence: String, of item: Schema) -> APIAnswer {
        APIAnswer(
            200, sentence,
            headers: [Header("Link", "The next page's address (RFC 8288), where there is one.")],
            .json(.page(of: item)))
    }
}
