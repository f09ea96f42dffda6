import TestSupport

/// Says of each fault whether it happens, and numbers it.
///
/// Whether the seventeenth message of a link is lost depends on the seed, the link and seventeen,
/// and on nothing else that happened. With `only`, every fault that it does not name is left out:
/// that is how a failure is made small.
struct FaultInjector {
    /// What becomes of one message: the copies of it that arrive.
    struct Fate {
        struct Copy {
            /// On top of what the link takes, in microseconds.
            var delay: Int64 = 0
            /// It arrives whatever became of the connection that it was sent on.
            var isLate = false
            var damage: SplitMix64?
        }

        var copies: [Copy]
        static let plain = Fate(copies: [Copy()])
    }

    private let plan: Plan
    private let dice: Dice
    private let only: Set<FaultID>?
    private var linkOrdinals: [Int] = []
    /// By kind and place.
    private var ordinals: [[Int]] = FaultKind.allCases.map { _ in [] }
    /// Which of the message faults this run has.
    private let messageKinds: [FaultKind]
    private(set) var happened: [FaultID] = []
    private(set) var counts = [Int](repeating: 0, count: FaultKind.allCases.count)
    /// Told of each.
    var heard: ((FaultID) -> Void)?
    /// From here on nothing fails any more.
    var isCalm = false

    init(_ plan: Plan, only: Set<FaultID>?) {
        self.plan = plan
        self.only = only
        dice = Dice(seed: plan.seed)
        messageKinds = FaultKind.allCases.filter {
            $0.occasion == .message && plan.oneIn[$0.number] != nil
        }
    }

    /// Whether the fault is to happen; if so, it counts as happened.
    mutating func happens(_ id: FaultID) -> Bool {
        // Without its nights a run would have to live through days of idle talk.
        guard !isCalm, id.kind == .night || only?.contains(id) ?? true else { return false }
        happened.append(id)
        heard?(id)
        counts[id.kind.number] += 1
        return true
    }

    /// Whether the next operation there fails so; then the numbers for how.
    mutating func strikes(_ kind: FaultKind, _ place: Int) -> SplitMix64? {
        guard !isCalm, let oneIn = plan.oneIn[kind.number] else { return nil }
        let ordinal = FaultInjector.next(place, &ordinals[kind.number])
        var random = dice.sequence(.operation, kind.number << 32 | place, ordinal)
        guard random.oneIn(oneIn), happens(FaultID(kind, place, ordinal)) else { return nil }
        return random
    }

    private static func next(_ place: Int, _ counts: inout [Int]) -> Int {
        while counts.count <= place { counts.append(0) }
        counts[place] += 1
        return counts[place]
    }

    mutating func fate(ofMessageOn link: Int) -> Fate {
        guard !isCalm, !messageKinds.isEmpty else { return .plain }
        let ordinal = FaultInjector.next(link, &linkOrdinals)
        var random = dice.sequence(.message, link, ordinal)
        var fate = Fate.plain
        for kind in messageKinds {
            let strikes = plan.oneIn[kind.number].map { random.oneIn($0) } ?? false
            let detail = random.next()
            guard strikes, happens(FaultID(kind, link, ordinal)) else { continue }
            var how = SplitMix64(seed: detail)
            switch kind {
            case .loss: fate.copies.removeAll()
            case .duplication: fate.copies += fate.copies
            case .reorder:
                change(&fate, &how) { $0.delay += $1.logarithmic(1_000, 2 * Plan.second) }
            case .delay:
                change(&fate, &how) {
                    $0.delay += $1.logarithmic(Plan.second, 3 * Plan.day)
                    $0.isLate = true
                }
            default: change(&fate, &how) { $0.damage = SplitMix64(seed: $1.next()) }
            }
        }
        return fate
    }

    /// Of several copies one: a duplicate of which both come late says less than one of which one
    /// does.
    private func change(
        _ fate: inout Fate, _ random: inout SplitMix64,
        _ body: (inout Fate.Copy, inout SplitMix64) -> Void
    ) {
        guard !fate.copies.isEmpty else { return }
        let index = random.below(fate.copies.count)
        body(&fate.copies[index], &random)
    }
}
