import AgentCore
import AggregatorCore
import TestSupport

/// What a seed says of a run before it begins: who takes part, how fast things are, when clients
/// work, which faults exist and how often, and when those of a moment strike.
///
/// **Overview.** Swarm testing (Groce et al. 2012): a run that has every fault at once explores less
/// than runs that each have some. So each run first draws which there are, and then how often.
struct Plan: Sendable {
    /// Clients work only then; days pass between two of them.
    struct Window: Sendable {
        let start: Int64
        let end: Int64
    }

    /// A fault that strikes at a moment.
    struct Misfortune: Sendable {
        let id: FaultID
        let at: Int64
    }

    let seed: UInt64
    let agentCount: Int
    /// Of each agent.
    let clientsPerAgent: Int
    let windows: [Window]
    let misfortunes: [Misfortune]
    /// When everybody's folder is copied away, for a copy to be put back later.
    let imageTimes: [Int64]
    /// Of faults decided for each message or operation: once in so many. Nil for those that this run
    /// does not have.
    let oneIn: [UInt64?]
    /// Which faults this run has.
    let present: Set<FaultKind>
    let pace: Pace
    let agentLimits: AgentLimits
    let aggregatorLimits: AggregatorLimits
    let retention: Retention.Spans

    /// How fast everything is, in microseconds.
    struct Pace: Sendable {
        /// One way between a node and the broker.
        var latencyMin: Int64
        var latencyMax: Int64
        /// Whether what is sent on a link first arrives first, where no fault says otherwise.
        var isOrdered: Bool
        var writeMin: Int64
        var writeMax: Int64
        /// Between two threads of one process.
        var handOverMax: Int64
        /// Between two ticks of a node to which nothing happens, at most.
        var tickMax: Int64
        /// Between two requests of a client.
        var thinkMax: Int64
        var keepAlive: Int64
        /// Messages that a node has handed over and the broker has not yet taken, at most.
        var window: Int
    }

    static let second: Int64 = 1_000_000
    static let day: Int64 = 86_400 * second

    /// When the faults stop.
    var roughEnd: Int64 { windows[windows.count - 1].end }

    init(seed: UInt64) {
        self.seed = seed
        var random = Dice(seed: seed).sequence(.plan)
        agentCount = random.pick([1, 1, 2, 2, 2, 3, 3, 4])
        clientsPerAgent = random.pick([1, 1, 2, 3])
        pace = Plan.pace(&random)
        let present = Plan.faults(&random)
        self.present = present
        windows = Plan.windows(hasNights: present.contains(.night), &random)
        oneIn = FaultKind.allCases.map { kind in
            let count = random.pick(kind.frequencies)
            return present.contains(kind) && kind.occasion != .moment ? count : nil
        }
        misfortunes = Plan.misfortunes(present, windows, Dice(seed: seed))
        let hasCopies = !present.isDisjoint(with: FaultKind.copies)
        imageTimes = hasCopies ? Plan.imageTimes(windows, &random) : []
        agentLimits = Plan.agentLimits(&random)
        aggregatorLimits = Plan.aggregatorLimits(&random)
        let isAged = !present.isDisjoint(with: FaultKind.clocks)
        retention = Plan.retention(isAged, &random)
    }

    private static func faults(_ random: inout SplitMix64) -> Set<FaultKind> {
        // One run in sixteen has none: what must hold in a storm must hold in calm weather too.
        let share = random.pick([0, 2, 2, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 12, 12])
        var present: Set<FaultKind> = []
        for kind in FaultKind.allCases where random.below(16) < share { present.insert(kind) }
        return present.filter { NotYet.faults[$0] == nil }
    }

    private static func pace(_ random: inout SplitMix64) -> Pace {
        let latency = random.pick([100, 1_000, 10_000, 100_000] as [Int64])
        let write = random.pick([50, 500, 5_000, 50_000] as [Int64])
        return Pace(
            latencyMin: latency / 2, latencyMax: latency * random.pick([1, 2, 8]),
            isOrdered: !random.oneIn(3), writeMin: write / 2, writeMax: write * 2,
            handOverMax: random.pick([1, 200, 20_000]),
            tickMax: random.pick([100_000, 1_000_000, 15_000_000]),
            thinkMax: random.pick([100_000, 500_000, 2_000_000, 2_000_000]),
            keepAlive: random.pick([5, 30, 60]) * second, window: random.pick([4, 64, 64]))
    }

    /// - Parameter hasNights: whether everybody is offline between two windows, so that days may pass:
    ///   who is connected has something to say every few seconds.
    private static func windows(hasNights: Bool, _ random: inout SplitMix64) -> [Window] {
        var windows: [Window] = []
        var start: Int64 = 0
        for _ in 0..<random.pick([1, 2, 2, 3, 4]) {
            let end = start + random.between(3 * second, 12 * second)
            windows.append(Window(start: start, end: end))
            start = end + random.logarithmic(second, hasNights ? 3 * day : 8 * second)
        }
        return windows
    }

    private static func imageTimes(
        _ windows: [Window], _ random: inout SplitMix64
    ) -> [Int64] {
        windows.flatMap { window in
            (0..<3).map { _ in random.between(window.start, window.end - 1) }
        }.sorted()
    }

    private static func misfortunes(
        _ present: Set<FaultKind>, _ windows: [Window], _ dice: Dice
    ) -> [Misfortune] {
        var all: [Misfortune] = []
        for kind in FaultKind.allCases where present.contains(kind) && kind.occasion == .moment {
            var random = dice.sequence(.misfortune, kind.number, -1)
            if kind == .night {
                for (index, window) in windows.dropLast().enumerated() {
                    let id = FaultID(kind, 0, index)
                    all.append(Misfortune(id: id, at: window.end))
                }
                continue
            }
            for ordinal in 0..<random.pick(kind.momentCounts) {
                let window = random.pick(windows)
                let at = random.between(window.start, window.end - 1)
                all.append(Misfortune(id: FaultID(kind, 0, ordinal), at: at))
            }
        }
        return all
    }
}

extension FaultKind {
    static let copies: Set<FaultKind> = [
        .agentRestore, .agentRestoreTwice, .agentClone, .aggregatorRestore, .aggregatorRestoreTwice,
    ]
    static let clocks: Set<FaultKind> = [.clockJump, .clockDrift, .clock1970, .clock2038]

    /// Once in how many, one of these.
    fileprivate var frequencies: [UInt64] {
        switch self {
        case .loss: [3, 10, 50, 200]
        case .duplication: [1, 4, 20, 100]
        case .reorder: [3, 10, 50]
        case .delay: [30, 100, 400]
        case .damage: [10, 50, 200]
        case .writeFailure: [5, 20, 100]
        case .slowWrite: [10, 50]
        case .unknownEvent, .poisonedEvent: [20, 100, 400]
        case .lostAnswer: [3, 10, 30]
        case .changedRepeat: [5, 20]
        default: [1]
        }
    }

    /// How often in a run, one of these.
    fileprivate var momentCounts: [Int] {
        switch self {
        case .agentRestore, .agentRestoreTwice, .agentClone, .agentDiskLoss, .aggregatorRestore,
            .aggregatorRestoreTwice, .aggregatorDiskLoss:
            [1, 1, 2]
        case .agentBitRot, .aggregatorBitRot, .clock1970, .clock2038, .diskFull: [1, 2]
        case .replayedUp, .replayedDown, .alteredUp, .alteredHello, .alteredDown, .forgedUp,
            .forgedDown,
            .newerFrame:
            [2, 5, 20]
        default: [1, 2, 4]
        }
    }
}
