import LedgerCore
import SyncProtocol
import TestSupport

/// Folders are copied away, put back, copied beside themselves, lost, and rot.
extension World {
    func takeImages() {
        for agent in agents { agentImages[agent.device.number, default: []].append(agent.contents) }
        hubImages.append(aggregator.contents)
    }

    /// The process ends, as it is ended for its folder to be exchanged.
    func halt(_ number: Int) {
        guard nodes[number].device.isRunning else { return }
        nodes[number].crash()
        end(number)
    }

    // MARK: Put back

    func restore(_ kind: FaultKind, _ number: Int, _ random: inout SplitMix64) {
        let count = number == 0 ? hubImages.count : agentImages[number]?.count ?? 0
        guard count > 0 else { return }
        let image = random.below(count)
        // Some are put back with the tool, which marks them; some are copied by hand.
        let isMarked = random.oneIn(3)
        putBack(number, image: image, isMarked: isMarked)
        guard kind == .agentRestoreTwice || kind == .aggregatorRestoreTwice else { return }
        let again = WorldEvent.putBack(node: number, image: image, isMarked: isMarked)
        after(random.logarithmic(100_000, 20 * Plan.second), .world(again))
    }

    func putBack(_ number: Int, image: Int, isMarked: Bool) {
        note { "\(self.name(number)) is put back to copy \(image)\(isMarked ? ", marked" : "")" }
        halt(number)
        if let agent = nodes[number] as? SimulatedAgent, var contents = agentImages[number]?[image]
        {
            mark(isMarked ? .restoredMarked : .restoredByHand)
            let before = agent.contents
            contents.mustDraw = isMarked
            agent.disk.replace(with: contents)
            exchanged(number, before, contents)
        } else if number == 0 {
            putBackHub(hubImages[image], isMarked: isMarked)
        }
        var random = dice.sequence(.node, number, nodes[number].device.life << 1 | 1)
        after(random.logarithmic(10_000, 60 * Plan.second), number, .start)
    }

    /// A second device goes on from a copy of the folder, under the same name, and has clients of its
    /// own.
    func clone(_ number: Int, _ random: inout SplitMix64) {
        guard let original = nodes[number] as? SimulatedAgent, nodes.count < 8 else { return }
        let images = agentImages[number] ?? []
        let isOld = !images.isEmpty && random.oneIn(2)
        mark(isOld ? .clonedOld : .clonedRunning)
        let contents = isOld ? random.pick(images) : original.contents
        var device = Device(number: nodes.count)
        // What was kept of the time is by the clock of the original.
        device.clock = original.device.clock
        let copy = SimulatedAgent(self, device, name: original.name, contents: contents)
        watch.copied.formUnion(contents.streams.map(\.tag))
        add(copy)
        oracle.copy(to: device.number) { contents.told[$0] }
        note { "\(self.name(device.number)) begins beside \(self.name(number))" }
        let client = SimulatedClient(self, number: clients.count, node: device.number)
        clients.append(client)
        begin(device.number)
        client.begin()
    }

    // MARK: What is lost

    /// An agent's folder is another one now.
    func exchanged(_ number: Int, _ before: AgentContents, _ after: AgentContents) {
        watch.copied.formUnion((before.streams + after.streams).map(\.tag))
        oracle.exchange(folder: number) { after.told[$0] }
        for stream in before.streams {
            watch.lost.insert(stream.tag)
            for stored in stream.segments { loseIfLast(stored.sealed) }
        }
    }

    /// Bits of a stored segment turn over. What lies behind the folds' checkpoint is not read at a
    /// start; a folder that is damaged there does not start, and is a lost disk.
    func rot(_ number: Int, _ random: inout SplitMix64) {
        guard let agent = nodes[number] as? SimulatedAgent else { return }
        let counted = agent.contents.counted.position
        var places: [(stream: Int, segment: Int)] = []
        for (index, stream) in agent.contents.streams.enumerated() {
            for (place, stored) in stream.segments.enumerated()
            where stored.position <= counted && stored.position < agent.contents.position
                && !stored.isRotten
            {
                places.append((index, place))
            }
        }
        guard !places.isEmpty else { return }
        let place = random.pick(places)
        let stream = agent.contents.streams[place.stream]
        let stored = stream.segments[place.segment]
        agent.disk.decay { $0.streams[place.stream].decay(place.segment) }
        note { "\(self.name(number)): \(stored.sealed.segment.header.sequences) rot" }
        loseIfLast(stored.sealed)
    }
}
