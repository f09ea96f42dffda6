import LedgerCore
import Observability
import SyncProtocol
import Tracing

/// Neighbouring events of one trace: those of one request.
struct TracedRun: Sendable, Hashable {
    let first: UInt64
    let last: UInt64
    let trace: TraceContext
}

/// What of the next commit is traced: a span for the commit itself, linked to those that wait for it.
///
/// It is asked once a request and once a commit, and does nothing where nothing is traced.
struct CommitTrace {
    private let tracer: TributaryTracer?
    private var runs: [TracedRun] = []
    private var span: TracedSpan?

    init(_ tracer: TributaryTracer?) {
        self.tracer = tracer
    }

    /// A request became the events from `first` up to before `next`; none, where it repeats another.
    mutating func admitted(_ trace: TraceContext?, from first: UInt64, before next: UInt64) {
        guard let trace, trace.isSampled, next > first, tracer != nil else { return }
        runs.append(TracedRun(first: first, last: next - 1, trace: trace))
    }

    mutating func begins() {
        guard let tracer,
            let context = runs.isEmpty ? tracer.context(for: nil) : tracer.recorded(nil)
        else { return }
        let started = tracer.startSpan(
            "commit segment", context: context, ofKind: .client, at: SpanInstant.now)
        started.link(to: runs.prefix(tracer.limits.linksMax).map(\.trace))
        started.countDroppedLinks(max(0, runs.count - tracer.limits.linksMax))
        span = started
    }

    /// - Returns: what is to be traced further.
    mutating func ended(_ segments: [SealedSegment]) -> [TracedRun] {
        defer {
            runs.removeAll()
            span = nil
        }
        guard let span else { return runs }
        guard let first = segments.first?.segment.header, let last = segments.last?.segment.header
        else {
            span.discard()
            return runs
        }
        span.updateAttributes { attributes in
            attributes["db.system.name"] = "sqlite"
            attributes["db.operation.name"] = "COMMIT"
            attributes[TraceAttribute.stream] = first.stream.description
            attributes[TraceAttribute.first] = Int64(clamping: first.firstSequence)
            attributes[TraceAttribute.last] = Int64(clamping: last.lastSequence)
            attributes[TraceAttribute.segments] = segments.count
            attributes[TraceAttribute.events] = segments.reduce(0) {
                $0 + Int($1.segment.header.count)
            }
            attributes[TraceAttribute.bytes] = segments.reduce(0) {
                $0 + $1.segment.bytes.count
            }
        }
        span.end()
        return runs
    }

    mutating func failed(_ sentence: String) {
        span?.setStatus(SpanStatus(code: .error, message: sentence))
        span?.end()
        span = nil
        runs.removeAll()
    }
}
