/// The spans of a trace in the order of the tree that they make, each with its depth in it.
struct SpanTree: Encodable {
    struct Link: Encodable {
        let traceId: String
        let spanId: String
    }

    struct Span: Encodable {
        let spanId: String
        /// Nil for a root, also where its parent is kept elsewhere.
        let parent: String?
        let name: String
        let service: String
        let instance: String
        let startedAt: Moment
        /// In microseconds.
        let duration: Int64
        let error: String?
        let links: [Link]
        let depth: Int
    }

    let traceId: String
    let spans: [Span]

    /// Asks for all traces that tell of a transaction.
    ///
    /// - Throws: `TraceFailure`
    static func all(of id: String, from api: DaemonAPI) async throws -> [SpanTree] {
        let found: TracesAnswer? = try await api.get("/v1/transactions/\(id)/traces")
        var trees: [SpanTree] = []
        for trace in found?.traces ?? [] {
            let answer: JaegerAnswer? = try await api.get("/api/traces/\(trace)")
            trees += (answer?.data ?? []).map(SpanTree.init)
        }
        return trees
    }

    init(_ trace: JaegerAnswer.Trace) {
        traceId = trace.traceID
        var children: [String: [JaegerAnswer.Span]] = [:]
        var roots: [JaegerAnswer.Span] = []
        let known = Set(trace.spans.map(\.spanID))
        for span in trace.spans.sorted(by: { $0.startTime < $1.startTime }) {
            if let parent = span.parent, known.contains(parent), parent != span.spanID {
                children[parent, default: []].append(span)
            } else {
                roots.append(span)
            }
        }
        var spans: [Span] = []
        // Each once: what is damaged may go in circles.
        var waiting = roots.reversed().map { (span: $0, depth: 0) }
        while let (span, depth) = waiting.popLast() {
            spans.append(Span(span, trace.processes[span.processID], depth))
            let below = children.removeValue(forKey: span.spanID) ?? []
            waiting += below.reversed().map { (span: $0, depth: depth + 1) }
        }
        self.spans = spans
    }
}

extension JaegerAnswer.Span {
    fileprivate var parent: String? {
        references.first { $0.refType == "CHILD_OF" }?.spanID
    }
}

extension SpanTree.Span {
    fileprivate init(_ span: JaegerAnswer.Span, _ process: JaegerAnswer.Process?, _ depth: Int) {
        spanId = span.spanID
        parent = span.parent
        name = span.operationName
        service = process?.serviceName ?? ""
        instance = process?.tags.first { $0.key == "service.instance.id" }?.value ?? ""
        startedAt = Moment(microseconds: span.startTime)
        duration = span.duration
        let isError = span.tags.contains { $0.key == "error" && $0.value == "true" }
        let words = span.tags.first { $0.key == "otel.status_description" }?.value
        error = isError ? words ?? "error" : nil
        links = span.references.filter { $0.refType == "FOLLOWS_FROM" }.map {
            SpanTree.Link(traceId: $0.traceID, spanId: $0.spanID)
        }
        self.depth = depth
    }
}

// MARK: Showing

extension SpanTree {
    private static let nameWidth = 28
    private static let placeWidth = 12
    private static let durationWidth = 9
    /// Where there is no window: bars must end somewhere.
    private static let widthInPipe = 80
    /// Links that are named; of the rest the number is said.
    private static let linksShown = 3

    /// One line a span: its name, where it was, how long it took, and when, as a bar.
    ///
    /// - Parameter others: for the names of spans that are linked to.
    func show(_ terminal: Terminal, among others: [SpanTree]) {
        guard let first = spans.map(\.startedAt).min() else { return }
        let end = spans.map { $0.startedAt.microseconds + $0.duration }.max() ?? first.microseconds
        let total = max(1, end - first.microseconds)
        let barWidth = max(
            8,
            (terminal.width ?? SpanTree.widthInPipe) - SpanTree.nameWidth - SpanTree.placeWidth
                - SpanTree.durationWidth - 1)
        print(terminal.bold("trace \(traceId)") + "  \(Wording.time(first))")
        for span in spans {
            let name = String(repeating: "  ", count: min(span.depth, 6)) + span.name
            let duration = Wording.span(span.duration)
            let bar = SpanTree.bar(
                from: span.startedAt - first, lasting: span.duration, of: total, width: barWidth)
            let text =
                SpanTree.cell(name, SpanTree.nameWidth)
                + SpanTree.cell(span.instance, SpanTree.placeWidth)
                + SpanTree.cell(duration, SpanTree.durationWidth) + " " + bar
            print(terminal.fit(text))
            let indent = String(repeating: "  ", count: min(span.depth, 6) + 1)
            if let error = span.error { print(terminal.bad(terminal.fit("\(indent)! \(error)"))) }
            if !span.links.isEmpty {
                print(terminal.faint(terminal.fit("\(indent)link to \(words(span.links, others))")))
            }
        }
    }

    private func words(_ links: [Link], _ others: [SpanTree]) -> String {
        let named = links.prefix(SpanTree.linksShown).map { link in
            let tree = others.first { $0.traceId == link.traceId }
            let name = tree?.spans.first { $0.spanId == link.spanId }?.name ?? "a span"
            return "\(name) of \(link.traceId.prefix(8))"
        }
        let rest = links.count - named.count
        return named.joined(separator: ", ") + (rest > 0 ? ", and \(rest) more" : "")
    }

    /// Cut or filled to a width.
    private static func cell(_ text: String, _ width: Int) -> String {
        text.count < width ? text.padded(width) : text.prefix(width - 2) + "… "
    }

    private static func bar(from offset: Int64, lasting: Int64, of total: Int64, width: Int)
        -> String
    {
        let columns = Int64(width)
        let start = Int(max(0, min(columns - 1, offset * columns / total)))
        let length = max(1, min(width - start, Int(lasting * columns / total)))
        return String(repeating: " ", count: start) + String(repeating: "█", count: length)
    }
}
