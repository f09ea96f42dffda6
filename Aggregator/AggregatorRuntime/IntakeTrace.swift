import AggregatorCore
import LedgerCore
import Observability
import SyncProtocol
import Tracing

/// What of the intake's work is traced: each message from its arrival to its acknowledgement, in the
/// trace of the span that sent it.
///
/// **Function.** `received`, then for what it merges `mergeBegan`, `merged` for each segment and `mergeEnded`,
/// then `processed`. When the commit is done, `acknowledging` and `acknowledged` for each stream, then
/// `committed`; where it failed, `failed`. All of it costs nothing without a tracer, and some readings of
/// a clock for each message that is not traced.
struct IntakeTrace: MergeTracing {
    private struct Receiving {
        let start: SpanInstant
        let parent: TraceContext?
        var mergeStart: SpanInstant?
        var mergeEnd: SpanInstant?
        var first: UInt64?
        var last: UInt64 = 0
        var events = 0
        var bytes = 0
        var setAside = 0
        var links: [TraceContext] = []
        var linksDropped = 0

        mutating func add(
            _ segment: Segment, _ traces: [TraceContext], setAside: Int, linksMax: Int
        ) {
            let header = segment.header
            first = first ?? header.firstSequence
            last = header.lastSequence
            events += Int(header.count)
            bytes += segment.bytes.count
            self.setAside += setAside
            for trace in traces where links.last != trace {
                if links.count < linksMax { links.append(trace) } else { linksDropped += 1 }
            }
        }
    }

    private struct Processing {
        let stream: StreamTag
        let span: TracedSpan
    }

    private let tracer: TributaryTracer?
    private var receiving: Receiving?
    private var processing: [Processing] = []
    /// The spans of the acknowledgement that is about to be sent.
    private var sending: [TracedSpan] = []

    init(_ tracer: TributaryTracer?) {
        self.tracer = tracer
    }

    // MARK: A message

    mutating func received(_ message: SegmentsMessage) {
        guard tracer != nil else { return }
        receiving = Receiving(start: .now, parent: message.traces.first)
    }

    mutating func mergeBegan() {
        guard receiving != nil else { return }
        receiving?.mergeStart = .now
    }

    /// - Parameter traces: those of its events that are to be traced.
    mutating func merged(_ segment: Segment, _ traces: [TraceContext], setAside: Int) {
        guard let tracer else { return }
        receiving?.add(segment, traces, setAside: setAside, linksMax: tracer.limits.linksMax)
    }

    mutating func mergeEnded() {
        guard receiving != nil else { return }
        receiving?.mergeEnd = .now
    }

    /// All of the message was looked at.
    ///
    /// - Parameters:
    ///   - drop: why it, or a part of it, had no effect; nil where all of it had one.
    ///   - clockOffset: the agent's clock less ours, in microseconds.
    mutating func processed(
        _ message: SegmentsMessage, from agent: AgentID, drop: String?, clockOffset: Int64
    ) {
        defer { receiving = nil }
        guard let tracer, let receiving, let context = context(of: receiving, tracer) else {
            return
        }
        let span = tracer.startSpan(
            "process up", context: context, ofKind: .consumer, at: receiving.start)
        span.link(to: receiving.links)
        span.countDroppedLinks(receiving.linksDropped)
        span.updateAttributes { attributes in
            attributes["messaging.system"] = "mqtt"
            attributes["messaging.operation.name"] = "process"
            attributes["messaging.operation.type"] = "process"
            attributes["tributary.agent.id"] = agent.description
            attributes["tributary.clock_offset_us"] = clockOffset
            attributes[TraceAttribute.attempt] = Int64(message.attempt)
            attributes[TraceAttribute.segments] = message.segments.count
            if let drop { attributes["tributary.drop"] = drop }
        }
        describe(span, receiving, message.stream)
        guard let mergeStart = receiving.mergeStart, let mergeEnd = receiving.mergeEnd else {
            return span.end()
        }
        let merge = tracer.startSpan(
            "merge", context: span.context, ofKind: .internal, at: mergeStart)
        describe(merge, receiving, message.stream)
        merge.updateAttributes { attributes in
            attributes[TraceAttribute.events] = receiving.events
            attributes[TraceAttribute.bytes] = receiving.bytes
        }
        if receiving.setAside > 0 {
            merge.updateAttributes { $0["tributary.events.set_aside"] = receiving.setAside }
            merge.setStatus(SpanStatus(code: .error, message: "events were set aside"))
        }
        merge.end(at: mergeEnd)
        processing.append(Processing(stream: message.stream, span: span))
    }

    /// In the trace of whoever sent it; where it does not say, in one of its own if its events are
    /// traced, or something went wrong with them.
    private func context(of receiving: Receiving, _ tracer: TributaryTracer)
        -> InstrumentationContext?
    {
        if let parent = receiving.parent, parent.isSampled { return tracer.recorded(parent) }
        if !receiving.links.isEmpty { return tracer.recorded(receiving.parent) }
        return receiving.setAside > 0 ? tracer.contextOfFailure(receiving.parent) : nil
    }

    private func describe(_ span: TracedSpan, _ receiving: Receiving, _ stream: StreamTag) {
        guard let first = receiving.first else { return }
        span.updateAttributes { attributes in
            attributes[TraceAttribute.stream] = stream.description
            attributes[TraceAttribute.first] = Int64(clamping: first)
            attributes[TraceAttribute.last] = Int64(clamping: receiving.last)
        }
    }

    // MARK: The commit

    /// One span for each message that it acknowledges.
    mutating func acknowledging(_ stream: StreamTag) -> [TraceContext] {
        guard let tracer, !processing.isEmpty else { return [] }
        sending = processing.lazy.filter { $0.stream == stream }.prefix(Ack.tracesMax).map { one in
            let span = tracer.startSpan(
                "send ack", context: one.span.context, ofKind: .producer, at: SpanInstant.now)
            span.updateAttributes { attributes in
                attributes["messaging.system"] = "mqtt"
                attributes["messaging.operation.name"] = "send"
                attributes["messaging.operation.type"] = "send"
            }
            return span
        }
        return sending.compactMap(\.context.trace)
    }

    mutating func acknowledged(_ stream: StreamTag) {
        guard !processing.isEmpty else { return }
        for span in sending { span.end() }
        sending = []
        for one in processing where one.stream == stream { one.span.end() }
        processing.removeAll { $0.stream == stream }
    }

    /// Ends what nobody had to be told of.
    mutating func committed() {
        guard !processing.isEmpty else { return }
        for one in processing { one.span.end() }
        processing.removeAll()
    }

    mutating func failed(_ sentence: String) {
        for one in processing {
            one.span.setStatus(SpanStatus(code: .error, message: sentence))
            one.span.end()
        }
        processing.removeAll()
    }
}
