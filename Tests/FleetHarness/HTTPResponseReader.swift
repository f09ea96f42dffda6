/// Reads one HTTP/1.1 response from a stream of bytes (RFC 9112): by length, in chunks, or to the end.
struct HTTPResponseReader {
    /// What a response may not be.
    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    static let headBytesMax = 64 << 10
    static let bodyBytesMax = 256 << 20

    /// Appends more bytes to the buffer; false when there are no more.
    private let receive: (inout [UInt8]) throws -> Bool
    private var buffer: [UInt8] = []
    /// What of the buffer is already used.
    private var position = 0
    private var isClosing = false

    init(receive: @escaping (inout [UInt8]) throws -> Bool) {
        self.receive = receive
    }

    /// Whether the next response can come on the same connection.
    var mayBeKept: Bool { !isClosing && position == buffer.count }

    mutating func read() throws -> HTTPResponse {
        var response = try head()
        while (100..<200).contains(response.status) { response = try head() }
        isClosing = response.headers["connection"]?.lowercased() == "close"
        if [204, 304].contains(response.status) { return response }
        if response.headers["transfer-encoding"]?.lowercased() == "chunked" {
            response.body = try chunks()
        } else if let text = response.headers["content-length"] {
            guard let length = Int(text), (0...Self.bodyBytesMax).contains(length) else {
                throw Malformed(description: "Content-Length: \(text)")
            }
            response.body = try take(length)
        } else {
            isClosing = true
            response.body = try rest()
        }
        return response
    }

    private mutating func head() throws -> HTTPResponse {
        let status = try line()
        let parts = status.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let code = Int(parts[1]) else {
            throw Malformed(description: "status line \"\(status)\"")
        }
        return HTTPResponse(status: code, headers: try fields(), body: [])
    }

    /// Field lines up to the empty one. A name that comes twice keeps its last value.
    private mutating func fields() throws -> [String: String] {
        var fields: [String: String] = [:]
        while true {
            let line = try line()
            if line.isEmpty { return fields }
            guard let colon = line.firstIndex(of: ":") else {
                throw Malformed(description: "field line \"\(line)\"")
            }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            fields[line[..<colon].lowercased()] = String(value)
        }
    }

    private mutating func chunks() throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let line = try line()
            let digits = line.prefix { $0 != ";" && $0 != " " }
            guard let length = Int(digits, radix: 16), length >= 0,
                body.count + length <= Self.bodyBytesMax
            else { throw Malformed(description: "chunk size \"\(line)\"") }
            guard length > 0 else {
                _ = try fields()
                return body
            }
            body += try take(length)
            guard try self.line().isEmpty else {
                throw Malformed(description: "a chunk longer than its size")
            }
        }
    }

    private mutating func line() throws -> String {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                var text = buffer[position..<end]
                if text.last == UInt8(ascii: "\r") { text.removeLast() }
                position = end + 1
                return String(decoding: text, as: UTF8.self)
            }
            searched = buffer.count
            guard buffer.count - position <= Self.headBytesMax else {
                throw Malformed(description: "a line of more than \(Self.headBytesMax) bytes")
            }
            try more()
        }
    }

    private mutating func take(_ count: Int) throws -> [UInt8] {
        while buffer.count - position < count { try more() }
        defer { position += count }
        return Array(buffer[position..<(position + count)])
    }

    private mutating func rest() throws -> [UInt8] {
        while try receive(&buffer) {
            guard buffer.count - position <= Self.bodyBytesMax else {
                throw Malformed(description: "a body of more than \(Self.bodyBytesMax) bytes")
            }
        }
        defer { position = buffer.count }
        return Array(buffer[position...])
    }

    private mutating func more() throws {
        guard try receive(&buffer) else {
            throw Malformed(description: "the connection was closed in the middle of an answer")
        }
    }
}
