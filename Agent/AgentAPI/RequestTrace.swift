import AgentCore
import HTTPSupport
import HTTPTypes
import Hummingbird
import LedgerCore
import Observability
import Tracing

/// The trace that a request belongs to: what its events keep of it, and the spans of this agent, where
/// they are recorded.
///
/// A request that is not recorded costs a look for the header, the sampler's draw and one reading of
/// a clock.
struct RequestTrace: Sendable {
    /// The creating of transactions, together, for a request.
    struct Creation: Sendable {
        /// For their events: this span, or the client's own where nothing is recorded, or nil where
        /// nobody traces.
        let context: TraceContext?
        fileprivate let span: TracedSpan?

        init(context: TraceContext?, span: TracedSpan?) {
            self.context = context
            self.span = span
        }
    }

    private let name: String
    private let parent: TraceContext?
    private let tracer: TributaryTracer?
    private let server: TracedSpan?
    /// By the monotonic clock.
    private let start: UInt64

    /// - Parameter name: method and route.
    init(_ request: Request, _ name: String, _ tracer: TributaryTracer?) {
        self.name = name
        self.tracer = tracer
        start = tracer == nil ? 0 : SpanInstant.monotonicNow()
        parent = TraceHeaders.context(of: request)
        guard let tracer, let recorded = tracer.context(for: parent) else {
            server = nil
            return
        }
        server = tracer.startSpan(
            name, context: recorded, ofKind: .server, at: SpanInstant.at(monotonic: start))
    }

    /// Begins creating transactions.
    func creation() -> Creation {
        guard let tracer, let server else { return Creation(context: parent, span: nil) }
        let span = tracer.startSpan(
            "create transaction", context: server.context, ofKind: .producer, at: SpanInstant.now)
        return Creation(context: span.context.trace, span: span)
    }

    /// An answer, and when its request is over.
    enum Answered {
        /// Now.
        case whole(Response)
        /// When its body is: whoever writes that says `streamEnded`.
        case stream(Response)
    }

    /// Runs what answers a request, and ends its span with what came of it.
    static func of(
        _ request: Request, _ name: String, _ tracer: TributaryTracer?,
        _ body: (RequestTrace) async throws -> Answered
    ) async throws -> Response {
        let trace = RequestTrace(request, name, tracer)
        do {
            switch try await body(trace) {
            case .whole(let response):
                trace.end(status: response.status.code, nil)
                return response
            case .stream(let response): return response
            }
        } catch {
            let status = (error as? Problem)?.code.status.code ?? 500
            trace.end(status: status, "\((error as? Problem)?.detail ?? "\(error)")")
            throw error
        }
    }

    /// The body of an answer that was streamed is over. Its status was sent before.
    func streamEnded() {
        end(status: HTTPResponse.Status.ok.code, nil)
    }

    private func end(status: Int, _ failure: String?) {
        guard let span = server ?? spanOfFailure(status) else { return }
        span.updateAttributes { attributes in
            let words = name.split(separator: " ")
            attributes["http.request.method"] = String(words[0])
            attributes["http.route"] = String(words[1])
            attributes["http.response.status_code"] = status
        }
        if status >= 500 { span.setStatus(SpanStatus(code: .error, message: failure)) }
        span.end()
    }

    /// What goes wrong is recorded although nobody asked for it.
    private func spanOfFailure(_ status: Int) -> TracedSpan? {
        guard status >= 500, let tracer, let context = tracer.contextOfFailure(parent) else {
            return nil
        }
        return tracer.startSpan(
            name, context: context, ofKind: .server, at: SpanInstant.at(monotonic: start))
    }
}

extension RequestTrace.Creation {
    /// They are durable. What was refused has created nothing: then there is no span.
    func ended(_ answers: [Answer]) {
        guard let span else { return }
        let recorded = answers.compactMap(\.recorded)
        guard let first = recorded.first, let last = recorded.last else { return span.discard() }
        span.updateAttributes { attributes in
            attributes[TraceAttribute.transaction] = first.id.description
            attributes[TraceAttribute.stream] = first.id.stream.description
            attributes[TraceAttribute.first] = Int64(
                clamping: min(first.id.sequence, last.id.sequence))
            attributes[TraceAttribute.last] = Int64(
                clamping: max(first.id.sequence, last.id.sequence))
            attributes[TraceAttribute.events] = recorded.count
        }
        span.end()
    }
}

/// The headers of W3C Trace Context in a request.
private enum TraceHeaders {
    // The names are constants of ours, and valid.
    private static let parent = HTTPField.Name("traceparent")
    private static let state = HTTPField.Name("tracestate")

    /// Nil where the request belongs to no trace, or does not say so as it should.
    static func context(of request: Request) -> TraceContext? {
        guard let parent, let state, request.headers.contains(parent) else { return nil }
        let values = request.headers[values: parent]
        guard values.count == 1 else { return nil }
        return TraceContext(traceparent: values[0], tracestate: request.headers[values: state])
    }
}

extension Answer {
    fileprivate var recorded: RecordedTransaction? {
        switch self {
        case .accepted(let transaction), .replayed(let transaction): transaction
        case .mismatched, .invalid: nil
        }
    }
}
