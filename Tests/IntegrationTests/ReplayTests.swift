import FleetHarness
import Testing
import Workload

extension IntegrationTests {
    @Suite struct ReplayTests {
        @Test(arguments: [1, 20_261_121] as [UInt64])
        func `a market day full of kills, cuts, stalls and broker restarts ends as the oracle says`(
            seed: UInt64
        ) async throws {
            print("replay: seed \(seed)")
            let day = MarketDay(seed: seed, stores: 3, customers: 100, visits: 6_000)
            try await withRunningFleet(agents: day.nodes) { fleet in
                let operations = Array(day)
                var replay = Replay(fleet: fleet, operations: operations, seed: seed)
                try replay.play()
                try fleet.expectConvergence(with: Oracle(operations))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }
    }
}

/// Feeds a day to its agents, and disturbs them while it lasts.
private struct Replay {
    private enum Disturbance: CaseIterable {
        case killAgent, killAggregator, cut, stall, restartBroker
    }

    private static let disturbancesOfEachKind = 4
    /// The feeding alone lasts so long: time for all disturbances.
    private static let length: Duration = .seconds(10)

    private let fleet: Fleet
    private let feeders: [Feeder]
    private var random: SplitMix64

    init(fleet: Fleet, operations: [Workload.Operation], seed: UInt64) {
        self.fleet = fleet
        random = SplitMix64(seed: seed)
        feeders = fleet.agents.map { agent in
            let part = operations.filter { $0.node == agent.id }
            return Feeder(agent.client, part, batch: 20) { Self.length * $0 / part.count }
        }
    }

    mutating func play() throws {
        for feeder in feeders { feeder.start() }
        defer { for feeder in feeders { feeder.stop() } }
        let schedule = (0..<Self.disturbancesOfEachKind).flatMap { _ in
            Disturbance.allCases.shuffled(using: &random)
        }
        for disturbance in schedule {
            try waitForMore(than: accepted, by: random.below(100))
            try disturb(disturbance)
        }
        for feeder in feeders {
            let progress = try feeder.wait(within: .seconds(90))
            #expect(progress.failure == nil)
            #expect(progress.refusals == [])
            #expect(progress.accepted == feeder.total)
        }
    }

    private var accepted: Int { feeders.reduce(0) { $0 + $1.progress.accepted } }

    private mutating func disturb(_ disturbance: Disturbance) throws {
        let index = random.below(fleet.agents.count)
        let agent = fleet.agents[index]
        switch disturbance {
        case .killAgent: try agent.daemon.killAndRestart()
        case .killAggregator: try fleet.aggregator.daemon.killAndRestart()
        case .restartBroker: try fleet.broker.killAndRestart()
        case .cut:
            agent.link.cut()
            defer { agent.link.heal() }
            try waitForMore(than: feeders[index].progress.accepted, by: 100, at: index)
        case .stall:
            agent.link.stall()
            defer { agent.link.heal() }
            try waitForMore(than: feeders[index].progress.accepted, by: 100, at: index)
        }
    }

    /// Disturbed or not, the fleet accepts: that is what it is for. Ends, too, when all is fed.
    private func waitForMore(than before: Int, by count: Int) throws {
        try waitUntil("\(count) more accepted", within: .seconds(30), every: .milliseconds(5)) {
            accepted >= before + count || feeders.allSatisfy(\.progress.isOver)
        }
    }

    private func waitForMore(than before: Int, by count: Int, at index: Int) throws {
        let feeder = feeders[index]
        try waitUntil("\(count) more accepted offline", within: .seconds(30)) {
            feeder.progress.accepted >= before + count || feeder.progress.isOver
        }
    }
}
