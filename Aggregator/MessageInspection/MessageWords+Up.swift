import LedgerCore
import SyncProtocol

extension ChainPoint {
    /// `1204 (9f86d081…)`
    var words: String { sequence == 0 ? "nothing" : "\(sequence) (\(hash.shortDescription)…)" }
}

extension Seen {
    var words: String { hub.map { "hub \($0) at \(position)" } ?? "no hub" }
}

extension Genesis {
    /// Its tag follows from its hash.
    func tag(_ hasher: some ContentHasher) -> StreamTag { StreamTag(genesisHash: hash(hasher)) }
}

extension Definition {
    var words: String {
        switch self {
        case .account(let account): "account \(account)"
        case .asset(let asset): "asset \(asset)"
        case .text(let text): "text \(text.debugDescription)"
        }
    }
}

extension Hello {
    func words(_ hasher: some ContentHasher) -> MessageWords {
        var words = MessageWords(
            "has \(head.sequence), acked \(acknowledged.sequence), after session \(lastSession)")
        words.add("agent", genesis.agent)
        words.add("ledger", genesis.ledger)
        words.add("stream", genesis.tag(hasher))
        words.add("head", head.words)
        words.add("acknowledged", acknowledged.words)
        words.add("oldest kept", oldestRetained)
        words.add("last session", lastSession)
        words.add("seen", seen.words)
        words.add("formats", "\(dialect.oldestFormat) to \(dialect.newestFormat)")
        words.add("nonce", nonce.hexadecimal)
        for stream in otherStreams { words.add("other stream", stream) }
        words.add("software", softwareVersion)
        return words
    }
}

extension Proof {
    var words: MessageWords {
        var words = MessageWords(
            "of head \(head.sequence)"
                + (passesAnnounced ? "" : ", which does not pass the announced head")
                + (hasLeft ? "; it has left this hub for a later one" : ""))
        words.add("stream", stream)
        words.add("head", head.words)
        words.add("passes the announced head", passesAnnounced)
        words.add("has left this hub", hasLeft)
        return words
    }
}

extension SegmentsMessage {
    /// What is wrong is the first segment that cannot be read; those behind it are told all the same.
    func words(_ hasher: some ContentHasher) -> (words: MessageWords, flaw: String?) {
        var lines: [String] = []
        var flaw: String?
        var first: UInt64?
        var last: UInt64?
        for (index, bytes) in segments.enumerated() {
            do throws(WireError) {
                let segment = try Segment(decoding: bytes)
                first = first ?? segment.header.firstSequence
                last = segment.header.lastSequence
                lines.append(segment.words(hasher))
            } catch {
                let sentence = "segment \(index + 1) of \(segments.count): \(error)"
                flaw = flaw ?? sentence
                lines.append(sentence)
            }
        }
        let byteCount = segments.reduce(0) { $0 + $1.count }
        let events =
            if let first, let last {
                first == last ? "event \(first)" : "events \(first) to \(last)"
            } else {
                "no readable event"
            }
        let count = segments.count == 1 ? "1 segment" : "\(segments.count) segments"
        var words = MessageWords(
            "\(events) in \(count), \(byteCount) bytes"
                + (attempt > 1 ? ", attempt \(attempt)" : "") + (flaw.map { "; \($0)" } ?? ""))
        words.add("stream", stream)
        words.add("sent", at: sentAt)
        words.add("attempt", attempt)
        for line in lines { words.add("segment", line) }
        words.add(traces)
        return (words, flaw)
    }
}

extension Segment {
    fileprivate func words(_ hasher: some ContentHasher) -> String {
        let names =
            header.definitionCount == 0
            ? "no new name"
            : "new names \(header.definitionCountBefore) to \(header.dictionary.count - 1)"
        return "events \(header.firstSequence) to \(header.lastSequence), \(names), "
            + "\(bytes.count) bytes, \(hash(hasher).shortDescription)… "
            + "after \(header.previous.shortDescription)…, seen \(header.seen.words)"
    }
}

extension DefinitionsMessage {
    var words: MessageWords {
        let last = UInt64(first) + UInt64(definitions.count)
        let numbers = definitions.isEmpty ? "none" : "\(first) to \(last - 1)"
        var words = MessageWords(
            "names \(numbers), up to segment \(segment.shortDescription)…"
                + (isLast ? "" : ", more follow"))
        words.add("stream", stream)
        words.add("segment", segment)
        words.add("last", isLast)
        for (index, definition) in definitions.enumerated() {
            words.add("\(UInt64(first) + UInt64(index))", definition.words)
        }
        return words
    }
}

extension SpansMessage {
    var words: MessageWords {
        var words = MessageWords("\(spans.count) bytes of spans")
        words.add("bytes", spans.count)
        words.add("dropped", dropped)
        words.add("sent", at: sentAt)
        return words
    }
}

extension Watermark {
    var words: MessageWords {
        var words = MessageWords(
            "acked \(acknowledged.sequence), complete through "
                + MessageWords.time(through.time, sameDayAs: sentAt))
        words.add("stream", stream)
        words.add("acknowledged", acknowledged.words)
        words.add("complete through", at: through.time)
        words.add("sent", at: sentAt)
        return words
    }
}
