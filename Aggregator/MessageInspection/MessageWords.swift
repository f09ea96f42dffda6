import LedgerCore
import SyncProtocol
import TextFormats

/// What a message says, in words: one line for people who watch, and the details behind it.
package struct MessageWords: Hashable, Sendable {
    package struct Detail: Hashable, Sendable {
        package let name: String
        package let value: String
    }

    package private(set) var summary: String
    /// In the order of the message; a name may come more than once.
    package private(set) var details: [Detail]

    init(_ summary: String) {
        self.summary = summary
        details = []
    }

    mutating func add(_ name: String, _ value: some CustomStringConvertible) {
        details.append(Detail(name: name, value: value.description))
    }

    mutating func add(_ name: String, ifPresent value: (some CustomStringConvertible)?) {
        if let value { add(name, value) }
    }

    /// The traces that a message belongs to.
    mutating func add(_ traces: [TraceContext]) {
        for trace in traces { add("trace", trace.traceID.hexadecimal) }
    }

    mutating func add(_ name: String, at time: Timestamp) {
        add(name, RFC3339.text(microseconds: time.microseconds))
    }

    /// `16:10:49.810`; with all of it on another day than `day`.
    static func time(_ time: Timestamp, sameDayAs day: Timestamp) -> String {
        let text = RFC3339.text(microseconds: time.microseconds)
        let date = text.prefix { $0 != "T" }
        guard RFC3339.text(microseconds: day.microseconds).hasPrefix(date) else { return text }
        return String(text.dropFirst(date.count + 1).prefix(12))
    }

    static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}

/// An MQTT payload, decoded as far as it can be.
package struct InspectedMessage: Hashable, Sendable {
    /// The frame's kind in words: `segments`; `kind 45` where this version does not know it; `empty` and
    /// `unreadable` where there is no frame.
    package let kind: String
    /// Nil where there is no frame.
    package let kindNumber: UInt8?
    package let session: UInt64?
    package let isSigned: Bool
    package let words: MessageWords
    /// What is wrong with its bytes; nil where nothing is, and for a kind that is merely unknown.
    package let flaw: String?

    package init(payload: [UInt8], _ hasher: some ContentHasher) {
        guard !payload.isEmpty else {
            self.init("empty", words: MessageWords("clears what was retained here"))
            return
        }
        let frame: Frame
        do throws(WireError) {
            frame = try Frame(decoding: payload)
        } catch {
            self.init(
                "unreadable", words: MessageWords("\(payload.count) bytes: \(error)"),
                flaw: error.description)
            return
        }
        do throws(WireError) {
            if let message = try Message(frame) {
                let (words, flaw) = message.words(hasher)
                self.init(message.kindName, frame, words: words, flaw: flaw)
            } else {
                let words = MessageWords(
                    "\(frame.body.count) bytes of a kind that this version does not know")
                self.init("kind \(frame.kind)", frame, words: words)
            }
        } catch {
            self.init(
                "kind \(frame.kind)", frame,
                words: MessageWords("its body of \(frame.body.count) bytes: \(error)"),
                flaw: error.description)
        }
    }

    private init(_ kind: String, _ frame: Frame? = nil, words: MessageWords, flaw: String? = nil) {
        self.kind = kind
        kindNumber = frame?.kind
        session = frame?.session
        isSigned = frame?.signature != nil
        self.words = words
        self.flaw = flaw
    }
}

extension Message {
    /// The kind as people say it. A new kind of message needs its line here and in `words`.
    var kindName: String {
        switch self {
        case .hello: "hello"
        case .proof: "proof"
        case .segments: "segments"
        case .definitions: "definitions"
        case .watermark: "watermark"
        case .welcome: "welcome"
        case .ack: "ack"
        case .needs: "needs"
        case .needsDefinitions: "needs definitions"
        case .accountSnapshot: "account snapshot"
        case .accountRequest: "account request"
        case .status: "status"
        case .hub: "hub"
        case .spans: "spans"
        case .hubEvents: "hub events"
        case .returns: "returns"
        case .unreadable: "unreadable"
        }
    }

    /// - Returns: its words, and what is wrong with something inside it that has a checksum of its own.
    func words(_ hasher: some ContentHasher) -> (words: MessageWords, flaw: String?) {
        switch self {
        case .hello(let message): (message.words(hasher), nil)
        case .proof(let message): (message.words, nil)
        case .segments(let message): message.words(hasher)
        case .definitions(let message): (message.words, nil)
        case .watermark(let message): (message.words, nil)
        case .welcome(let message): (message.words(hasher), nil)
        case .ack(let message): (message.words, nil)
        case .needs(let message): (message.words, nil)
        case .needsDefinitions(let message): (message.words, nil)
        case .accountSnapshot(let message): (message.words, nil)
        case .accountRequest(let message): (message.words, nil)
        case .status(let message): (message.words, nil)
        case .hub(let message): (message.words, nil)
        case .spans(let message): (message.words, nil)
        case .hubEvents(let message): (message.words, nil)
        case .returns(let message): (message.words(hasher), nil)
        case .unreadable(let message): (message.words, nil)
        }
    }
}
