/// What is of one agent.
extension SmallWorld {
    /// This world with what is of all other agents taken away.
    func alone(_ name: Int) -> SmallWorld {
        var world = self
        let kept = writers.indices.filter { writers[$0].name == name }
        world.writers = kept.map { writers[$0] }
        world.digests = kept.map { digests[$0] }
        world.letters.removeAll { $0.name != name }
        world.hub.keepOnly(name)
        if image?.name != name { world.image = nil }
        return world
    }

    /// What a choice is where that agent is alone; nil where it is another's.
    func choice(_ choice: Choice, to name: Int) -> Choice? {
        func own(_ writer: Int) -> Int? {
            guard writers[writer].name == name else { return nil }
            return writers[..<writer].count { $0.name == name }
        }
        switch choice {
        case .commit, .crashHub, .crashHubBehindCommit, .timeoutOfHub: return choice
        case .deliver(let letter):
            guard letters[letter].name == name else { return nil }
            return .deliver(letter: letters[..<letter].count { $0.name == name })
        case .record(let writer): return own(writer).map { .record(writer: $0) }
        case .connect(let writer): return own(writer).map { .connect(writer: $0) }
        case .disk(let writer): return own(writer).map { .disk(writer: $0) }
        case .crash(let writer): return own(writer).map { .crash(writer: $0) }
        case .crashBehindErrand(let writer):
            return own(writer).map { .crashBehindErrand(writer: $0) }
        case .takeImage(let writer): return own(writer).map { .takeImage(writer: $0) }
        case .putBack(let writer): return own(writer).map { .putBack(writer: $0) }
        case .clone(let writer): return own(writer).map { .clone(writer: $0) }
        case .timeout(let writer): return own(writer).map { .timeout(writer: $0) }
        }
    }
}
