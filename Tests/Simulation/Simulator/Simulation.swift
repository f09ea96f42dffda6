/// What a run is a function of, and of nothing else.
package struct RunInput: Hashable, Sendable {
    package var seed: UInt64
    /// Only these faults happen; nil for all that the seed has.
    package var only: Set<FaultID>?
    /// Of the clients that the seed has, so many.
    package var clientsMax: Int?
    /// The run is ended there, whatever may follow.
    package var stepsMax: Int?

    package init(
        seed: UInt64, only: Set<FaultID>? = nil, clientsMax: Int? = nil, stepsMax: Int? = nil
    ) {
        self.seed = seed
        self.only = only
        self.clientsMax = clientsMax
        self.stepsMax = stepsMax
    }
}

/// What came of a run.
package struct RunResult: Sendable {
    package let input: RunInput
    package let violation: Violation?
    /// Of every step.
    package let digest: StepDigest
    package let steps: Int
    /// How much time passed in it, in microseconds.
    package let virtualTime: Int64
    /// Events in the aggregator's log.
    package let events: UInt64
    package let clientCount: Int
    /// In the order in which they happened.
    package let faults: [FaultID]
    package let faultCounts: [Int]
    package let marks: [Int]
}

/// Runs one seed.
package enum Simulation {
    /// A run that takes more steps than this gets nowhere.
    static let stepsMax = 400_000
    /// How soon all backlogs must be gone when the faults have stopped: a few of the longest pauses
    /// between two greetings, and what is then to be sent.
    static let settlingTime: Int64 = 300 * Plan.second
    private static let stepsBetweenLooks = 32

    /// - Parameters:
    ///   - trace: told of every step in words; nil for silence.
    ///   - heard: told of every fault as it happens.
    package static func run(
        _ input: RunInput, trace: ((String) -> Void)? = nil, heard: ((FaultID) -> Void)? = nil
    ) -> RunResult {
        let plan = Plan(seed: input.seed)
        let world = World(plan, only: input.only, clientsMax: input.clientsMax, trace: trace)
        world.faults.heard = heard
        let limit = input.stepsMax ?? stepsMax
        run(world, until: plan.roughEnd, limit)
        if world.steps < limit { finish(world, limit) }
        if world.violation == nil, input.stepsMax == nil, world.steps >= limit {
            world.violate(.ends, "\(limit) steps, and no end")
        }
        return RunResult(
            input: input, violation: world.violation, digest: world.digest, steps: world.steps,
            virtualTime: world.now, events: world.aggregator.ledger.counts.events,
            clientCount: world.clients.count, faults: world.faults.happened,
            faultCounts: world.faults.counts, marks: world.marks)
    }

    private static func run(_ world: World, until end: Int64, _ limit: Int) {
        while world.steps < limit, let next = world.timeline.next, next < end, world.step() {}
    }

    private static func finish(_ world: World, _ limit: Int) {
        guard world.violation == nil else { return }
        world.calmDown()
        settle(world, limit)
        guard world.violation == nil else { return }
        let outcome = world.outcome
        if world.lastLate > world.now || !world.held.isEmpty {
            // What was held back comes now, and finds everything done.
            world.closeUntil(max(world.now, world.lastLate) + Plan.second)
            run(world, until: world.lastLate + 2 * Plan.second, limit)
            run(world, until: world.now + 30 * Plan.second, limit)
            settle(world, limit)
        }
        guard world.violation == nil, world.steps < limit else { return }
        if world.outcome != outcome, world.watch.lost.isEmpty {
            world.violate(.lateChangesNothing, "the log is another than before")
        }
        world.checkEnd()
    }

    private static func settle(_ world: World, _ limit: Int) {
        // Devices of one name have their turns one after the other.
        let time = settlingTime * Int64(world.copiesMax)
        let end = world.now + time
        while world.steps < limit, world.violation == nil {
            for _ in 0..<stepsBetweenLooks {
                guard let next = world.timeline.next, next < end, world.step() else { break }
            }
            guard let backlog = world.look() else { return }
            if world.timeline.next.map({ $0 >= end }) ?? true {
                return world.violate(.liveness, "\(backlog), \(time / Plan.second) s later")
            }
        }
    }
}
