import Glibc
import Synchronization

/// One request whose body is a stream of lines, and whose answer is one, too (NDJSON both ways).
///
/// Two threads use it: one sends, one reads the results as they come. A sender whose results nobody reads stands
/// still sooner or later, as the daemon's interface says.
package final class LineStream: Sendable {
    /// The daemon's end broke off: without the last chunk the answer is not whole.
    package struct BrokenOff: Error, CustomStringConvertible {
        package let description: String
    }

    private let descriptor: Int32
    private let reader: Mutex<ChunkReader>

    /// Connects and sends the head of `POST path`.
    package init(
        port: UInt16, path: String = "/v1/transactions/batch", timeout: Duration = .seconds(30)
    ) throws {
        descriptor = try Loopback.connect(port: port, timeout: timeout)
        reader = Mutex(ChunkReader())
        try write(
            """
            POST \(path) HTTP/1.1\r
            Host: \(Loopback.host):\(port)\r
            Content-Type: application/x-ndjson\r
            Transfer-Encoding: chunked\r
            \r

            """)
    }

    deinit { Glibc.close(descriptor) }

    /// Sends bytes, whole lines or not, as one chunk.
    package func send(_ bytes: [UInt8]) throws {
        precondition(!bytes.isEmpty, "an empty chunk is the last one")
        try write(String(bytes.count, radix: 16) + "\r\n")
        try write(bytes)
        try write("\r\n")
    }

    /// The body is whole.
    package func end() throws { try write("0\r\n\r\n") }

    /// Breaks off as a client does that loses its power.
    package func cut() {
        Loopback.resetOnClose(descriptor)
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Reads results as they come and hands each line over, without its newline, until the answer's end.
    ///
    /// - Throws: ``BrokenOff`` where the answer has no end; what was handed over is good all the same.
    package func results(_ take: (ArraySlice<UInt8>) throws -> Void) throws {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        var isWhole = false
        while !isWhole {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = count == 0 ? "the connection was closed" : "errno \(errno)"
                throw BrokenOff(description: reason)
            }
            isWhole = try reader.withLock { try $0.take(buffer[..<count], take) }
        }
    }

    private func write(_ text: String) throws { try write(Array(text.utf8)) }

    private func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError("send") }
            sent += count
        }
    }
}

/// Takes the lines out of an answer in chunks (RFC 9112, section 7.1), however its bytes come.
private struct ChunkReader {
    private enum State {
        case head
        case size
        case chunk(remaining: Int)
        /// Behind the last chunk, up to an empty line.
        case trailer
        case end
    }

    private static let newline = UInt8(ascii: "\n")

    private var state = State.head
    /// A line of the protocol that has begun.
    private var field: [UInt8] = []
    /// A line of the body that has begun.
    private var line: [UInt8] = []

    /// - Returns: whether the answer has come to its end.
    mutating func take(
        _ bytes: ArraySlice<UInt8>, _ take: (ArraySlice<UInt8>) throws -> Void
    ) throws -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            switch state {
            case .chunk(let remaining):
                let part = rest.prefix(remaining)
                try cut(part, take)
                rest = rest.dropFirst(part.count)
                state = part.count == remaining ? .size : .chunk(remaining: remaining - part.count)
            case .head, .size, .trailer:
                guard let end = rest.firstIndex(of: Self.newline) else {
                    field += rest
                    return false
                }
                field += rest[..<end]
                rest = rest[(end + 1)...]
                try endField()
            case .end: throw LineStream.BrokenOff(description: "bytes behind the answer's end")
            }
        }
        if case .end = state { return true }
        return false
    }

    private mutating func cut(
        _ part: ArraySlice<UInt8>, _ take: (ArraySlice<UInt8>) throws -> Void
    ) throws {
        var rest = part
        while let end = rest.firstIndex(of: Self.newline) {
            if line.isEmpty {
                try take(rest[..<end])
            } else {
                line += rest[..<end]
                try take(line[...])
                line.removeAll(keepingCapacity: true)
            }
            rest = rest[(end + 1)...]
        }
        line += rest
    }

    private mutating func endField() throws {
        let text = String(decoding: field.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        field.removeAll(keepingCapacity: true)
        switch state {
        case .head where text.isEmpty: state = .size
        case .head:
            guard text.hasPrefix("HTTP/1.1 "), !text.hasPrefix("HTTP/1.1 200 ") else { return }
            throw LineStream.BrokenOff(description: text)
        case .size where text.isEmpty: break
        case .size:
            guard let size = Int(text, radix: 16) else {
                throw LineStream.BrokenOff(description: "chunk size \(text)")
            }
            state = size > 0 ? .chunk(remaining: size) : .trailer
        case .trailer where text.isEmpty: state = .end
        case .trailer, .chunk, .end: break
        }
    }
}
