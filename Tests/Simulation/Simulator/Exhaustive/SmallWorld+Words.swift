/// A step, for people.
extension SmallWorld {
    /// - Parameter step: one from this world.
    func words(_ step: Exhaustion.Step) -> String {
        let sent = words(step.fate)
        return words(step.choice) + sent
    }

    private func words(_ choice: Choice) -> String {
        switch choice {
        case .record(let writer): "\(folder(writer)) records an event"
        case .connect(let writer): "\(folder(writer)) connects"
        case .disk(let writer): "\(folder(writer)) has a session's number on its disk, and goes on"
        case .deliver(let letter):
            "\(letters[letter].isUp ? "up" : "down"): \(letters[letter].words)"
        case .commit: "the hub commits"
        case .crash(let writer): "\(folder(writer)) crashes"
        case .crashBehindErrand(let writer):
            "\(folder(writer)) has a session's number on its disk, and crashes"
        case .crashHub: "the hub crashes"
        case .crashHubBehindCommit: "the hub commits, and crashes before it hears of it"
        case .takeImage(let writer): "\(folder(writer)) is copied"
        case .putBack(let writer): "\(folder(writer)) is put back from its copy"
        case .clone(let writer): "the copy of \(folder(writer)) begins to run beside it"
        case .timeout(let writer): "\(folder(writer)) has waited for too long"
        case .timeoutOfHub: "the hub has waited for too long"
        }
    }

    private func folder(_ writer: Int) -> String {
        "folder \(writers[writer].number) of agent \(writers[writer].name)"
    }

    private func words(_ fate: Fate) -> String {
        switch fate {
        case .sent: ""
        case .lost: ", and what it sent is lost"
        case .doubled: ", and what it sent is doubled"
        }
    }
}
