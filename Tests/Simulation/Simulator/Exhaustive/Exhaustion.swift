/// Looks at every history of a ``SmallWorld`` within bounds: a search that goes on from no state twice,
/// in breadth as long as the worlds fit into memory, so that the way to what it finds first is the
/// shortest there is, and then in depth.
///
/// In every state the invariants are checked (`SmallWorld.flaw`). Every state in which nothing is under
/// way is let settle with no further fault, and everything must be merged and acknowledged then. That is
/// enough for all the others: without a fault they lead there, by choices that are looked at too.
///
/// With several agents each step is also compared with what it is to each agent alone. See the article
/// for what that is good for.
package struct Exhaustion {
    package struct Bounds: Hashable, Sendable {
        package enum Copying: String, Hashable, Sendable, CaseIterable {
            /// The older copy of a folder takes its place.
            case restore
            /// It begins to run beside it.
            case clone
            case either
        }

        package var agents = 1
        /// Events that clients bring, of all agents together.
        package var events = 2
        package var crashes = 1
        package var copies = 1
        package var copying = Copying.either
        package var losses = 1
        package var duplicates = 1
        /// Times that are up although nothing was lost.
        package var timeouts = 1
        /// Beside the first of each agent.
        package var reconnections = 1
        /// Messages of segments of one session under way.
        package var messagesInFlight = 2

        package init() {}
    }

    package struct Result: Sendable {
        package var states = 0
        package var transitions = 0
        /// States in which nothing was under way, and those of them that were let settle: they are
        /// settled once for all that may still happen to them.
        package var quiet = 0
        package var settled = 0
        package var depthMax = 0
        package var violation: Violation?
        /// Whether the search ended by its limit and not because there was nothing left.
        package var isCut = false
    }

    package struct Violation: Sendable {
        package let sentence: String
        /// The choices that lead there.
        package let trace: [String]
        /// Whether no other trace is shorter.
        package let isShortest: Bool
    }

    struct Step {
        let choice: SmallWorld.Choice
        let fate: SmallWorld.Fate
        let world: SmallWorld
    }

    /// A state that is gone on from, and how it was come to.
    private final class Node {
        let step: Step?
        let before: Node?
        let depth: Int

        init(_ step: Step?, behind before: Node?) {
            self.step = step
            self.before = before
            depth = before.map { $0.depth + 1 } ?? 0
        }

        /// From the first on.
        var path: [Step] {
            var (steps, node): ([Step], Node?) = ([], self)
            while let current = node {
                if let step = current.step { steps.append(step) }
                node = current.before
            }
            return steps.reversed()
        }
    }

    private let bounds: Bounds
    private let breakage: Breakage?
    private let statesMax: Int
    private let breadthMax: Int
    private let progress: (Result) -> Void
    private var visited: Set<StateDigest> = []
    private var settled: Set<StateDigest> = []
    private var result = Result()
    private var isInDepth = false

    /// - Parameters:
    ///   - statesMax: where to end, whatever is left.
    ///   - breadthMax: states after which the search goes on in depth.
    ///   - progress: told now and then.
    package init(
        _ bounds: Bounds, _ breakage: Breakage? = nil, statesMax: Int = .max,
        breadthMax: Int = 20_000,
        progress: @escaping (Result) -> Void = { _ in }
    ) {
        self.bounds = bounds
        self.breakage = breakage
        self.statesMax = statesMax
        self.breadthMax = breadthMax
        self.progress = progress
    }

    package mutating func run() -> Result {
        var ahead: [(node: Node, steps: [Step])] = []
        enter(Node(nil, behind: nil), &ahead)
        // In breadth.
        while !ahead.isEmpty, result.states < breadthMax, goesOn {
            let row = ahead
            ahead = []
            for (node, steps) in row where goesOn { advance(node, steps, &ahead) }
        }
        isInDepth = true
        // In depth.
        while let (node, steps) = ahead.popLast(), goesOn {
            var steps = steps
            guard let step = steps.popLast() else { continue }
            ahead.append((node, steps))
            advance(node, [step], &ahead)
        }
        return result
    }

    private var goesOn: Bool { result.violation == nil && !result.isCut }

    private mutating func advance(
        _ node: Node, _ steps: [Step], _ ahead: inout [(node: Node, steps: [Step])]
    ) {
        for step in steps where goesOn {
            result.transitions += 1
            guard visited.insert(step.world.digest).inserted else { continue }
            enter(Node(step, behind: node), &ahead)
        }
    }

    private mutating func enter(_ node: Node, _ ahead: inout [(node: Node, steps: [Step])]) {
        result.states += 1
        result.depthMax = max(result.depthMax, node.depth)
        if result.states % 65_536 == 0 { progress(result) }
        if result.states >= statesMax { result.isCut = true }
        let world = node.step?.world ?? first
        let steps = Exhaustion.steps(from: world)
        if let flaw = flaw(of: world, steps) {
            let calm = flaw.isInCalm ? ["from here on nothing goes wrong any more"] : []
            result.violation = Violation(
                sentence: flaw.sentence, trace: words(node.path) + calm, isShortest: !isInDepth)
            return
        }
        ahead.append((node, steps))
    }

    private var first: SmallWorld { SmallWorld(bounds, breakage) }

    private static func steps(from world: SmallWorld) -> [Step] {
        world.choices.flatMap { choice in
            world.after(choice).map { Step(choice: choice, fate: $0.0, world: $0.1) }
        }
    }

    private struct Flaw {
        let sentence: String
        var isInCalm = false
    }

    private mutating func flaw(of world: SmallWorld, _ steps: [Step]) -> Flaw? {
        if let violation = world.violation { return Flaw(sentence: violation) }
        if bounds.agents > 1, let step = steps.first(where: { !isSum(world, $0) }) {
            return Flaw(sentence: "it depends on another agent what comes of: \(world.words(step))")
        }
        guard world.isQuiet else { return nil }
        result.quiet += 1
        let digest = world.settlingDigest
        guard !settled.contains(digest) else { return nil }
        if let sentence = world.settled() { return Flaw(sentence: sentence, isInCalm: true) }
        settled.insert(digest)
        result.settled += 1
        return nil
    }

    // MARK: Agents apart

    /// Whether a step is to each agent what it would be if that were alone: its own step, or none.
    private func isSum(_ world: SmallWorld, _ step: Step) -> Bool {
        (0..<bounds.agents).allSatisfy { name in
            let (before, after) = (world.alone(name), step.world.alone(name))
            guard let own = world.choice(step.choice, to: name) else {
                return before.digestWithoutBounds == after.digestWithoutBounds
            }
            return before.after(own).contains {
                $0.1.digestWithoutBounds == after.digestWithoutBounds
            }
        }
    }

    // MARK: Traces

    private func words(_ steps: [Step]) -> [String] {
        let worlds = [first] + steps.map(\.world)
        return zip(steps, worlds).map { step, before in before.words(step) }
    }
}
