import FleetHarness
import Foundation
import Synchronization

/// A server on a free port that does with each connection what it is told to.
final class StubServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let connections = Mutex<[Int32]>([])

    /// - Parameter serve: is given one connection, on a thread of its own, which is closed afterwards.
    init(_ serve: @escaping @Sendable (Int32) -> Void) throws {
        port = try FreePort.next()
        listener = try Loopback.listen(port: port)
        let server = self
        Thread { [listener] in
            var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            while poll(&ready, 1, -1) >= 0, ready.revents & Int16(POLLIN) != 0 {
                guard let connection = Descriptors.accept(from: listener) else { continue }
                server.connections.withLock { $0.append(connection) }
                Thread {
                    serve(connection)
                    server.end(connection)
                }.start()
            }
        }.start()
    }

    /// Sends back whatever arrives.
    static func echo() throws -> StubServer {
        try StubServer { connection in
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(connection, &bytes, bytes.count, 0)
                guard count > 0, write(Array(bytes[..<count]), to: connection) else { return }
            }
        }
    }

    /// Answers requests; nil closes the connection instead.
    static func http(
        _ answer: @escaping @Sendable (_ head: String, _ body: [UInt8]) -> String?
    ) throws -> StubServer {
        try StubServer { connection in
            while let (head, body) = request(from: connection) {
                guard let text = answer(head, body), write(Array(text.utf8), to: connection) else {
                    return
                }
            }
        }
    }

    static func response(_ status: Int, _ body: String) -> String {
        "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func end(_ connection: Int32) {
        connections.withLock { $0.removeAll { $0 == connection } }
        close(connection)
    }

    /// The head and the body of one request, by its length.
    private static func request(from connection: Int32) -> (head: String, body: [UInt8])? {
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            guard recv(connection, &byte, 1, 0) == 1 else { return nil }
            head.append(byte)
        }
        let text = String(decoding: head, as: UTF8.self)
        let line = text.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
        let length = line.flatMap { Int($0.dropFirst("Content-Length: ".count)) } ?? 0
        var body: [UInt8] = []
        while body.count < length {
            var part = [UInt8](repeating: 0, count: length - body.count)
            let count = recv(connection, &part, part.count, 0)
            guard count > 0 else { return nil }
            body += part[..<count]
        }
        return (text, body)
    }

    private static func write(_ bytes: [UInt8], to connection: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
