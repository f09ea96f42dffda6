import Foundation
import LedgerCore
import OTLP
import Synchronization
import Tracing

/// A span of `TributaryTracer`; one that is not recorded has no state and does nothing.
package struct TracedSpan: Tracing.Span {
    package let context: InstrumentationContext
    fileprivate let recording: Recording?

    init(context: InstrumentationContext, recording: Recording?) {
        self.context = context
        self.recording = recording
    }

    package var isRecording: Bool { recording?.isOpen ?? false }

    package var operationName: String {
        get { recording?.read { $0.name } ?? "" }
        nonmutating set { recording?.change { $0.span.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { recording?.attributes ?? [:] }
        nonmutating set { recording?.change { $0.attributes = newValue } }
    }

    package func setStatus(_ status: SpanStatus) {
        recording?.change { state in
            // What is good stays good (OpenTelemetry, "Set Status").
            guard state.span.status.code != .ok else { return }
            state.span.status.code = status.code == .ok ? .ok : .error
            state.span.status.message = status.code == .ok ? "" : status.message ?? ""
        }
    }

    package func addEvent(_ event: SpanEvent) {
        recording?.add(event)
    }

    package func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        guard let recording else { return }
        var attributes = attributes
        attributes["exception.type"] = String(reflecting: type(of: error))
        attributes["exception.message"] = "\(error)"
        recording.add(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    package func addLink(_ link: SpanLink) {
        guard let recording, let other = link.context.trace else { return }
        recording.link(to: other, link.attributes)
    }

    /// Links to spans of other traces, as many as there is room for; the rest is counted.
    package func link(to others: some Sequence<TraceContext>) {
        guard let recording else { return }
        for other in others { recording.link(to: other, [:]) }
    }

    /// Counts links that were left out before they came here.
    package func countDroppedLinks(_ count: Int) {
        recording?.change { $0.span.droppedLinks += UInt32(clamping: count) }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let recording else { return }
        recording.end(SpanInstant(instant()))
    }

    package func end() {
        end(at: SpanInstant.now)
    }

    /// Ends it without a record: what it was to tell of did not happen.
    package func discard() {
        recording?.discard()
    }
}

/// What is known of a span that has not ended.
final class Recording: Sendable {
    struct State {
        var span: OTLPSpan
        var attributes: SpanAttributes = [:]
        var isOpen = true
    }

    private let state: Mutex<State>
    private let start: SpanInstant
    private let limits: TracingLimits
    private let spool: SpanSpool

    init(_ span: OTLPSpan, since start: SpanInstant, _ limits: TracingLimits, _ spool: SpanSpool) {
        state = Mutex(State(span: span))
        self.start = start
        self.limits = limits
        self.spool = spool
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }
    var attributes: SpanAttributes { state.withLock { $0.attributes } }

    func read<Value: Sendable>(_ body: (OTLPSpan) -> Value) -> Value {
        state.withLock { body($0.span) }
    }

    /// What comes behind the end has no effect.
    func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            if state.isOpen { body(&state) }
        }
    }

    func add(_ event: SpanEvent) {
        change { state in
            guard state.span.events.count < limits.eventsMax else {
                state.span.droppedEvents += 1
                return
            }
            var added = OTLPEvent()
            added.time = event.nanosecondsSinceEpoch
            added.name = event.name
            added.attributes = event.attributes.otlp(max: limits.attributesMax).kept
            state.span.events.append(added)
        }
    }

    func link(to other: TraceContext, _ attributes: SpanAttributes) {
        change { state in
            guard state.span.links.count < limits.linksMax else {
                state.span.droppedLinks += 1
                return
            }
            var link = OTLPLink()
            link.traceID = Data(other.traceID)
            link.spanID = Data(other.spanID)
            link.traceState = other.state
            link.flags = UInt32(other.flags)
            link.attributes = attributes.otlp(max: limits.attributesMax).kept
            state.span.links.append(link)
        }
    }

    func discard() {
        state.withLock { $0.isOpen = false }
    }

    /// The end is the start and what the monotonic clock says has passed since, so that a wall clock
    /// that is set in the meantime makes no span long, or end before it began.
    func end(_ instant: SpanInstant) {
        let ended = state.withLock { state -> OTLPSpan? in
            guard state.isOpen else { return nil }
            state.isOpen = false
            var span = state.span
            span.start = start.nanosecondsSinceEpoch
            span.end = span.start + (instant.monotonic - min(start.monotonic, instant.monotonic))
            var attributes = state.attributes
            if span.droppedLinks > 0 {
                attributes["tributary.links.dropped"] = Int64(span.droppedLinks)
            }
            let (kept, dropped) = attributes.otlp(max: limits.attributesMax)
            span.attributes = kept
            span.droppedAttributes = UInt32(dropped)
            return span
        }
        if let ended { spool.add(ended) }
    }
}

extension SpanAttributes {
    /// In the order of their names.
    fileprivate func otlp(max: Int) -> (kept: [OTLPKeyValue], dropped: Int) {
        var pairs: [OTLPKeyValue] = []
        forEach { name, value in pairs.append(OTLPKeyValue(name, value.otlp)) }
        pairs.sort { $0.key < $1.key }
        return (Array(pairs.prefix(max)), Swift.max(0, pairs.count - max))
    }
}

extension SpanAttribute {
    fileprivate var otlp: OTLPAnyValue.Value {
        switch self {
        case .int32(let number): .int(Int64(number))
        case .int64(let number): .int(number)
        case .double(let number): .double(number)
        case .bool(let flag): .bool(flag)
        case .string(let text): .string(text)
        case .stringConvertible(let value): .string(value.description)
        case .int32Array(let values): .array(values.map { OTLPAnyValue(.int(Int64($0))) })
        case .int64Array(let values): .array(values.map { OTLPAnyValue(.int($0)) })
        case .doubleArray(let values): .array(values.map { OTLPAnyValue(.double($0)) })
        case .boolArray(let values): .array(values.map { OTLPAnyValue(.bool($0)) })
        case .stringArray(let values): .array(values.map { OTLPAnyValue(.string($0)) })
        case .stringConvertibleArray(let values):
            .array(values.map { OTLPAnyValue(.string($0.description)) })
        default: .string("")
        }
    }
}
