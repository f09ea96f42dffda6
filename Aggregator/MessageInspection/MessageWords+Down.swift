import LedgerCore
import SyncProtocol

extension Welcome {
    func words(_ hasher: some ContentHasher) -> MessageWords {
        let has = leaves.map { "\($0.sequence)" }.joined(separator: ", ")
        var words = MessageWords(
            "session \(session), stream \(standing.name), has \(has.isEmpty ? "nothing" : has)")
        words.add("session", session)
        words.add("standing", standing.name)
        for leaf in leaves { words.add("has", leaf.words) }
        words.add("announced", announced.words)
        words.add("credit", "\(credit.bytes) bytes in \(credit.messages) messages")
        words.add("formats", "\(dialect.oldestFormat) to \(dialect.newestFormat)")
        words.add("ledger", hubGenesis.ledger)
        words.add("hub", "\(hubGenesis.tag(hasher)) (\(hub.words))")
        words.add("nonce", nonce.hexadecimal)
        words.add("challenge", challenge.hexadecimal)
        words.add("sent", at: sentAt)
        return words
    }
}

extension Ack {
    var words: MessageWords {
        var words = MessageWords("through \(through.sequence) of \(stream)")
        words.add("stream", stream)
        words.add("through", through.words)
        words.add("hub", hub)
        for run in runs {
            words.add("run", "from event \(run.firstSequence) at position \(run.position)")
        }
        words.add("received", at: receivedAt)
        words.add("committed", at: committedAt)
        words.add(traces)
        return words
    }
}

extension Needs {
    var words: MessageWords {
        let places = gaps.map { "\($0.after.sequence)" }.joined(separator: ", ")
        var words = MessageWords("again what follows \(places) of \(stream)")
        words.add("stream", stream)
        for gap in gaps {
            let missing = gap.missing.map { "missing \($0.shortDescription)…" }
            words.add("gap", "after \(gap.after.words), \(missing ?? "what follows is not known")")
        }
        return words
    }
}

extension NeedsDefinitions {
    var words: MessageWords {
        var words = MessageWords(
            "names \(first) to \(through) of \(stream), for segment \(segment.shortDescription)…")
        words.add("stream", stream)
        words.add("segment", segment)
        words.add("first", first)
        words.add("through", through)
        return words
    }
}

extension Status {
    var words: MessageWords {
        var words = MessageWords(
            "\(isOnline ? "online" : "offline"), stream \(stream) at \(head.sequence)")
        words.add("online", isOnline)
        words.add("stream", stream)
        words.add("head", head.words)
        words.add("at", at: at)
        return words
    }
}

extension HubNotice {
    var words: MessageWords {
        var words = MessageWords("\(isUp ? "up" : "going down"), \(hub.words)")
        words.add("up", isUp)
        words.add("hub", hub.words)
        words.add("at", at: at)
        return words
    }
}
