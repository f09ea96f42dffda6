/// An event as a reader of an event stream gets it.
package struct ServerSentEvent: Hashable, Sendable {
    /// `message` where the stream says nothing.
    package var name: String
    package var data: String
    /// Where a reader that has it goes on; nil where the stream has not said.
    package var id: String?

    package init(name: String = "message", data: String, id: String? = nil) {
        self.name = name
        self.data = data
        self.id = id
    }
}

/// Reads server-sent events out of bytes as they come (WHATWG HTML, section 9.2.6).
///
/// **Function.** Feed it pieces of the stream; it gives back the events that they complete. After the
/// stream ends, `lastEventID` is where the next one goes on; what was incomplete is forgotten.
package struct EventStreamParser: Sendable {
    /// The stream is none, or means harm.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        case tooLong

        package var description: String {
            "an event has more than \(EventStreamParser.eventBytesMax) bytes"
        }
    }

    /// Of one event, or one line: what a reader may have to keep.
    package static let eventBytesMax = 1 << 20

    /// The id of the last event, or the last id alone.
    package private(set) var lastEventID: String?
    /// How long to wait before connecting anew, in milliseconds, where the stream has said so.
    package private(set) var retryMilliseconds: Int?
    private var line: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var id: String?
    private var endedWithCarriageReturn = false
    private var isAtStart = true

    package init(lastEventID: String? = nil) {
        self.lastEventID = lastEventID
        id = lastEventID
    }

    package mutating func read(_ bytes: some Sequence<UInt8>) throws(Failure) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            defer { endedWithCarriageReturn = byte == UInt8(ascii: "\r") }
            switch byte {
            case UInt8(ascii: "\n") where endedWithCarriageReturn: break
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let event = endLine() { events.append(event) }
            default:
                guard line.count + data.count < EventStreamParser.eventBytesMax else {
                    throw .tooLong
                }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        if isAtStart, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        isAtStart = false
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return endEvent() }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line[min(colon + 1, line.count)...]
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        field(String(decoding: line[..<colon], as: UTF8.self), value)
        return nil
    }

    /// A comment has an empty name, and is passed over like any other that is not known.
    private mutating func field(_ field: String, _ value: ArraySlice<UInt8>) {
        let text = String(decoding: value, as: UTF8.self)
        switch field {
        case "event": name = text
        case "data":
            if hasData { data.append(UInt8(ascii: "\n")) }
            data += value
            hasData = true
        case "id": if !value.contains(0) { id = text }
        case "retry":
            let isNumber = value.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            if isNumber { retryMilliseconds = Int(text) ?? retryMilliseconds }
        default: break
        }
    }

    private mutating func endEvent() -> ServerSentEvent? {
        lastEventID = id
        defer {
            name = ""
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        guard hasData else { return nil }
        return ServerSentEvent(
            name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self),
            id: id)
    }
}
