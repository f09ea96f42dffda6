import Glibc
import Synchronization

/// TCP sockets on 127.0.0.1 and Unix sockets, as file descriptors. Nothing here ever reaches another machine.
package enum Loopback {
    static let host = "127.0.0.1"

    /// A connected, blocking socket.
    ///
    /// - Parameter timeout: for connecting, and for each later read and write.
    package static func connect(port: UInt16, timeout: Duration) throws -> Int32 {
        let descriptor = try makeSocket()
        do {
            try setTimeouts(descriptor, timeout)
            setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
            var address = address(port: port)
            let result = withSockaddr(&address) { Glibc.connect(descriptor, $0, $1) }
            guard result == 0 else { throw SystemError("connect to port \(port)") }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A connected, blocking Unix socket. See ``connect(port:timeout:)``.
    package static func connect(path: String, timeout: Duration) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError("connect to \(path)", code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let descriptor = try makeSocket(AF_UNIX)
        do {
            try setTimeouts(descriptor, timeout)
            let result = withSockaddr(&address) { Glibc.connect(descriptor, $0, $1) }
            guard result == 0 else { throw SystemError("connect to \(path)") }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A listening socket whose `accept` does not block.
    package static func listen(port: UInt16) throws -> Int32 {
        let descriptor = try makeSocket()
        do {
            try bind(descriptor, port: port)
            guard Glibc.listen(descriptor, 64) == 0 else { throw SystemError("listen") }
            Descriptors.makeNonBlocking(descriptor)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Lets `close` send a reset instead of a goodbye, as a link that breaks.
    static func resetOnClose(_ descriptor: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
    }

    static func bind(_ descriptor: Int32, port: UInt16) throws {
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, Int32(1))
        var address = address(port: port)
        guard withSockaddr(&address, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw SystemError("bind port \(port)")
        }
    }

    /// Closed on exec: a child must not hold a socket of its parent open.
    static func makeSocket(_ family: Int32 = AF_INET) throws -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        return descriptor
    }

    private static func setTimeouts(_ descriptor: Int32, _ timeout: Duration) throws {
        let milliseconds = Int(timeout.milliseconds)
        let value = timeval(tv_sec: milliseconds / 1_000, tv_usec: milliseconds % 1_000 * 1_000)
        setOption(descriptor, SOL_SOCKET, SO_RCVTIMEO, value)
        setOption(descriptor, SOL_SOCKET, SO_SNDTIMEO, value)
    }

    /// The options set here cannot fail on a socket that we made.
    private static func setOption<Value>(
        _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Value
    ) {
        let result = withUnsafeBytes(of: value) {
            setsockopt(descriptor, level, name, $0.baseAddress, socklen_t($0.count))
        }
        precondition(result == 0, "setsockopt \(level) \(name): \(errno)")
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func withSockaddr<Address: BitwiseCopyable, Result>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}

/// Hands out ports that nobody listens on.
package enum FreePort {
    /// Below the range that the kernel gives to outgoing connections, so that nobody takes the port of a
    /// daemon while it restarts.
    private static let range: Range<UInt16> = 20_000..<32_000
    private static let taken = Mutex<Set<UInt16>>([])

    /// A port that was free a moment ago, and that this process gets only once.
    package static func next() throws -> UInt16 {
        for _ in 0..<1_000 {
            let port = UInt16.random(in: range)
            guard taken.withLock({ $0.insert(port).inserted }) else { continue }
            let descriptor = try Loopback.makeSocket()
            defer { close(descriptor) }
            // An error here is the answer that was asked for: the port is not free.
            if (try? Loopback.bind(descriptor, port: port)) != nil { return port }
        }
        throw Unrecoverable(description: "no free port between 20000 and 32000")
    }
}
