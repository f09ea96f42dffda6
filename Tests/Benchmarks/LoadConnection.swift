import FleetHarness
import Glibc

/// One keep-alive connection with at most one request under way.
struct LoadConnection {
    private enum Answer {
        case none
        /// The head is read, and so much of the body is still to come.
        case body(remaining: Int)
    }

    private static let bufferByteCount = 128 * 1024

    private let descriptor: Int32
    private(set) var request = 0
    private(set) var dueAt: UInt64 = 0
    private var written = 0
    private var buffer = [UInt8](repeating: 0, count: bufferByteCount)
    private var filled = 0
    private var answer = Answer.none

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// A connected socket that does not block.
    static func connect(port: UInt16) throws -> Int32 {
        let descriptor = try Loopback.connect(port: port, timeout: .seconds(10))
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
            throw Implausible("fcntl: errno \(errno)")
        }
        return descriptor
    }

    mutating func begin(_ request: Int, dueAt due: UInt64) {
        self.request = request
        dueAt = due
        written = 0
        filled = 0
        answer = .none
    }

    /// - Returns: whether the whole request has been written.
    mutating func write(_ bytes: [UInt8]) throws -> Bool {
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(
                    descriptor, $0.baseAddress?.advanced(by: written), $0.count - written,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EAGAIN { return false }
            guard count > 0 else { throw Implausible("send: errno \(errno)") }
            written += count
        }
        return true
    }

    /// - Returns: whether the answer is complete.
    /// - Throws: where it has another status than the expected one.
    mutating func read(expecting status: Int) throws -> Bool {
        while true {
            let start = filled
            let count = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: start), $0.count - start, 0)
            }
            if count < 0, errno == EAGAIN { return false }
            guard count > 0 else {
                throw Implausible("the daemon closed a connection: errno \(errno)")
            }
            if try take(count, expecting: status) { return true }
        }
    }

    private mutating func take(_ count: Int, expecting status: Int) throws -> Bool {
        var remaining: Int
        switch answer {
        case .body(let before): remaining = before - count
        case .none:
            filled += count
            guard let head = buffer.prefix(filled).endOfHead else { return false }
            let found = try LoadConnection.parse(buffer[..<head])
            guard found.status == status else {
                throw Implausible("answered \(String(decoding: buffer[..<filled], as: UTF8.self))")
            }
            remaining = head + found.length - filled
            filled = 0
        }
        guard remaining >= 0 else { throw Implausible("an answer that nobody asked for") }
        answer = .body(remaining: remaining)
        return remaining == 0
    }

    /// The status, and the value of `Content-Length`.
    private static func parse(_ head: ArraySlice<UInt8>) throws -> (status: Int, length: Int) {
        let name = Array("content-length:".utf8)
        var line = head.startIndex
        var length: Int?
        while let end = head[line...].firstIndex(of: UInt8(ascii: "\r")) {
            let text = head[line..<end]
            if text.count > name.count, text.first.map({ $0 | 0x20 }) == name[0],
                zip(text, name).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 })
            {
                length = text.dropFirst(name.count).number
            }
            line = end + 2
            if line >= head.endIndex { break }
        }
        guard let length, head.count > 12 else { throw Implausible("an answer without a length") }
        return (head[9..<12].number, length)
    }
}

extension ArraySlice<UInt8> {
    /// Behind the empty line.
    fileprivate var endOfHead: Int? {
        let carriageReturn = UInt8(ascii: "\r")
        var index = startIndex
        while index + 3 < endIndex {
            if self[index] == carriageReturn, self[index + 2] == carriageReturn { return index + 4 }
            index += 1
        }
        return nil
    }

    /// Its decimal digits as a number.
    fileprivate var number: Int {
        reduce(0) { value, byte in
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                ? value * 10 + Int(byte - UInt8(ascii: "0")) : value
        }
    }
}
