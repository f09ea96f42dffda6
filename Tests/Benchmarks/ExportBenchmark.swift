import FleetHarness
import Foundation

import struct Workload.SplitMix64

/// The search's export, behind the whole path: transactions in through one agent, merged, made into rows, and streamed
/// out as lines; and a rebuild of the rows, to know what they cost.
enum ExportBenchmark {
    private static let batch = 1_000

    static func measure(_ plan: Plan) throws -> [Figure] {
        let count = plan.isQuick ? 20_000 : 1_000_000
        let site = try Site(plan, "export")
        defer { site.end() }
        let aggregator = try site.startAggregator()
        let agent = try site.startAgent()
        let start = monotonicNanoseconds()
        try fill(agent, count)
        let accepted = monotonicNanoseconds()
        try waitUntilIndexed(aggregator, count)
        let indexed = monotonicNanoseconds()
        let export = try Export(port: aggregator.port)
        let lines = try export.run()
        guard lines == count else {
            throw Implausible("\(count) are in the ledger, and \(lines) came out")
        }
        let peak = try ProcessUse.residentPeak(aggregator.pid())
        let agentPeak = try ProcessUse.residentPeak(agent.pid())
        let bytes = try rowBytes(aggregator)
        let rebuild = try rebuild(aggregator, count)
        return [
            figure(
                "accepted", Double(count) / seconds(start, accepted), "tx/s",
                note: "\(count) transactions through one agent, \(batch) a request"),
            figure(
                "rows behind the last accepted", seconds(accepted, indexed), "s",
                note: "merged, and made into rows"),
            figure("rows", Double(bytes) / Double(count), "B/tx", "≤ 150", "the database file"),
            figure(
                "rows rebuilt", Double(count) / rebuild.seconds, "tx/s", "≥ 150000",
                "\(String(format: "%.1f", rebuild.processorSeconds / Double(count) * 1e6)) µs/tx of a processor"
            ),
            figure(
                "exported", Double(count) / export.seconds, "tx/s", note: "as NDJSON, by one client"
            ),
            figure("exported bytes", Double(export.byteCount) / export.seconds / 1e6, "MB/s"),
            figure("aggregator RSS peak", peak / 1e6, "MB", "≤ 150", "up to the end of the export"),
            figure("agent RSS peak", agentPeak / 1e6, "MB", "≤ 150"),
        ]
    }

    private static func figure(
        _ name: String, _ value: Double, _ unit: String, _ goal: String? = nil,
        _ note: String? = nil
    ) -> Figure { Figure(.export, name, value, unit, goal: goal, note: note) }

    private static func figure(
        _ name: String, _ value: Double, _ unit: String, note: String
    ) -> Figure { figure(name, value, unit, nil, note) }

    private static func seconds(_ start: UInt64, _ end: UInt64) -> Double {
        Double(end - start) / 1e9
    }

    /// One client, one batch after the other.
    private static func fill(_ agent: DaemonProcess, _ count: Int) throws {
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 6)
        for _ in 0..<count / batch {
            let items = try (0..<batch).map { _ in try ledgers.json(&random) }
            let body = "{\"transactions\":[\(items.joined(separator: ","))]}"
            let answer = try agent.http.post("/v1/transactions/batch", Array(body.utf8))
            guard answer.status == 200 else { throw Implausible("a batch: \(answer.status)") }
        }
        guard try agent.head() == count else {
            throw Implausible("\(count) were sent, and the log has \(try agent.head())")
        }
    }

    private static func waitUntilIndexed(_ aggregator: DaemonProcess, _ count: Int) throws {
        try waitUntil("the rows of \(count)", within: .seconds(300)) {
            let ledger = try aggregator.http.json("/v1/ledger")
            return ledger["transactions"].int == count
                && ledger["indexed_through"] == ledger["position"]
        }
    }

    /// The file and what its write-ahead log has beyond it.
    private static func rowBytes(_ aggregator: DaemonProcess) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(
            atPath: "\(aggregator.data)/projection.db")
        return (attributes[.size] as? NSNumber)?.intValue ?? 0
    }

    /// Deletes the rows under the running aggregator, and waits until they are back.
    private static func rebuild(
        _ aggregator: DaemonProcess, _ count: Int
    ) throws -> (seconds: Double, processorSeconds: Double) {
        let before = try ProcessUse.processorSeconds(aggregator.pid())
        let start = monotonicNanoseconds()
        try FileManager.default.removeItem(atPath: "\(aggregator.data)/projection.db")
        try waitUntil("a rebuild begun", within: .seconds(10), every: .milliseconds(5)) {
            let ledger = try aggregator.http.json("/v1/ledger")
            return ledger["indexed_through"] != ledger["position"]
        }
        try waitUntilIndexed(aggregator, count)
        return (
            seconds(start, monotonicNanoseconds()),
            try ProcessUse.processorSeconds(aggregator.pid()) - before
        )
    }
}

/// Reads an export as it comes, and keeps nothing of it.
private final class Export {
    private enum State {
        case head
        case size
        case chunk(remaining: Int)
        case trailer
        case end
    }

    private let descriptor: Int32
    private var state = State.head
    private var line: [UInt8] = []
    private var lines = 0
    private(set) var byteCount = 0
    private(set) var seconds = 0.0

    init(port: UInt16) throws {
        descriptor = try Loopback.connect(port: port, timeout: .seconds(60))
    }

    deinit { close(descriptor) }

    func run() throws -> Int {
        let start = monotonicNanoseconds()
        let request = Array(
            "GET /v1/transactions HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"
                .utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw Implausible("send: errno \(errno)")
        }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            if case .end = state { break }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw Implausible("the export ended early: errno \(errno)") }
            try take(buffer[..<count])
        }
        seconds = Double(monotonicNanoseconds() - start) / 1e9
        return lines
    }

    /// Chunks (RFC 9112, section 7.1).
    private func take(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while let byte = rest.first {
            switch state {
            case .chunk(let remaining):
                let part = rest.prefix(remaining)
                for byte in part where byte == UInt8(ascii: "\n") { lines += 1 }
                byteCount += part.count
                rest = rest.dropFirst(part.count)
                state = part.count == remaining ? .size : .chunk(remaining: remaining - part.count)
            case .head, .size, .trailer:
                rest = rest.dropFirst()
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    continue
                }
                try endLine()
            case .end: throw Implausible("bytes behind the export")
            }
        }
    }

    private func endLine() throws {
        let text = String(decoding: line.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        switch state {
        case .head:
            if text.hasPrefix("HTTP/"), !text.contains(" 200 ") { throw Implausible(text) }
            if text.isEmpty { state = .size }
        case .size where text.isEmpty: break
        case .size:
            guard let size = Int(text, radix: 16) else { throw Implausible("chunk size \(text)") }
            state = size > 0 ? .chunk(remaining: size) : .trailer
        case .trailer: if text.isEmpty { state = .end }
        case .chunk, .end: break
        }
    }
}
