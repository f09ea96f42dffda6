import FleetHarness
import Foundation
import Synchronization
import Testing
import Workload

extension IntegrationTests {
    @Suite struct KillTests {
        private static let kills = 50

        @Test func `every commit answered 2xx survives SIGKILL at any moment, and is merged once`()
            async throws
        {
            let seed = UInt64.random(in: 0 ... .max)
            print("kills: seed \(seed)")
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                var random = SplitMix64(seed: seed)
                let load = Load(agent.client, writers: 4, seed: seed)
                load.start()
                var checked = 0
                for _ in 0..<Self.kills {
                    load.allow(more: 400)
                    let before = load.answered
                    let step: Duration = .milliseconds(1)
                    try waitUntil("answers under load", within: .seconds(20), every: step) {
                        load.answered > before
                    }
                    let moment = Deadline(in: .microseconds(random.below(50_000)))
                    try waitUntil("a random moment", within: .seconds(1), every: step) {
                        moment.isPast
                    }
                    agent.daemon.process.kill()
                    let promised = load.promises
                    try agent.daemon.start()
                    try expectKept(promised[checked...], by: agent)
                    try expectRepeatedAnswers(promised, by: agent, &random)
                    checked = promised.count
                }
                let promises = try load.finish()
                print("kills: \(Self.kills), and \(promises.count) answers to keep")
                #expect(Set(promises.map(\.id)).count == promises.count)
                try expectKept(promises[...], by: agent)
                try fleet.expectConvergence(with: Oracle(promises.map(\.operation)))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        /// What was promised since the last kill is there, under its id and as it was sent.
        private func expectKept(_ promises: ArraySlice<Promise>, by agent: AgentNode) throws {
            for promise in promises {
                let response = try agent.client.http.get("/v1/transactions/\(promise.id)")
                let kept = response.status == 200
                #expect(kept, "\(promise.id) was answered 2xx, and now \(response.text)")
                guard kept else { continue }
                let difference = promise.operation.difference(from: try response.json())
                #expect(difference == nil, "\(promise.id)")
            }
        }

        private func expectRepeatedAnswers(
            _ promises: [Promise], by agent: AgentNode, _ random: inout SplitMix64
        ) throws {
            for _ in 0..<10 where !promises.isEmpty {
                let promise = promises[random.below(promises.count)]
                let receipt = try agent.client.post(promise.operation)
                #expect(receipt?.status == 200)
                #expect(receipt?.transaction?.id == promise.id)
            }
        }
    }
}

/// What an agent has answered 2xx to.
private struct Promise: Sendable {
    var operation: Workload.Operation
    var id: String
}

/// Writers that send single transactions and batches, each under its own key, and the same again until there is an
/// answer.
private final class Load: Sendable {
    private struct State {
        var promises: [Promise] = []
        var refusals: [String] = []
        var next = 0
        var allowed = 0
        var isEnding = false
    }

    /// An agent that does not answer for so long has failed.
    private static let patience: Duration = .seconds(30)

    private let agent: AgentClient
    private let writers: Int
    private let seed: UInt64
    private let state = Mutex(State())
    private let working = DispatchGroup()

    init(_ agent: AgentClient, writers: Int, seed: UInt64) {
        self.agent = agent
        self.writers = writers
        self.seed = seed
    }

    var promises: [Promise] { state.withLock { $0.promises } }
    var answered: Int { state.withLock { $0.promises.count } }

    /// So many operations may be sent from now on, beside those that wait for an answer: what is promised while a
    /// round is checked must not outgrow the checking.
    func allow(more count: Int) {
        state.withLock { $0.allowed = $0.next + count }
    }

    func start() {
        for writer in 0..<writers {
            working.enter()
            let thread = Thread { [self] in
                write(writer)
                working.leave()
            }
            thread.start()
        }
    }

    /// Lets each writer get its last answer, and gives back all of them.
    func finish() throws -> [Promise] {
        state.withLock { $0.isEnding = true }
        guard working.wait(timeout: .now() + Self.patience.inSeconds + 10) == .success else {
            throw TimedOut(what: "the writers' end", limit: Self.patience)
        }
        let state = state.withLock { $0 }
        #expect(state.refusals == [])
        return state.promises
    }

    private func write(_ writer: Int) {
        var random = SplitMix64(seed: seed &+ UInt64(writer))
        while true {
            let isSingle = random.once(in: 2)
            do {
                let count = isSingle ? 1 : 2 + random.below(20)
                let step: Duration = .milliseconds(1)
                let operations = try wait(for: "a permit", within: Self.patience, every: step) {
                    take(count)
                }
                guard !operations.isEmpty else { return }
                let receipts = try wait(for: "an answer", within: Self.patience) {
                    isSingle
                        ? try agent.post(operations[0]).map { [$0] }
                        : try agent.postBatch(operations)
                }
                keep(operations, receipts)
            } catch {
                state.withLock { $0.refusals.append("\(error)") }
                return
            }
        }
    }

    /// Nil where no more may be sent now, and none where it is over.
    private func take(_ count: Int) -> [Workload.Operation]? {
        state.withLock { state in
            if state.isEnding { return [] }
            guard state.next < state.allowed else { return nil }
            defer { state.next += count }
            return (state.next..<(state.next + count)).map { Workload.Operation.sale($0) }
        }
    }

    private func keep(_ operations: [Workload.Operation], _ receipts: [Receipt]) {
        state.withLock { state in
            for (operation, receipt) in zip(operations, receipts) {
                if receipt.isAccepted, let id = receipt.transaction?.id {
                    state.promises.append(Promise(operation: operation, id: id))
                } else {
                    state.refusals.append("\(receipt)")
                }
            }
        }
    }
}
