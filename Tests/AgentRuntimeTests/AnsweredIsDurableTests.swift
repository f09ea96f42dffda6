import AgentCore
import AgentRuntime
import Foundation
import LedgerCore
import Logging
import PowerCutVFS
import SegmentStore
import SyncProtocol
import Synchronization
import TestSupport
import Testing

/// What the agent has answered must be on the disk. A kill proves nothing here, because the kernel
/// keeps what was written; so the power is cut, under a file system that drops what was not synced.
@Suite(.serialized) final class AnsweredIsDurableTests {
    /// The one name that a process registers it under.
    private static let vfs = "powercut"

    init() async {
        await Turn.atThePower.begin()
        let code = powercut_register(Self.vfs)
        precondition(code == 0, "registering the VFS failed: \(code)")
        powercut_reset()
    }

    deinit {
        Turn.atThePower.end()
    }

    private static func configuration(
        _ folder: String, _ synchronous: LogOptions.Synchronous
    ) throws -> AgentConfiguration {
        var configuration = AgentConfiguration(
            agent: try AgentID("till-1"), ledger: "main", data: folder, broker: nil,
            softwareVersion: "test")
        configuration.log.vfs = vfs
        configuration.log.synchronous = synchronous
        configuration.log.readersMax = 2
        // Small, so that the log is copied and started over many times in one run.
        configuration.log.checkpointPages = 24
        configuration.log.checkpointPagesMax = 48
        configuration.limits.segmentsPerCheckpoint = 10
        return configuration
    }

    private static func request(_ number: Int) throws -> ClientRequest {
        let posting = Posting(
            source: try AccountAddress("customers:\(number % 50)"),
            destination: try AccountAddress("sales"), asset: try Asset("EUR/2"),
            amount: try Amount(Int64(number + 1)))
        return ClientRequest(form: RequestForm(postings: [posting]), key: "request-\(number)")
    }

    private static func scratchFolder() -> String {
        NSTemporaryDirectory() + "tributary-power-\(UUID().uuidString)"
    }

    /// Lets four clients record until the power fails, and says what each was answered.
    private static func run(
        _ folder: String, _ synchronous: LogOptions.Synchronous, powerFails: Int64
    ) async throws -> [Int: EventID] {
        let runtime = try AgentRuntime(
            try configuration(folder, synchronous), logger: quiet, onBroken: { _ in })
        powercut_after(powerFails)
        let answered = try await withThrowingTaskGroup(of: [Int: EventID].self) { group in
            for client in 0..<4 {
                group.addTask { try await record(runtime, client) }
            }
            return try await group.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
        powercut_after(0)
        runtime.stop()
        return answered
    }

    private static func record(
        _ runtime: AgentRuntime, _ client: Int
    ) async throws -> [Int: EventID] {
        var answered: [Int: EventID] = [:]
        for round in 0..<60 {
            let number = client * 1000 + round
            let request = try request(number)
            do throws(ServiceFailure) {
                let answers = try await runtime.record([request])
                if case .accepted(let transaction) = answers[0] {
                    answered[number] = transaction.id
                }
            } catch {
                return answered
            }
        }
        return answered
    }

    /// How many answered requests are not there after the power has come back; nil where the agent
    /// cannot even start.
    private static func lost(_ folder: String, _ answered: [Int: EventID]) async throws -> Int? {
        var configuration = try configuration(folder, .full)
        configuration.log.vfs = nil
        let runtime: AgentRuntime
        do {
            runtime = try AgentRuntime(configuration, logger: quiet, onBroken: { _ in })
        } catch {
            return nil
        }
        defer { runtime.stop() }
        var missing = 0
        for (number, id) in answered {
            let expected = try request(number).form.transaction()
            let found = try? await runtime.transaction(id)
            if found?.event.transaction != expected { missing += 1 }
        }
        return missing
    }

    private static var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `everything answered before a power cut is there after it`(seed: UInt64) async throws {
        let folder = Self.scratchFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let answered = try await Self.run(folder, .full, powerFails: Int64(20 + seed * 23))
        #expect(powercut_restore(seed % 2 == 0 ? POWERCUT_DROP : POWERCUT_SUBSET, seed) == 0)
        #expect(!answered.isEmpty, "seed \(seed)")
        #expect(try await Self.lost(folder, answered) == 0, "seed \(seed)")
    }

    /// The proof that the test above can fail.
    @Test(arguments: [LogOptions.Synchronous.off, .normal])
    func `with less synchronisation the same test finds a loss`(
        synchronous: LogOptions.Synchronous
    ) async throws {
        var runsWithLoss = 0
        for seed in 1...20 as ClosedRange<UInt64> {
            powercut_reset()
            let folder = Self.scratchFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let answered = try await Self.run(
                folder, synchronous, powerFails: Int64(20 + seed * 23))
            #expect(powercut_restore(POWERCUT_DROP, seed) == 0)
            if try await Self.lost(folder, answered) != 0 { runsWithLoss += 1 }
        }
        #expect(runsWithLoss > 0)
    }

    @Test func `a sync precedes every answer, and leaves nothing of the log unsynced`()
        async throws
    {
        let folder = Self.scratchFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let runtime = try AgentRuntime(
            try Self.configuration(folder, .full), logger: Self.quiet, onBroken: { _ in })
        defer { runtime.stop() }
        for number in 0..<100 {
            let before = powercut_syncs("-wal")
            let answers = try await runtime.record([try Self.request(number)])
            #expect(powercut_syncs("-wal") > before)
            #expect(powercut_unsynced("-wal") == 0)
            guard case .accepted = answers[0] else {
                Issue.record("request \(number) was not accepted: \(answers)")
                return
            }
        }
    }
}
