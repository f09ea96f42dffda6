import AgentRuntime
import Foundation
import Logging
import Testing

/// What an application that embeds an agent can do, with nothing but the public interface.
@Suite struct EmbeddedAgentTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "tributary-embedded-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private func sale(_ amount: Int64, key: String? = nil) -> EmbeddedAgent.Transfer {
        EmbeddedAgent.Transfer(
            postings: [.init(from: "customers:1", to: "sales", asset: "EUR/2", amount: amount)],
            idempotencyKey: key)
    }

    @Test func `what was recorded is there after a new start, and its key answers the same id`()
        async throws
    {
        try await withFolder { folder in
            let configuration = EmbeddedAgent.Configuration(id: "till-1", dataFolder: folder)
            let first = try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            let recorded = try await first.record([sale(1250, key: "a"), sale(50)])
            guard case .recorded(let id, false) = recorded[0] else {
                Issue.record("not recorded: \(recorded)")
                return
            }
            #expect(try await first.balance(of: "sales", asset: "EUR/2") == 1300)
            #expect(first.backlog == 2)
            first.stop()

            let second = try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            #expect(try await second.balance(of: "customers:1", asset: "EUR/2") == -1300)
            let again = try await second.record([sale(1250, key: "a")])
            #expect(again == [.recorded(id: id, isRepeated: true)])
            let other = try await second.record([sale(1251, key: "a")])
            #expect(
                other == [
                    .refused(
                        reason: "the idempotency key belongs to another request, which became \(id)"
                    )
                ])
            #expect(try await second.balance(of: "sales", asset: "EUR/2") == 1300)
            second.stop()
        }
    }

    @Test func `a transfer that breaks a rule is refused in words, and the others are recorded`()
        async throws
    {
        try await withFolder { folder in
            let agent = try EmbeddedAgent(
                .init(id: "till-1", dataFolder: folder), logger: Logger(label: "test"))
            let outcomes = try await agent.record([sale(0), sale(1)])
            #expect(
                outcomes[0]
                    == .refused(
                        reason: "an amount is a whole number from 1 to \(Int64.max), not 0"))
            #expect(outcomes[1] != outcomes[0])
            #expect(agent.backlog == 1)
            agent.stop()
        }
    }

    @Test func `a group is recorded all or none, and repeated as a whole after a new start`()
        async throws
    {
        try await withFolder { folder in
            let configuration = EmbeddedAgent.Configuration(id: "till-1", dataFolder: folder)
            let first = try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            let group = [sale(10), sale(20), sale(30)]
            let refused = try await first.record(group: group + [sale(0)], idempotencyKey: "day")
            #expect(
                refused
                    == .refused(reasons: [
                        "transfers[3]: an amount is a whole number from 1 to \(Int64.max), not 0"
                    ]))
            #expect(first.backlog == 0)
            guard
                case .recorded(let ids, false) = try await first.record(
                    group: group, idempotencyKey: "day")
            else {
                Issue.record("not recorded")
                return
            }
            #expect(ids.count == 3)
            first.stop()

            let second = try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            #expect(try await second.balance(of: "sales", asset: "EUR/2") == 60)
            let again = try await second.record(group: group, idempotencyKey: "day")
            #expect(again == .recorded(ids: ids, isRepeated: true))
            let other = try await second.record([
                EmbeddedAgent.Transfer(postings: group[0].postings, idempotencyKey: "day")
            ])
            let isRefused = if case .refused = other[0] { true } else { false }
            #expect(isRefused, "\(other)")
            #expect(second.backlog == 3)
            second.stop()
        }
    }

    @Test func `a folder in use is refused with the process that has it`() async throws {
        try await withFolder { folder in
            let configuration = EmbeddedAgent.Configuration(id: "till-1", dataFolder: folder)
            let agent = try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            defer { agent.stop() }
            #expect {
                try EmbeddedAgent(configuration, logger: Logger(label: "test"))
            } throws: { error in
                "\(error)".hasSuffix("is in use by process \(getpid())")
            }
        }
    }
}
