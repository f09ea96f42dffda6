/// Devices of one name, when the faults have stopped.
///
/// While they are all on, a broker lets each push the others out, for ever. So somebody lets them have
/// their turns: one is on until it has nothing left to do, then the next one.
extension World {
    /// How many devices have one name, at most.
    var copiesMax: Int {
        nodes.map { node in nodes.count { $0.client == node.client } }.max() ?? 1
    }

    /// Of each name that several devices have, one stays on.
    func beginTurns() {
        for number in nodes.indices.dropFirst() where hasCopies(number) {
            let isFirst = nodes.firstIndex { $0.client == nodes[number].client } == number
            if isFirst { continue }
            switchOff(number)
        }
    }

    func hasCopies(_ number: Int) -> Bool {
        nodes.contains { $0.client == nodes[number].client && $0.device.number != number }
    }

    /// A device has done all that it had to do; another one of its name may be on now.
    func endTurn(_ number: Int) {
        let next = nodes.first {
            $0.client == nodes[number].client && !watch.settled.contains($0.device.number)
        }
        guard let next else { return }
        switchOff(number)
        after(Plan.second, next.device.number, .start)
    }

    private func switchOff(_ number: Int) {
        note { "\(self.name(number)) is switched off" }
        if nodes[number].device.isRunning { nodes[number].crash() }
        // Also where it was about to start.
        end(number)
    }
}
