import Foundation
import LedgerCore
import OTLP
import Observability
import Testing
import Tracing

@Suite struct TracerTests {
    private func tracer(rate: Double = 0, _ limits: TracingLimits = TracingLimits())
        -> TributaryTracer
    {
        TributaryTracer(
            service: "tributary-agent", instance: "till-1", version: "1", rate: rate,
            limits: limits)
    }

    private func parent(sampled: Bool) -> TraceContext {
        TraceContext(
            traceID: [UInt8](repeating: 1, count: 16), spanID: [UInt8](repeating: 2, count: 8),
            flags: sampled ? 1 : 0, state: "vendor=1")
    }

    private struct Broken: Error {}

    @Test func `a library's spans are recorded where the tracer is the process's`() throws {
        let tracer = tracer(rate: 1)
        #expect(throws: Broken.self) {
            try withTracer(tracer) {
                try InstrumentationSystem.tracer.withSpan("outer", ofKind: .server) { outer in
                    outer.attributes["count"] = 3
                    InstrumentationSystem.tracer.withSpan("inner") { _ in }
                    throw Broken()
                }
            }
        }
        let spans = tracer.spool.take(countMax: 10)
        #expect(spans.map(\.name) == ["inner", "outer"])
        #expect(spans[0].parentSpanID == spans[1].spanID)
        #expect(spans[0].traceID == spans[1].traceID && spans[1].parentSpanID.isEmpty)
        #expect(spans[1].attributes == [OTLPKeyValue("count", .int(3))])
        #expect(spans[1].kind == .server && spans[1].status.code == .error)
        #expect(spans[1].events.map(\.name) == ["exception"])
    }

    @Test func `the caller decides, and its trace goes on`() throws {
        let tracer = tracer(rate: 1)
        #expect(tracer.context(for: parent(sampled: false)) == nil)
        let context = try #require(tracer.context(for: parent(sampled: true)))
        let span = tracer.startSpan("a", context: context)
        let own = try #require(span.context.trace)
        span.end()
        #expect(own.traceID == parent(sampled: true).traceID && own.isSampled)
        #expect(own.state == "vendor=1" && own.spanID != parent(sampled: true).spanID)
        let recorded = try #require(tracer.spool.take(countMax: 1).first)
        #expect(recorded.parentSpanID == Data(parent(sampled: true).spanID))
        #expect(recorded.spanID == Data(own.spanID) && recorded.traceState == "vendor=1")
    }

    @Test func `what is not recorded leaves nothing, and passes its context on`() {
        let tracer = tracer(rate: 0)
        let context = InstrumentationContext.of(parent(sampled: false))
        tracer.withSpan("a", context: context) { span in
            #expect(!span.isRecording && span.context.trace == parent(sampled: false))
            span.addLink(SpanLink(context: context, attributes: [:]))
            span.attributes["a"] = 1
            #expect(span.attributes.isEmpty)
        }
        tracer.withSpan("b", context: .topLevel) { #expect($0.context.trace == nil) }
        #expect(tracer.spool.recorded == 0)
    }

    @Test func `links beyond the limit are counted in an attribute`() throws {
        let tracer = tracer(rate: 1)
        let span = tracer.startSpan("a", context: .topLevel)
        span.link(to: (0..<130).map { _ in parent(sampled: true) })
        span.countDroppedLinks(5)
        span.end()
        let recorded = try #require(tracer.spool.take(countMax: 1).first)
        #expect(recorded.links.count == 128 && recorded.droppedLinks == 7)
        #expect(recorded.attributes.int("tributary.links.dropped") == 7)
    }

    @Test func `a span lasts what the monotonic clock says, however the wall clock is set`() throws
    {
        let tracer = tracer(rate: 1)
        let start = SpanInstant(nanosecondsSinceEpoch: 5_000_000, monotonic: 100)
        let span = tracer.startSpan("a", context: .topLevel, at: start)
        span.end(at: SpanInstant(nanosecondsSinceEpoch: 1_000, monotonic: 350))
        span.end(at: SpanInstant(nanosecondsSinceEpoch: 9_000_000, monotonic: 900))
        let recorded = tracer.spool.take(countMax: 2)
        #expect(recorded.count == 1, "it ends once")
        #expect(recorded[0].start == 5_000_000 && recorded[0].end == 5_000_250)
    }

    @Test func `what was discarded is not recorded`() {
        let tracer = tracer(rate: 1)
        let span = tracer.startSpan("a", context: .topLevel)
        span.discard()
        span.end()
        #expect(tracer.spool.recorded == 0)
    }

    // MARK: Sampler

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `about as many new traces are recorded as the rate says`(seed: UInt64) {
        let sampler = Sampler(rate: 0.1, perSecondMax: .max, seed: seed)
        let count = (0..<10_000).count { _ in sampler.recordsNewTrace() }
        #expect((850...1150).contains(count), "seed \(seed)")
    }

    @Test func `no more new traces begin in a second than may; the callers' are not counted`() {
        let sampler = Sampler(rate: 1, perSecondMax: 5)
        // Two seconds at the most, should one end meanwhile.
        #expect((5...10).contains((0..<1000).count { _ in sampler.recordsNewTrace() }))
        let wanted = (0..<1000).count { _ in sampler.records(parent(sampled: true)) }
        #expect(wanted == 1000)
        #expect(!sampler.records(parent(sampled: false)))
    }

    // MARK: Spool

    @Test func `the oldest are dropped where too much waits, and counted`() {
        var limits = TracingLimits()
        limits.spoolWeightMax = 10
        let tracer = tracer(rate: 1, limits)
        for number in 0..<25 {
            tracer.startSpan("\(number)", context: tracer.recorded(nil)).end()
        }
        #expect(tracer.spool.recorded == 25 && tracer.spool.dropped == 15)
        #expect(tracer.spool.take(countMax: 4).map(\.name) == ["15", "16", "17", "18"])
        #expect(tracer.spool.waiting == 6)
        let heavy = tracer.startSpan("heavy", context: tracer.recorded(nil))
        heavy.link(to: (0..<8).map { _ in parent(sampled: true) })
        heavy.end()
        #expect(tracer.spool.take(countMax: 100).map(\.name) == ["24", "heavy"])
    }

    @Test func `what waits survives a restart, once`() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("spans-\(UInt32.random(in: 0 ... .max))").path
        let before = tracer(rate: 1)
        for number in 0..<3 {
            before.startSpan("\(number)", context: before.recorded(nil)).end()
        }
        try before.spool.save(to: path)
        let after = tracer(rate: 1)
        try after.spool.load(from: path)
        #expect(after.spool.take(countMax: 10).map(\.name) == ["0", "1", "2"])
        try after.spool.load(from: path)
        #expect(after.spool.waiting == 0)
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
