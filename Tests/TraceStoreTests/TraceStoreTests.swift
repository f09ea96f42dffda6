import Foundation
import LedgerCore
import OTLP
import Observability
import TestSupport
import Testing
import TraceStore

@Suite struct TraceStoreTests {
    private static let now = Timestamp(microseconds: 1_760_000_000_000_000)

    private func withStore(
        _ limits: TraceStoreLimits = TraceStoreLimits(), _ body: (TraceStore) throws -> Void
    ) throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("traces-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try TraceStore(
            path: folder.appendingPathComponent("traces.db").path, limits: limits)
        try body(store)
        try store.close()
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `what is found is what a dictionary would find`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let streams = (0..<3).map { _ in random.streamTag() }
        try withStore { store in
            var model: [Data: [Data: OTLPSpan]] = [:]
            for _ in 0..<20 {
                let spans = (0..<random.below(20)).map { _ in random.span(of: streams) }
                // Some come twice.
                try store.insert(
                    spans + spans.prefix(2), service: "agent", instance: "a", now: Self.now)
                for span in spans where model[span.traceID]?[span.spanID] == nil {
                    model[span.traceID, default: [:]][span.spanID] = span
                }
            }
            for (id, spans) in model {
                let found = try store.trace([UInt8](id))
                #expect(Set(found.map(\.span)) == Set(spans.values), "seed \(seed)")
                #expect(found.map(\.span.start) == found.map(\.span.start).sorted())
            }
            let all = model.values.flatMap(\.values)
            for stream in streams {
                for sequence in stride(from: UInt64(0), to: 120, by: 7) {
                    let about = all.filter {
                        $0.isAbout(stream, sequence)
                    }
                    let found = try store.traces(stream: stream, sequence: sequence)
                    #expect(
                        Set(found) == Set(about.map { [UInt8]($0.traceID) }), "seed \(seed)")
                    #expect(Set(found).count == found.count)
                }
            }
            #expect(try store.size().spans == model.values.reduce(0) { $0 + $1.count })
            #expect(try store.trace([UInt8](repeating: 200, count: 16)) == [])
        }
    }

    @Test func `what is too old goes, and what is not too old stays`() throws {
        var limits = TraceStoreLimits()
        limits.age = 1_000_000
        var random = SplitMix64(seed: 1)
        try withStore(limits) { store in
            let old = random.span(of: [])
            let new = random.span(of: [])
            try store.insert([old], service: "s", instance: "i", now: Self.now)
            let later = Self.now.advanced(byMicroseconds: 900_000)
            try store.insert([new], service: "s", instance: "i", now: later)
            #expect(try store.prune(now: Self.now.advanced(byMicroseconds: 1_000_000)) == 0)
            #expect(try store.prune(now: Self.now.advanced(byMicroseconds: 1_000_001)) == 1)
            #expect(try store.trace([UInt8](old.traceID)) == [])
            #expect(try store.trace([UInt8](new.traceID)).map(\.span) == [new])
        }
    }

    @Test func `the oldest go where all together take too much`() throws {
        var limits = TraceStoreLimits()
        limits.byteCountMax = 200_000
        limits.spansPerPruneMax = 100
        var random = SplitMix64(seed: 2)
        try withStore(limits) { store in
            var last = OTLPSpan()
            for _ in 0..<20 {
                var spans = (0..<100).map { _ in random.span(of: []) }
                for index in spans.indices {
                    spans[index].name = String(repeating: "x", count: 200)
                }
                last = spans[99]
                try store.insert(spans, service: "s", instance: "i", now: Self.now)
                try store.prune(now: Self.now)
            }
            let size = try store.size()
            #expect(size.bytes <= 250_000)
            #expect(size.spans < 1500 && size.spans > 100)
            #expect(try store.trace([UInt8](last.traceID)).count == 1)
        }
    }

    @Test func `a span without its ids is passed over`() throws {
        var span = OTLPSpan()
        span.traceID = Data(repeating: 0, count: 16)
        span.spanID = Data(repeating: 1, count: 8)
        var short = span
        short.traceID = Data(repeating: 1, count: 15)
        try withStore { store in
            let count = try store.insert(
                [span, short], service: "s", instance: "i", now: Self.now)
            #expect(count == 0)
        }
    }

    @Test func `a file that is no database is refused by its name`() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("no-traces-\(UInt32.random(in: 0 ... .max))").path
        try Data(repeating: 7, count: 4096).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        do throws(TraceStore.Failure) {
            _ = try TraceStore(path: path)
            Issue.record("it was opened")
        } catch {
            #expect(error.description.contains(path))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(repeating: 7, count: 4096))
    }
}

extension SplitMix64 {
    fileprivate mutating func span(of streams: [StreamTag]) -> OTLPSpan {
        var span = OTLPSpan()
        // Few traces, so that some have several spans.
        span.traceID = Data([UInt8](repeating: UInt8(1 + below(30)), count: 16))
        if streams.isEmpty { span.traceID = Data(bytes(16)) }
        span.spanID = Data(bytes(8))
        span.name = "span"
        span.start = UInt64(below(1_000_000)) * 1_000
        span.end = span.start + UInt64(below(1000))
        if !streams.isEmpty, oneIn(2) {
            let first = Int64(below(100))
            span.attributes = [
                OTLPKeyValue(TraceAttribute.stream, .string(streams[below(3)].description)),
                OTLPKeyValue(TraceAttribute.first, .int(first)),
                OTLPKeyValue(TraceAttribute.last, .int(first + Int64(below(20)))),
            ]
        }
        return span
    }
}

extension OTLPSpan {
    fileprivate func isAbout(_ stream: StreamTag, _ sequence: UInt64) -> Bool {
        guard attributes.string(TraceAttribute.stream) == stream.description,
            let first = attributes.int(TraceAttribute.first),
            let last = attributes.int(TraceAttribute.last)
        else { return false }
        return first <= Int64(sequence) && Int64(sequence) <= last
    }
}
