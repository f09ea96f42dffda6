import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol

/// Agents and an aggregator, so small that every history of them can be looked at.
///
/// **Overview.** The machines of both sides of a session are the production's; around them stand disks,
/// and a network without order: whatever is on its way may arrive next, or after everything else. What
/// may still happen beside that is bounded by ``Exhaustion/Bounds``. A world is a value: to try a choice, copy
/// it.
///
/// **Implementation.** No time passes but by the choice that it has run out, and names are given again
/// (``FreshNames``), so that what differs only in when it happened, or in what was drawn, is one state. A
/// message is lost or doubled when it is sent: until it arrives nobody could tell when that happened. One
/// that can have no effect any more is thrown away.
struct SmallWorld {
    enum Choice: Hashable {
        case record(writer: Int)
        case connect(writer: Int)
        case disk(writer: Int)
        case deliver(letter: Int)
        case commit
        case crash(writer: Int)
        case crashBehindErrand(writer: Int)
        case crashHub
        case crashHubBehindCommit
        case takeImage(writer: Int)
        case putBack(writer: Int)
        case clone(writer: Int)
        case timeout(writer: Int)
        case timeoutOfHub
    }

    /// What becomes of the letters that a choice has sent.
    enum Fate: Hashable {
        case sent
        case lost(Int)
        case doubled(Int)
    }

    var writers: [SmallWriter]
    var hub: SmallHub
    /// In no order.
    var letters: [Letter] = []
    /// How often things may still happen.
    private(set) var left: Exhaustion.Bounds
    /// Of a writer's folder.
    var image: (writer: Int, name: Int, disk: SmallWriter.Disk)?
    /// Whether a folder was put back, or goes on twice.
    private(set) var hasCopy = false
    /// What must never be, in words.
    var violation: String?
    var digests: [StateDigest]

    init(_ bounds: Exhaustion.Bounds, _ breakage: Breakage? = nil) {
        left = bounds
        // The first one of each is no fault.
        left.reconnections += bounds.agents
        hub = SmallHub(breakage)
        writers = (0..<bounds.agents).map {
            SmallWriter(
                number: $0, name: $0, messagesMax: bounds.messagesInFlight, breakage: breakage)
        }
        digests = writers.map(\.digest)
    }

    // MARK: Choices

    var choices: [Choice] {
        guard violation == nil else { return [] }
        var choices: [Choice] = letters.indices.map { .deliver(letter: $0) }
        if hub.hasWork { choices.append(.commit) }
        if left.crashes > 0 {
            choices.append(.crashHub)
            if hub.hasWork { choices.append(.crashHubBehindCommit) }
        }
        if left.timeouts > 0 { choices.append(.timeoutOfHub) }
        for index in writers.indices { addChoices(of: index, &choices) }
        return choices
    }

    private func addChoices(of index: Int, _ choices: inout [Choice]) {
        let writer = writers[index]
        if left.events > 0 { choices.append(.record(writer: index)) }
        if !writer.errands.isEmpty { choices.append(.disk(writer: index)) }
        if !writer.isConnected, left.reconnections > 0 { choices.append(.connect(writer: index)) }
        if left.crashes > 0 {
            choices.append(.crash(writer: index))
            if !writer.errands.isEmpty { choices.append(.crashBehindErrand(writer: index)) }
        }
        if left.timeouts > 0, writer.isConnected { choices.append(.timeout(writer: index)) }
        guard left.copies > 0 else { return }
        if image == nil {
            choices.append(.takeImage(writer: index))
        } else if image?.writer == index {
            if left.copying != .clone { choices.append(.putBack(writer: index)) }
            if left.copying != .restore { choices.append(.clone(writer: index)) }
        }
    }

    /// The worlds that a choice leads to: one where its letters are sent, and those where one of them
    /// is lost or doubled.
    func after(_ choice: Choice) -> [(Fate, SmallWorld)] {
        var world = self
        let fresh = world.make(choice)
        var worlds: [(Fate, SmallWorld)] = []
        for index in fresh where left.losses > 0 {
            var other = world
            other.left.losses -= 1
            other.letters.remove(at: index)
            worlds.append((.lost(index), other))
        }
        for index in fresh where left.duplicates > 0 {
            var other = world
            other.left.duplicates -= 1
            other.letters.append(other.letters[index])
            worlds.append((.doubled(index), other))
        }
        worlds.append((.sent, world))
        for index in worlds.indices { worlds[index].1.finish(choice) }
        return worlds
    }

    /// - Returns: which letters it has sent.
    private mutating func make(_ choice: Choice) -> Range<Int> {
        referToNames(choice)
        switch choice {
        case .deliver(let index):
            let letter = letters.remove(at: index)
            let first = letters.count
            deliver(letter)
            return first..<letters.count
        default:
            let first = letters.count
            perform(choice)
            return first..<letters.count
        }
    }

    private mutating func perform(_ choice: Choice) {
        switch choice {
        case .deliver: break
        case .record(let writer):
            left.events -= 1
            writers[writer].record(&letters)
        case .connect(let writer):
            left.reconnections -= 1
            connect(writer)
        case .disk(let writer): writers[writer].finishErrand(&letters)
        case .commit: hub.commit(&letters)
        case .crash(let writer):
            left.crashes -= 1
            writers[writer].restart()
        case .crashBehindErrand(let writer):
            left.crashes -= 1
            writers[writer].crashBehindErrand()
        case .crashHub:
            left.crashes -= 1
            hub.restart()
        case .crashHubBehindCommit:
            left.crashes -= 1
            hub.crashBehindCommit()
        case .takeImage(let writer):
            image = (writer, writers[writer].name, writers[writer].disk)
        case .putBack(let writer):
            guard let image else { return }
            endCopying()
            writers[writer].restart(with: image.disk)
        case .clone(let writer): clone(writer)
        case .timeout(let writer):
            left.timeouts -= 1
            writers[writer].tick(&letters)
        case .timeoutOfHub:
            left.timeouts -= 1
            hub.tick(&letters)
        }
    }

    private mutating func endCopying() {
        left.copies -= 1
        hasCopy = true
        if left.copies == 0 { image = nil }
    }

    private mutating func clone(_ original: Int) {
        guard let image else { return }
        endCopying()
        var clone = SmallWriter(
            number: writers.count, name: writers[original].name,
            messagesMax: left.messagesInFlight, breakage: nil)
        clone.restart(with: image.disk)
        writers.append(clone)
        digests.append(.zero)
    }

    /// To the broker, writers of one name are one client: it knows the last that came.
    mutating func connect(_ index: Int) {
        for other in writers.indices
        where other != index && writers[other].name == writers[index].name {
            writers[other].disconnect()
        }
        writers[index].connect(&letters)
    }

    mutating func deliver(_ letter: Letter) {
        if letter.isUp { return hub.receive(letter, &letters) }
        let index = writers.firstIndex { $0.name == letter.name && $0.isConnected }
        if let index { writers[index].receive(letter, &letters) }
    }

    // MARK: Behind every choice

    private mutating func finish(_ choice: Choice) {
        letters.removeAll(where: isDead)
        for index in writers.indices where concerns(choice, index) {
            digests[index] = writers[index].digest
        }
        violation = violation ?? flaw()
    }

    /// Whether a writer may be another after it.
    private func concerns(_ choice: Choice, _ index: Int) -> Bool {
        switch choice {
        case .commit, .crashHub, .crashHubBehindCommit, .timeoutOfHub, .takeImage: false
        default: true
        }
    }

    /// Who may draw a name has to know those that others refer to.
    mutating func referToNames(_ choice: Choice?) {
        var used: [Int: FreshNames] = [:]
        for index in writers.indices {
            used[writers[index].name, default: FreshNames()].formUnion(writers[index].names)
        }
        for index in hub.streams.indices {
            let name = hub.streams[index].name
            used[name, default: FreshNames()].formUnion(hub.streams[index].names)
        }
        for index in writers.indices {
            writers[index].outerNames = used[writers[index].name] ?? FreshNames()
        }
        if case .deliver(let index)? = choice {
            hub.outerNames = used[letters[index].name] ?? FreshNames()
        }
    }

    /// Whether it can have no effect any more, whenever it arrives.
    private func isDead(_ letter: Letter) -> Bool {
        switch letter.message {
        case .welcome(let welcome):
            return !writers.contains { $0.name == letter.name && $0.awaits(welcome.nonce) }
        case .ack(let ack):
            if mayStillEnter(letter, ack.stream) { return false }
            return !writers.contains {
                $0.name == letter.name && $0.mayUse(ack, session: letter.session)
            }
        case .needs(let needs):
            if mayStillEnter(letter, needs.stream) { return false }
            return !writers.contains {
                $0.name == letter.name && $0.mayEnter(letter.session, of: needs.stream)
            }
        case .segments(let segments):
            return !hub.mayHear(letter.session, of: segments.stream)
        case .proof(let proof): return hub.challenge(of: proof.stream) != letter.challenge
        default: return false
        }
    }

    /// A folder that is put back may come to the session of a letter again.
    private func mayStillEnter(_ letter: Letter, _ stream: StreamTag) -> Bool {
        guard left.copies > 0, let image, image.name == letter.name else { return false }
        return image.disk.mayEnter(letter.session, of: stream)
    }

    // MARK: The state

    /// What tells worlds apart that may go on differently.
    var digest: StateDigest {
        let rest = digestWithoutBounds
        return StateDigest { hasher in
            hasher.combine(rest)
            hasher.combine(left)
        }
    }

    var digestWithoutBounds: StateDigest {
        let (ends, letters) = (settlingDigest, letterSum)
        return StateDigest { hasher in
            hasher.combine(ends)
            hasher.combine(letters)
            hasher.combine(image?.writer)
            image?.disk.hash(into: &hasher)
        }
    }

    /// What tells quiet worlds apart that may settle differently: what else may still happen to them
    /// does not matter.
    var settlingDigest: StateDigest {
        var streams = StateDigest.zero
        for index in hub.streams.indices { streams.add(hub.streams[index].digest) }
        return StateDigest { hasher in
            hasher.combine(digests)
            hasher.combine(streams)
        }
    }

    /// Whatever order they were sent in.
    private var letterSum: StateDigest {
        var sum = StateDigest.zero
        for letter in letters { sum.add(letter.digest) }
        return sum
    }
}
