/// What becomes of a ``SmallWorld`` in which nothing goes wrong any more.
extension SmallWorld {
    /// Turns without which it would not be bounded time: a handshake takes three, each copy may have to
    /// draw a stream, and copies of one folder take turns.
    private static let turnsMax = 20

    /// Lets everything happen that was to happen.
    ///
    /// - Returns: what is not as it should be in the end; nil where all is.
    func settled() -> String? {
        var world = self
        return world.settle()
    }

    private mutating func settle() -> String? {
        for turn in 0..<SmallWorld.turnsMax {
            for index in writers.indices
            where isTurn(of: index, turn) && !writers[index].isConnected {
                referToNames(nil)
                connect(index)
            }
            if let violation = drained() { return violation }
            if isConverged { return nil }
            for index in writers.indices where writers[index].isConnected {
                referToNames(nil)
                writers[index].tick(&letters)
            }
            hub.tick(&letters)
            if let violation = drained() { return violation }
            if isConverged { return nil }
        }
        return "not everything that was recorded is merged and acknowledged in the end"
    }

    /// Steps of one turn: what a few agents have to say to the hub is said in some dozens.
    private static let stepsMax = 2_000

    /// In some order, until nothing is under way.
    ///
    /// - Returns: what is not as it should be then.
    private mutating func drained() -> String? {
        for _ in 0..<SmallWorld.stepsMax {
            guard !isQuiet else { return flaw() }
            if !letters.isEmpty {
                referToNames(.deliver(letter: 0))
                deliver(letters.removeFirst())
            } else if let index = writers.firstIndex(where: { !$0.errands.isEmpty }) {
                referToNames(nil)
                writers[index].finishErrand(&letters)
            } else {
                hub.commit(&letters)
            }
        }
        return "agent and hub never come to rest"
    }

    /// Of writers with one name, one has the broker at a time.
    private func isTurn(of index: Int, _ turn: Int) -> Bool {
        let peers = writers.indices.filter { writers[$0].name == writers[index].name }
        return peers[turn % peers.count] == index
    }
}
