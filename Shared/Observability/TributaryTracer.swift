import Foundation
import LedgerCore
import OTLP
import Tracing

/// The tracer of a daemon (swift-distributed-tracing): makes spans, and puts those that have ended into
/// its spool.
///
/// **Overview.** A trace is recorded where its caller records it, else for some at random, else where
/// something went wrong: see `Sampler`. What is not recorded costs the decision and nothing more.
///
/// **Function.** Ask `context(for:)` whether to record; where it gives a context, start spans with it, as
/// with any tracer. Spans of several threads may end in any order.
///
/// **Invariants.** A span that ends is recorded once. Whoever records never waits for whoever ships.
package final class TributaryTracer: Tracer {
    package let resource: OTLPResource
    package let sampler: Sampler
    package let spool: SpanSpool
    package let limits: TracingLimits

    /// - Parameters:
    ///   - service: as in `tributary-agent`.
    ///   - instance: which of them, as in `till-042`.
    ///   - rate: of requests that begin a trace where the caller has not decided, from 0 to 1.
    package init(
        service: String, instance: String, version: String, rate: Double,
        limits: TracingLimits = TracingLimits()
    ) {
        resource = OTLPResource(attributes: [
            OTLPKeyValue("service.name", .string(service)),
            OTLPKeyValue("service.instance.id", .string(instance)),
            OTLPKeyValue("service.version", .string(version)),
        ])
        sampler = Sampler(rate: rate, perSecondMax: limits.newTracesPerSecondMax)
        spool = SpanSpool(limits: limits)
        self.limits = limits
    }

    // MARK: Decisions

    /// What to start a span with for this caller, or for nobody; nil where it is not recorded.
    package func context(for parent: TraceContext?) -> InstrumentationContext? {
        sampler.records(parent) ? recorded(parent) : nil
    }

    /// As `context(for:)`, for what was asked to be recorded by others than the caller, such as the
    /// transactions in a batch.
    package func recorded(_ parent: TraceContext?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        if let parent { context.trace = parent }
        context.isRecorded = true
        return context
    }

    /// As `context(for:)`, for what went wrong.
    package func contextOfFailure(_ parent: TraceContext?) -> InstrumentationContext? {
        parent?.isSampled == true || sampler.recordsFailure() ? recorded(parent) : nil
    }

    // MARK: Tracer

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext,
        ofKind kind: SpanKind, at instant: @autoclosure () -> Instant, function: String,
        file fileID: String, line: UInt
    ) -> TracedSpan {
        var context = context()
        let parent = context.trace
        guard context.isRecorded || sampler.records(parent) else {
            return TracedSpan(context: context, recording: nil)
        }
        let own = TraceContext.child(of: parent)
        context.trace = own
        context.isRecorded = true
        var span = OTLPSpan()
        span.traceID = Data(own.traceID)
        span.spanID = Data(own.spanID)
        span.traceState = own.state
        if let parent { span.parentSpanID = Data(parent.spanID) }
        span.name = operationName
        span.kind = OTLPSpan.Kind(kind)
        span.flags = UInt32(own.flags)
        let recording = Recording(span, since: SpanInstant(instant()), limits, spool)
        return TracedSpan(context: context, recording: recording)
    }

    package func forceFlush() {}

    // MARK: Instrument

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: "traceparent", from: carrier) else { return }
        let state = extractor.extract(key: "tracestate", from: carrier)
        context.trace = TraceContext(traceparent: parent, tracestate: state.map { [$0] } ?? [])
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.traceparent, forKey: "traceparent", into: &carrier)
        if !trace.state.isEmpty {
            injector.inject(trace.state, forKey: "tracestate", into: &carrier)
        }
    }
}

extension TraceContext {
    /// A new span's: of the parent's trace, or of a new one.
    fileprivate static func child(of parent: TraceContext?) -> TraceContext {
        TraceContext(
            traceID: parent?.traceID ?? randomID(16), spanID: randomID(8), flags: sampledFlag,
            state: parent?.state ?? "")
    }

    private static func randomID(_ count: Int) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        var id = [UInt8](repeating: 0, count: count)
        while id.allSatisfy({ $0 == 0 }) {
            for start in stride(from: 0, to: count, by: 8) {
                withUnsafeBytes(of: random.next()) { bytes in
                    for index in 0..<8 { id[start + index] = bytes[index] }
                }
            }
        }
        return id
    }
}

extension OTLPSpan.Kind {
    fileprivate init(_ kind: SpanKind) {
        self =
            switch kind {
            case .server: .server
            case .client: .client
            case .producer: .producer
            case .consumer: .consumer
            case .internal: .internal
            }
    }
}

private enum TraceContextKey: InstrumentationContextKey {
    typealias Value = TraceContext
    static var nameOverride: String? { "tributary.trace" }
}

private enum RecordedKey: InstrumentationContextKey {
    typealias Value = Bool
    static var nameOverride: String? { "tributary.recorded" }
}

extension InstrumentationContext {
    /// The span that this context is of.
    package var trace: TraceContext? {
        get { self[TraceContextKey.self] }
        set { self[TraceContextKey.self] = newValue }
    }

    /// Whether it is decided that spans below are recorded.
    fileprivate var isRecorded: Bool {
        get { self[RecordedKey.self] ?? false }
        set { self[RecordedKey.self] = newValue }
    }

    /// For a link, and for a child.
    package static func of(_ trace: TraceContext) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        context.trace = trace
        return context
    }
}
