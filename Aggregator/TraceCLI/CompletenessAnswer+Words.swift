extension CompletenessAnswer {
    /// Up to when the ledger has everything, and who is left out of that.
    func sentences(now: Moment) -> [String] {
        guard liveAgents > 0 else { return [] }
        guard !heldBackBy.isEmpty else {
            return completeThrough.map { ["Complete through \(moment($0, now))."] } ?? []
        }
        let rest = heldBackByCount - heldBackBy.count
        let names = heldBackBy.map { "  \($0.sentence(now: now))" }
        let more = rest > 0 ? ["  and \(Wording.count(UInt64(rest), "more agent"))"] : []
        return [headline(now)] + names + more
    }

    private func headline(_ now: Moment) -> String {
        let few = heldBackByCount == 1 ? "this agent" : "these \(heldBackByCount) agents"
        if let without = completeThroughWithoutThem {
            return "Complete through \(moment(without, now)), except \(few):"
        }
        let all = liveAgents == 1 ? "the only agent" : "all \(liveAgents) agents"
        guard let through = completeThrough else {
            return "Not known to be complete; held back by \(all):"
        }
        return "Complete through \(moment(through, now)), held back by \(all):"
    }

    private func moment(_ moment: Moment, _ now: Moment) -> String {
        Wording.time(moment, sameDayAs: now) + " (\(Wording.span(max(0, now - moment))) ago)"
    }
}

extension CompletenessAnswer.Laggard {
    /// Its device was wiped or exchanged: nothing comes any more unless somebody finds the old disk.
    var isReplaced: Bool { cause == "replaced" }

    fileprivate func sentence(now: Moment) -> String {
        var parts = [agent, reason(now)]
        if backlog > 0 { parts.append("\(Wording.count(backlog)) waiting") }
        parts.append(
            completeThrough.map { "complete through \(Wording.time($0, sameDayAs: now))" }
                ?? "has never said how far it is complete")
        return parts.joined(separator: ", ")
    }

    private func reason(_ now: Moment) -> String {
        switch cause {
        case "offline":
            since.map { "offline since \(Wording.time($0, sameDayAs: now))" } ?? "offline"
        case "replaced":
            "goes on in a new stream; what its former one, \(stream ?? "unknown"), did not send "
                + "is on its old disk"
        case "backlog": "online and behind"
        case "clock_behind":
            "its clock is \(Wording.span(Int64(-(clockOffsetSeconds ?? 0) * 1_000_000))) behind"
        case "silent": "online and silent"
        default: "its stream is \(cause)"
        }
    }
}
