import Foundation
import Glibc
import HTTPSupport
import Hummingbird
import Logging
import ServiceLifecycle
import Synchronization
import Testing
import TextFormats

/// A server in a task, which ends with `body`.
func withServer<Value: Sendable>(
    at address: ListenAddress, limits: APIServerLimits = APIServerLimits(), log: LogBox = LogBox(),
    routes: @escaping @Sendable (APIRouter<BasicRequestContext>) -> Void = { _ in },
    _ body: @escaping @Sendable (ServiceGroup) async throws -> Value
) async throws -> Value {
    let (listening, signal) = AsyncStream<Void>.makeStream()
    let logger = Logger(label: "test", factory: { _ in LogBox.Handler(box: log) })
    let server = APIServer(
        address: address, logger: logger, limits: limits,
        about: APIAbout(title: "test", version: "0"),
        routes: { router in
            routes(router)
            router.get("/hello") { _, _ in "hello" }
            router.post("/numbers") { request, _ in
                let number = try await JSONBody.read(request, bytesMax: 1 << 20) {
                    (json) throws(JSONError) in try json.integer()
                }
                return "\(number)"
            }
            router.post("/lines") { request, _ in
                let limits = LineLimits(
                    lineBytesMax: 100, linesPerAnswer: 10, backlogBytesMax: 1000)
                return LineExchange.response(to: request, limits) { lines in
                    ByteBuffer(string: lines.map { "answer \($0.number)\n" }.joined())
                }
            }
        }, onListening: { signal.finish() })
    let group = ServiceGroup(
        services: [server],
        logger: Logger(label: "group", factory: { _ in SwiftLogNoOpLogHandler() }))
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            // A server that cannot start must not leave the test waiting.
            defer { signal.finish() }
            try await group.run()
        }
        for await _ in listening {}
        let value = try await body(group)
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        return value
    }
}

func temporaryPath() -> String {
    NSTemporaryDirectory() + "t\(UInt32.random(in: 0 ... .max)).sock"
}

/// One connection, used on a thread that may block.
struct Connection: Sendable {
    let descriptor: CInt

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0, "connect: errno \(errno)")
    }

    func send(_ text: String) {
        _ = text.utf8.withContiguousStorageIfAvailable {
            write(descriptor, $0.baseAddress, $0.count)
        }
    }

    /// Everything up to a text, which must come within ten seconds.
    func receive(until end: String) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var timeout = timeval(tv_sec: 10, tv_usec: 0)
                setsockopt(
                    descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout,
                    socklen_t(MemoryLayout<timeval>.size))
                var bytes: [UInt8] = []
                var byte: UInt8 = 0
                while !String(decoding: bytes, as: UTF8.self).hasSuffix(end),
                    read(descriptor, &byte, 1) == 1
                { bytes.append(byte) }
                continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    /// Sends a byte every 20 ms.
    func isCutWhileTrickling(within limit: Duration) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var pause = timeval(tv_sec: 0, tv_usec: 20_000)
                setsockopt(
                    descriptor, SOL_SOCKET, SO_RCVTIMEO, &pause,
                    socklen_t(MemoryLayout<timeval>.size))
                let deadline = ContinuousClock.now + limit
                var byte = UInt8(ascii: "x")
                var answer: UInt8 = 0
                var isOpen = true
                while isOpen, ContinuousClock.now < deadline {
                    isOpen = Glibc.send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL)) == 1
                    if recv(descriptor, &answer, 1, 0) == 0 { isOpen = false }
                }
                continuation.resume(returning: !isOpen)
            }
        }
    }

    /// Everything up to the end of the connection, which must come within ten seconds.
    func receiveAll() async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var timeout = timeval(tv_sec: 10, tv_usec: 0)
                setsockopt(
                    descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout,
                    socklen_t(MemoryLayout<timeval>.size))
                var bytes: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 4096)
                while true {
                    let count = read(descriptor, &buffer, buffer.count)
                    guard count > 0 else {
                        // A reset is an end, too: the server closed with something of ours unread.
                        let hasEnded = count == 0 || errno == ECONNRESET
                        continuation.resume(
                            returning: hasEnded
                                ? String(decoding: bytes, as: UTF8.self) : "(timed out)")
                        break
                    }
                    bytes += buffer[..<count]
                }
                close(descriptor)
            }
        }
    }
}

@Suite struct APIServerTests {
    @Test func `it serves on a Unix socket`() async throws {
        let path = temporaryPath()
        let log = LogBox()
        let answer = try await withServer(at: .unix(path: path), log: log) { _ in
            let connection = try Connection(path: path)
            connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return await connection.receiveAll()
        }
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nhello"))
        #expect(log.lines == ["info listening server.address=unix:\(path)"])
    }

    @Test func `a socket file that nobody answers is replaced, and one that is answered is not`()
        async throws
    {
        let path = temporaryPath()
        // A file that a process left behind.
        let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        close(left)
        try await withServer(at: .unix(path: path)) { _ in
            let failure = await #expect(throws: ListenFailure.self) {
                try await withServer(at: .unix(path: path)) { _ in }
            }
            #expect(
                failure?.description
                    == "unix:\(path) is already in use by another program; choose another with --listen"
            )
        }
    }

    @Test func `a file that is no socket is left alone`() async throws {
        let path = temporaryPath()
        try Data("precious".utf8).write(to: URL(filePath: path))
        defer { unlink(path) }
        let failure = await #expect(throws: ListenFailure.self) {
            try await withServer(at: .unix(path: path)) { _ in }
        }
        #expect(
            failure?.description
                == "cannot listen on unix:\(path): there is a file of that name, and it is no socket"
        )
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test func `a taken port is said in a sentence that names it`() async throws {
        let taken = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(taken) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(taken, $0, size)
                _ = listen(taken, 1)
                _ = getsockname(taken, $0, &size)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let failure = await #expect(throws: ListenFailure.self) {
            try await withServer(at: .tcp(host: "127.0.0.1", port: port)) { _ in }
        }
        #expect(
            failure?.description
                == "127.0.0.1:\(port) is already in use by another program; choose another with --listen"
        )
    }

    @Test(arguments: [
        (
            ListenAddress.tcp(host: "192.0.2.1", port: 7410),
            "192.0.2.1:7410 is not an address of this machine"
        ),
        (
            .tcp(host: "no-such-host.invalid", port: 1),
            "cannot listen on no-such-host.invalid:1: the host's name has no address"
        ),
        (
            .unix(path: "/no/such/folder/x.sock"),
            "unix:/no/such/folder/x.sock: its folder does not exist"
        ),
    ])
    func `an address that cannot be had is said in a sentence`(
        address: ListenAddress, expected: String
    ) async throws {
        let failure = await #expect(throws: ListenFailure.self) {
            try await withServer(at: address) { _ in }
        }
        #expect(failure?.description == expected)
    }

    @Test func `with port 0 the log says which port it became`() async throws {
        let log = LogBox()
        try await withServer(at: .tcp(host: "127.0.0.1", port: 0), log: log) { _ in }
        let line = try #require(log.lines.first)
        #expect(line.hasPrefix("info listening server.address=127.0.0.1:") && !line.hasSuffix(":0"))
    }

    @Test(arguments: [
        (line: "GET /hello HTTP/1.1", bytes: 40_000, status: 413, code: "too_large"),
        (
            line: "GET /\(String(repeating: "x", count: 40_000)) HTTP/1.1", bytes: 0, status: 413,
            code: "too_large"
        ),
        (line: "FETCH /hello HTTP/1.1", bytes: 0, status: 400, code: "invalid_field"),
        (line: "hello", bytes: 0, status: 400, code: "invalid_field"),
    ])
    func `a head that is too long, or none, has a problem as its answer, and the connection ends`(
        line: String, bytes: Int, status: Int, code: String
    ) async throws {
        let path = temporaryPath()
        let answer = try await withServer(at: .unix(path: path)) { _ in
            let connection = try Connection(path: path)
            connection.send(
                "\(line)\r\nHost: x\r\nX: \(String(repeating: "x", count: bytes))\r\n\r\n")
            return await connection.receiveAll()
        }
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        #expect(answer.contains("application/problem+json") && answer.contains(code), "\(answer)")
    }

    @Test func `a client that trickles a head is cut off, however regularly its bytes come`()
        async throws
    {
        let path = temporaryPath()
        var limits = APIServerLimits()
        limits.idle = .milliseconds(300)
        try await withServer(at: .unix(path: path), limits: limits) { _ in
            let connection = try Connection(path: path)
            connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nX: ")
            #expect(await connection.isCutWhileTrickling(within: .seconds(20)))
        }
    }

    @Test func `a client that trickles a body is cut off`() async throws {
        let path = temporaryPath()
        var limits = APIServerLimits()
        limits.bodyWindow = .milliseconds(50)
        let answer = try await withServer(at: .unix(path: path), limits: limits) { _ in
            let connection = try Connection(path: path)
            connection.send(
                "POST /numbers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n1"
            )
            return await connection.receiveAll()
        }
        #expect(!answer.hasPrefix("HTTP/1.1 2") && answer != "(timed out)", "\(answer)")
    }

    @Test func `a client may wait for the answer to a line before it sends the next`()
        async throws
    {
        let path = temporaryPath()
        let answer = try await withServer(at: .unix(path: path)) { _ in
            let connection = try Connection(path: path)
            connection.send(
                "POST /lines HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n")
            for number in 1...8 {
                connection.send("2\r\n1\n\r\n")
                _ = await connection.receive(until: "answer \(number)\n")
            }
            connection.send("0\r\n\r\n")
            return await connection.receiveAll()
        }
        #expect(answer.hasSuffix("0\r\n\r\n"), "\(answer)")
    }

    @Test func `lines that come a byte at a time are cut off before the first has ended`()
        async throws
    {
        let path = temporaryPath()
        var limits = APIServerLimits()
        limits.bodyWindow = .milliseconds(50)
        let answer = try await withServer(at: .unix(path: path), limits: limits) { _ in
            let connection = try Connection(path: path)
            connection.send(
                "POST /lines HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "1\r\n{\r\n")
            return await connection.receiveAll()
        }
        #expect(answer != "(timed out)" && !answer.contains("answer"), "\(answer)")
        #expect(!answer.hasSuffix("0\r\n\r\n"), "it must not look whole")
    }

    @Test func `a client that is silent is cut off when it has been so for long enough`()
        async throws
    {
        let path = temporaryPath()
        var limits = APIServerLimits()
        limits.idle = .milliseconds(50)
        let answer = try await withServer(at: .unix(path: path), limits: limits) { _ in
            await (try Connection(path: path)).receiveAll()
        }
        #expect(answer.isEmpty)
    }

    @Test func `a daemon that stops does not wait for half a request longer than its drain allows`()
        async throws
    {
        let path = temporaryPath()
        var limits = APIServerLimits()
        limits.drain = .milliseconds(50)
        let answer = try await withServer(at: .unix(path: path), limits: limits) { group in
            let connection = try Connection(path: path)
            connection.send(
                "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nPOST /numbers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            )
            await group.triggerGracefulShutdown()
            return await connection.receiveAll()
        }
        #expect(answer != "(timed out)")
    }
}
