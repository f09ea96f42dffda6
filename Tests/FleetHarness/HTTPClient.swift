import Glibc
import Synchronization

/// An answer of a daemon.
package struct HTTPResponse: Sendable {
    package var status: Int
    /// By name in lower case; of a name given twice, the last.
    package var headers: [String: String]
    package var body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON.
    package func json() throws -> JSONValue { try JSONValue(parsing: body) }
}

/// A request that got no answer, or none that could be read. Whether it had an effect is unknown.
package struct NoAnswer: Error, CustomStringConvertible {
    package var request: String
    package var reason: String

    package var description: String { "\(request): \(reason)" }
}

/// A blocking HTTP/1.1 client for one port on 127.0.0.1 or one Unix socket, for any number of threads.
///
/// Connections are kept alive and used again. A GET on a kept connection that turns out to be closed is sent
/// again on a new one; anything else is not, because only its sender knows whether that is safe.
package final class HTTPClient: Sendable {
    /// Where it connects, as in a URL.
    package let host: String
    private let connect: @Sendable () throws -> Int32
    private let idle = Mutex<[Int32]>([])

    package init(port: UInt16, timeout: Duration = .seconds(30)) {
        host = "\(Loopback.host):\(port)"
        connect = { try Loopback.connect(port: port, timeout: timeout) }
    }

    /// - Parameter path: of a Unix socket.
    package init(path: String, timeout: Duration = .seconds(30)) {
        host = "localhost"
        connect = { try Loopback.connect(path: path, timeout: timeout) }
    }

    deinit {
        for descriptor in idle.withLock({ $0 }) { close(descriptor) }
    }

    package func get(_ path: String) throws -> HTTPResponse {
        try send("GET", path)
    }

    package func post(
        _ path: String, _ body: [UInt8], headers: [String: String] = [:]
    ) throws -> HTTPResponse {
        try send("POST", path, headers: headers, body: body)
    }

    /// - Parameter body: sent as JSON, if the headers do not say otherwise.
    package func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8]? = nil
    ) throws -> HTTPResponse {
        let request = encode(method, path, headers, body)
        let label = "\(method) http://\(host)\(path)"
        if let kept = idle.withLock({ $0.popLast() }) {
            do {
                return try exchange(request, on: kept, label)
            } catch  where method == "GET" {
                // The daemon closed it in the meantime: once more, on a new one.
            }
        }
        let new: Int32
        do {
            new = try connect()
        } catch {
            throw NoAnswer(request: label, reason: "\(error)")
        }
        return try exchange(request, on: new, label)
    }

    /// Owns the connection: it is kept, or closed.
    private func exchange(
        _ request: [UInt8], on descriptor: Int32, _ label: String
    ) throws -> HTTPResponse {
        var keep = false
        defer {
            if keep { idle.withLock { $0.append(descriptor) } } else { close(descriptor) }
        }
        do {
            try write(request, to: descriptor)
            var reader = HTTPResponseReader { buffer in
                try Self.receive(from: descriptor, into: &buffer)
            }
            let response = try reader.read()
            keep = reader.mayBeKept
            return response
        } catch {
            throw NoAnswer(request: label, reason: "\(error)")
        }
    }

    private func encode(
        _ method: String, _ path: String, _ headers: [String: String], _ body: [UInt8]?
    ) -> [UInt8] {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n"
        var headers = headers
        if let body {
            headers["Content-Length"] = String(body.count)
            if headers["Content-Type"] == nil { headers["Content-Type"] = "application/json" }
        }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            head += "\(name): \(value)\r\n"
        }
        return Array((head + "\r\n").utf8) + (body ?? [])
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
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

    /// Appends what arrives; false at the end of the stream.
    private static func receive(
        from descriptor: Int32, into buffer: inout [UInt8]
    ) throws -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { throw SystemError("receive", code: ETIMEDOUT) }
            guard count >= 0 else { throw SystemError("receive") }
            buffer += bytes[..<count]
            return count > 0
        }
    }
}
