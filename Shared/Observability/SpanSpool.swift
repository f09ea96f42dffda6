import Foundation
import OTLP
import SwiftProtobuf
import Synchronization

/// Spans that have ended and wait to be sent or stored: bounded, the oldest dropped first, and counted.
///
/// Whoever records never waits for whoever ships.
package final class SpanSpool: Sendable {
    private struct State {
        var spans: [OTLPSpan] = []
        /// Of the first that still waits: those before it are taken, or dropped.
        var first = 0
        var weight = 0
        var recorded: UInt64 = 0
        var dropped: UInt64 = 0

        mutating func removeFirst() -> OTLPSpan {
            let span = spans[first]
            weight -= span.weight
            first += 1
            // Moved together rarely, so that each span is moved once on the average.
            if first > 1024, first * 2 > spans.count {
                spans.removeFirst(first)
                first = 0
            }
            return span
        }
    }

    private let weightMax: Int
    private let state = Mutex(State())

    package init(limits: TracingLimits = TracingLimits()) {
        weightMax = limits.spoolWeightMax
    }

    package func add(_ span: OTLPSpan) {
        state.withLock { state in
            state.recorded += 1
            state.spans.append(span)
            state.weight += span.weight
            while state.weight > weightMax {
                _ = state.removeFirst()
                state.dropped += 1
            }
        }
    }

    /// The oldest that wait, in order.
    ///
    /// - Parameter byteCountMax: what they may take together, encoded; one span may always go.
    package func take(countMax: Int, byteCountMax: Int = .max) -> [OTLPSpan] {
        var taken: [OTLPSpan] = []
        var bytes = 0
        while taken.count < countMax, bytes < byteCountMax,
            let next = state.withLock({ state in
                state.first < state.spans.count ? state.removeFirst() : nil
            })
        {
            bytes += next.byteCountBound
            taken.append(next)
        }
        return taken
    }

    /// What could not be sent waits again. It counts as the newest.
    package func putBack(_ spans: [OTLPSpan]) {
        for span in spans { add(span) }
        state.withLock { $0.recorded -= UInt64(spans.count) }
    }

    package var waiting: Int { state.withLock { $0.spans.count - $0.first } }
    /// Since the start of the process.
    package var recorded: UInt64 { state.withLock { $0.recorded } }
    package var dropped: UInt64 { state.withLock { $0.dropped } }
}

extension SpanSpool {
    /// Writes what waits to a file, so that it survives a restart. Telemetry, so without a sync: a
    /// crash loses it.
    package func save(to path: String) throws {
        let spans = take(countMax: .max)
        guard !spans.isEmpty else { return }
        let traces = OTLPTraces([OTLPResourceSpans(resource: OTLPResource(), spans: spans)])
        let data: Data = try traces.serializedBytes()
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// Takes in what an earlier process has left, and removes the file.
    package func load(from path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        try FileManager.default.removeItem(atPath: path)
        for resource in try OTLPTraces(serializedBytes: data).resourceSpans {
            putBack(resource.spans)
        }
    }
}

extension OTLPSpan {
    fileprivate var weight: Int { 1 + links.count + events.count }

    /// Roughly what it takes, encoded; a little more rather than less for what we write.
    fileprivate var byteCountBound: Int {
        let texts = attributes.reduce(name.utf8.count + traceState.utf8.count) { sum, attribute in
            guard case .string(let text)? = attribute.value.value else { return sum + 48 }
            return sum + 48 + text.utf8.count
        }
        return 128 + texts + links.count * 64 + events.count * 128
    }
}
