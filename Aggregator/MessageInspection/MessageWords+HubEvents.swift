import LedgerCore
import SyncProtocol

extension HubEventsMessage {
    var words: MessageWords {
        let names = events.map { $0.event.content.fact.name }.joined(separator: ", ")
        var words = MessageWords(names)
        words.add("hub", events[0].hub)
        for event in events { words.add("event", event.sentence) }
        return words
    }
}

extension SignedHubEvent {
    fileprivate var sentence: String {
        let content = event.content
        let about = content.fact.stream.map { " of \($0)" } ?? ""
        let behind = content.address.map { ", behind \($0.previous)" } ?? ""
        let by = content.decision.map { ", by \($0.operatorName)" } ?? ""
        return "\(event.sequence): \(content.fact.name)\(about)\(behind)\(by)"
    }
}

extension Returns {
    func words(_ hasher: some ContentHasher) -> MessageWords {
        let former = former.tag(hasher)
        var words = MessageWords(
            "\(runs.count) runs and \(events.count) hub events of \(former), of \(stream)")
        words.add("stream", stream)
        words.add("former hub", former)
        for run in runs {
            words.add(
                "run",
                "\(run.sequences.lowerBound) to \(run.sequences.upperBound) at position \(run.position)"
            )
        }
        for event in events { words.add("event", event.sentence) }
        return words
    }
}

extension Unreadable {
    var words: MessageWords {
        let range = "\(sequences.lowerBound) to \(sequences.upperBound)"
        var words = MessageWords("\(range) of \(stream)")
        words.add("stream", stream)
        words.add("cannot read", sequences)
        return words
    }
}
