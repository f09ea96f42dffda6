import Foundation
import Glibc

/// An event of a daemon's event stream.
package struct StreamedEvent: Equatable, Sendable {
    package var name: String
    package var data: JSONValue
    package var id: String
}

/// Reads `GET /v1/events` of a daemon, and nothing else. Blocks its thread.
///
/// It is written for tests alone, by the same standard as the parser of the command line and without
/// a line of it.
package final class EventReader {
    private let descriptor: Int32
    private let label: String
    private var raw: [UInt8] = []
    private var text: [UInt8] = []
    private var isBody = false
    private var isOver = false
    private var waiting: [StreamedEvent] = []
    private let patience: Duration
    private var parsedID: String?
    private var givenID: String?
    /// Where a reader goes on that has what was given out here.
    package var lastEventID: String? { waiting.isEmpty ? parsedID : givenID }

    /// - Throws: ``NoAnswer`` where the daemon answers with anything but 200.
    package init(
        port: UInt16, path: String = "/v1/events", lastEventID: String? = nil,
        timeout: Duration = .seconds(15)
    ) throws {
        label = "GET http://\(Loopback.host):\(port)\(path)"
        patience = timeout
        parsedID = lastEventID
        givenID = lastEventID
        descriptor = try Loopback.connect(port: port, timeout: timeout)
        var head = "GET \(path) HTTP/1.1\r\nHost: \(Loopback.host)\r\n"
        if let lastEventID { head += "Last-Event-ID: \(lastEventID)\r\n" }
        let bytes = Array((head + "\r\n").utf8)
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw NoAnswer(request: label, reason: "the request was not taken")
        }
        try readHead()
    }

    deinit { close(descriptor) }

    /// The next event; nil at the stream's end.
    ///
    /// - Throws: ``NoAnswer`` where none comes in time, whatever else does.
    package func next() throws -> StreamedEvent? {
        let deadline = Deadline(in: patience)
        while waiting.isEmpty {
            if isOver { return nil }
            if deadline.isPast { throw NoAnswer(request: label, reason: "no event in time") }
            try receive()
            try parse()
        }
        let event = waiting.removeFirst()
        givenID = event.id
        return event
    }

    /// The next event of that name, passing over others.
    package func next(_ name: String) throws -> StreamedEvent {
        while let event = try next() {
            if event.name == name { return event }
        }
        throw NoAnswer(request: label, reason: "the stream ended without \(name)")
    }

    private func receive() throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EINTR { return }
        guard count >= 0 || errno == ECONNRESET else {
            throw NoAnswer(request: label, reason: "nothing came in time")
        }
        if count <= 0 { isOver = true } else { raw += buffer[..<count] }
        if isBody { unchunk() }
    }

    private func readHead() throws {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let range = raw.firstRange(of: end) {
                let head = String(decoding: raw[..<range.lowerBound], as: UTF8.self)
                guard head.hasPrefix("HTTP/1.1 200 ") else {
                    throw NoAnswer(request: label, reason: head)
                }
                raw.removeSubrange(..<range.upperBound)
                isBody = true
                return unchunk()
            }
            guard !isOver else { throw NoAnswer(request: label, reason: "no answer") }
            try receive()
        }
    }

    /// Takes whole chunks out of what came.
    private func unchunk() {
        let newline = Array("\r\n".utf8)
        while let line = raw.firstRange(of: newline) {
            let size = Int(String(decoding: raw[..<line.lowerBound], as: UTF8.self), radix: 16) ?? 0
            if size == 0 {
                isOver = true
                return
            }
            guard raw.count >= line.upperBound + size + 2 else { return }
            text += raw[line.upperBound..<line.upperBound + size]
            raw.removeSubrange(..<(line.upperBound + size + 2))
        }
    }

    private func parse() throws {
        let end = Array("\n\n".utf8)
        while let range = text.firstRange(of: end) {
            let block = String(decoding: text[..<range.lowerBound], as: UTF8.self)
            text.removeSubrange(..<range.upperBound)
            var fields: [String: String] = [:]
            for line in block.split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, !line.hasPrefix(":") else { continue }
                fields[String(parts[0])] = String(parts[1].dropFirst())
            }
            parsedID = fields["id"] ?? parsedID
            guard let name = fields["event"], let data = fields["data"] else { continue }
            waiting.append(
                StreamedEvent(
                    name: name, data: try JSONValue(parsing: Array(data.utf8)),
                    id: parsedID ?? ""))
        }
    }
}
