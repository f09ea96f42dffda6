import FleetHarness
import Foundation
import Synchronization

import struct Workload.SplitMix64

/// A million transactions as NDJSON through one agent, on one request: a line each, and a result a line, durable
/// before it comes. What it shows is the memory: the stream has no limit, the agent has.
enum LinesBenchmark {
    private static let linesPerChunk = 1_000
    private static let distinctChunks = 32

    static func measure(_ plan: Plan) throws -> [Figure] {
        let count = plan.isQuick ? 20_000 : 1_000_000
        let site = try Site(plan, "ndjson-in")
        defer { site.end() }
        let agent = try site.startAgent()
        let chunks = try chunks()
        let before = try ProcessUse.residentPeak(agent.pid())
        let processorBefore = try ProcessUse.processorSeconds(agent.pid())
        let start = monotonicNanoseconds()
        let stream = try LineStream(port: agent.port)
        let sender = Sender(stream, chunks, count)
        sender.start()
        var results = 0
        let accepted = Array(#""status":201,"#.utf8)
        try stream.results { line in
            results += 1
            guard line.dropFirst(#"{"line":,"#.utf8.count).prefix(32).contains(accepted) else {
                throw Implausible("a result: \(String(decoding: line.prefix(400), as: UTF8.self))")
            }
        }
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        try sender.finish()
        let processor = try ProcessUse.processorSeconds(agent.pid()) - processorBefore
        let head = try agent.head()
        guard results == count, head == count else {
            throw Implausible("\(count) lines, \(results) results, and the log has \(head)")
        }
        return [
            Figure(
                .ndjsonIn, "transactions", Double(count) / seconds, "tx/s",
                note: "\(count) on one request, each answered when durable"),
            Figure(
                .ndjsonIn, "agent processor time", processor / Double(count) * 1e6, "µs/tx"),
            Figure(
                .ndjsonIn, "agent RSS peak", try ProcessUse.residentPeak(agent.pid()) / 1e6, "MB",
                goal: "≤ 150", note: "VmHWM; \(Int(before / 1e6)) MB before the first line"),
        ]
    }

    private static func chunks() throws -> [[UInt8]] {
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 7)
        return try (0..<distinctChunks).map { _ in
            let lines = try (0..<linesPerChunk).map { _ in try ledgers.json(&random) + "\n" }
            return Array(lines.joined().utf8)
        }
    }

    /// Sends on a thread of its own, because results must be read meanwhile.
    private final class Sender: Sendable {
        private let stream: LineStream
        private let chunks: [[UInt8]]
        private let count: Int
        private let failure = Mutex<String?>(nil)
        private let done = DispatchSemaphore(value: 0)

        init(_ stream: LineStream, _ chunks: [[UInt8]], _ count: Int) {
            self.stream = stream
            self.chunks = chunks
            self.count = count
        }

        func start() {
            Thread.detachNewThread { [self] in
                do {
                    for index in 0..<count / linesPerChunk {
                        try stream.send(chunks[index % chunks.count])
                    }
                    try stream.end()
                } catch {
                    failure.withLock { $0 = "\(error)" }
                }
                done.signal()
            }
        }

        func finish() throws {
            done.wait()
            if let failure = failure.withLock({ $0 }) { throw Implausible("sending: \(failure)") }
        }
    }
}
