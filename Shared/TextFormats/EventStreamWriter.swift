/// Writes server-sent events (WHATWG HTML, section 9.2) to a buffer of its own.
///
/// ```swift
/// var events = EventStreamWriter()
/// events.event("merged", id: "k3f9qa2m-1051") { json in
///     json.object { $0.member("id", "till-042.k3f9qa2m.1051") }
/// }
/// ```
///
/// **Invariants.** Data is JSON, which has no line break of its own, so an event is one line of data.
package struct EventStreamWriter: ~Copyable {
    package private(set) var bytes: [UInt8] = []
    private var json = JSONWriter()

    package init() {}

    package var isEmpty: Bool { bytes.isEmpty }

    /// Forgets what has been written and keeps the memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// An event, and where a reader that has it goes on.
    ///
    /// - Precondition: neither name nor id has a line break.
    package mutating func event(
        _ name: StaticString, id: String, data: (inout JSONWriter) -> Void
    ) {
        line("event: ", name)
        json.removeAll()
        data(&json)
        put("data: ")
        json.withBytes { span in
            span.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        put("\n")
        position(id)
    }

    /// Where a reader goes on, without an event: ends the event before it, if there is one.
    package mutating func position(_ id: String) {
        precondition(!id.utf8.contains { $0 == 10 || $0 == 13 || $0 == 0 }, "an id is one line")
        put("id: ")
        bytes.append(contentsOf: id.utf8)
        put("\n\n")
    }

    /// What no reader shows; it keeps the connection open.
    package mutating func comment(_ text: StaticString) {
        line(": ", text)
        put("\n")
    }

    /// How long a reader waits before it connects anew, in milliseconds.
    package mutating func retry(milliseconds: Int) {
        put("retry: ")
        bytes.append(contentsOf: String(milliseconds).utf8)
        put("\n\n")
    }

    private mutating func line(_ field: StaticString, _ value: StaticString) {
        put(field)
        put(value)
        put("\n")
    }

    private mutating func put(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
}
