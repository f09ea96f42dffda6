import AgentCore
import AgentRuntime
import ArgumentParser
import Foundation
import LedgerCore
import Logging
import Synchronization

import struct FleetHarness.Deadline
import struct Workload.SplitMix64

/// What the agent side found, for the process that started it.
struct AgentSideResult: Codable, Sendable {
    var warmUp: Int
    /// Seconds from the first submission until all were accepted, and until all were acked.
    var acceptedAfter = 0.0
    var acknowledgedAfter = 0.0
    var transactionsPerSegment = 0.0
    var lagMedian = 0.0
    var lagMost = 0.0
    var backlogMost: UInt64 = 0
    var wireBytes: UInt64 = 0
    var logBytes: UInt64 = 0
    var processorSeconds = 0.0
    var residentBefore = 0.0
    var residentPeak = 0.0
}

/// The agent's half of the end-to-end benchmark, in a process of its own.
struct AgentSideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent-side", abstract: "Started by the end-to-end benchmark.",
        shouldDisplay: false)

    @Option var data: String
    @Option var broker: String
    @Option var warmUp: Int
    @Option var transactions: Int
    @Option var result: String
    /// Batches under way: one commits while the next is made.
    @Option var inFlight = 2

    mutating func run() async throws {
        var found = AgentSideResult(warmUp: warmUp)
        let feeder = Feed(ledgers: try Ledgers(), inFlight: inFlight)
        found.residentBefore = try ProcessUse.resident(getpid())
        let runtime = try AgentRuntime(
            AgentConfiguration(
                agent: try AgentID("bench"), ledger: "main", data: data,
                broker: AgentConfiguration.Broker(url: broker), softwareVersion: "benchmark"),
            logger: Logger(label: "agent")
        ) { reason in
            fatalError("the agent cannot go on: \(reason)")
        }
        runtime.start()
        try await until(runtime) { $0.phase == .streaming }
        try await feeder.send(warmUp, to: runtime)
        try await until(runtime) { $0.acknowledged == $0.head }
        try await measure(runtime, feeder, &found)
        found.transactionsPerSegment = try await segmentSize(runtime)
        found.residentPeak = try ProcessUse.residentPeak(getpid())
        guard runtime.stop() else { throw Implausible("the agent did not stop in time") }
        found.logBytes = try fileSize("\(data)/agent.db")
        try JSONEncoder().encode(found).write(to: URL(fileURLWithPath: result))
    }

    private func measure(
        _ runtime: AgentRuntime, _ feeder: Feed, _ found: inout AgentSideResult
    ) async throws {
        let port = UInt16(broker.split(separator: ":").last ?? "") ?? 0
        let wireBefore = WireUse.bytesSent(toPort: port)
        let processorBefore = try ProcessUse.processorSeconds(getpid())
        let watch = Task { try await LagWatch.run(runtime) }
        let start = monotonicNanoseconds()
        try await feeder.send(transactions, to: runtime)
        found.acceptedAfter = Double(monotonicNanoseconds() - start) / 1e9
        try await until(runtime) { $0.acknowledged == $0.head }
        found.acknowledgedAfter = Double(monotonicNanoseconds() - start) / 1e9
        watch.cancel()
        let lag = try await watch.value
        found.lagMedian = lag.median
        found.lagMost = lag.most
        found.backlogMost = lag.backlogMost
        found.processorSeconds = try ProcessUse.processorSeconds(getpid()) - processorBefore
        found.wireBytes = WireUse.bytesSent(toPort: port) - wireBefore
    }

    /// The mean of some segments along the log.
    private func segmentSize(_ runtime: AgentRuntime) async throws -> Double {
        let status = try await runtime.syncStatus()
        let samples = 20
        var sum = 0
        for sample in 1...samples {
            let sequence = UInt64(warmUp + transactions * sample / samples)
            let id = EventID(agent: status.agent, stream: status.stream, sequence: sequence)
            guard let journey = try await runtime.journey(id) else {
                throw Implausible("\(id) is not in the log")
            }
            sum += Int(journey.segmentCount)
        }
        return Double(sum) / Double(samples)
    }

    private func until(_ runtime: AgentRuntime, _ condition: (SyncStatus) -> Bool) async throws {
        let deadline = Deadline(in: .seconds(300))
        while try await !condition(runtime.syncStatus()) {
            if deadline.isPast {
                throw Implausible("not within five minutes: \(try await runtime.syncStatus())")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private func fileSize(_ path: String) throws -> UInt64 {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.size] as? NSNumber)?.uint64Value ?? 0
    }
}

/// Makes transactions and commits them, a thousand at a time.
struct Feed: Sendable {
    private static let batch = 1_000

    let ledgers: Ledgers
    let inFlight: Int

    /// Returns when all of them are durable.
    func send(_ count: Int, to runtime: AgentRuntime) async throws {
        let next = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<inFlight {
                group.addTask {
                    var random = SplitMix64(seed: UInt64(worker))
                    while let range = next.take(Feed.batch, of: count) {
                        var submissions: [Submission] = []
                        submissions.reserveCapacity(range.count)
                        for _ in range {
                            submissions.append(Submission(try ledgers.transaction(&random)))
                        }
                        let outcomes = try await runtime.commit(submissions)
                        guard outcomes.count == range.count, outcomes.allSatisfy(\.isAccepted)
                        else {
                            throw Implausible("a submission was not accepted")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

extension Outcome {
    fileprivate var isAccepted: Bool {
        if case .accepted = self { true } else { false }
    }
}

/// Hands out pieces of a number.
private final class Counter: Sendable {
    private let taken = Atomic<Int>(0)

    func take(_ count: Int, of total: Int) -> Range<Int>? {
        let (start, _) = taken.add(count, ordering: .relaxed)
        return start < total ? start..<min(start + count, total) : nil
    }
}

/// How far acknowledgements lag behind what was accepted.
enum LagWatch {
    private struct Sample {
        let at: UInt64
        let head: UInt64
        let acknowledged: UInt64
    }

    /// Seconds, and transactions.
    struct Lag: Sendable {
        var median = 0.0
        var most = 0.0
        var backlogMost: UInt64 = 0
    }

    /// Looks until it is cancelled, often enough to see and seldom enough not to disturb.
    static func run(_ runtime: AgentRuntime) async throws -> Lag {
        var samples: [Sample] = []
        while !Task.isCancelled {
            let status = try await runtime.syncStatus()
            samples.append(
                Sample(
                    at: monotonicNanoseconds(), head: status.head, acknowledged: status.acknowledged
                ))
            try? await Task.sleep(for: .milliseconds(20))
        }
        let status = try await runtime.syncStatus()
        samples.append(
            Sample(at: monotonicNanoseconds(), head: status.head, acknowledged: status.acknowledged)
        )
        return lag(samples)
    }

    /// What was the head in one sample was acked by the first later one that says so.
    private static func lag(_ samples: [Sample]) -> Lag {
        var lags: [Double] = []
        var answer = samples.startIndex
        for sample in samples {
            while answer < samples.count, samples[answer].acknowledged < sample.head { answer += 1 }
            guard answer < samples.count else { break }
            lags.append(Double(samples[answer].at - min(samples[answer].at, sample.at)) / 1e9)
        }
        lags.sort()
        return Lag(
            median: lags.isEmpty ? 0 : lags[lags.count / 2], most: lags.last ?? 0,
            backlogMost: samples.map { $0.head - min($0.head, $0.acknowledged) }.max() ?? 0)
    }
}
