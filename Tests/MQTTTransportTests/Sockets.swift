import Glibc

/// Loopback sockets, as little of them as the tests need.
enum Loopback {
    /// A listening socket on a port that the system chose.
    static func listen(backlog: Int32 = 16) -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &address) { raw in
            let pointer = raw.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            precondition(bind(descriptor, pointer, length) == 0, "bind: errno \(errno)")
            precondition(Glibc.listen(descriptor, backlog) == 0, "listen: errno \(errno)")
            getsockname(descriptor, pointer, &length)
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// A port that nobody listens on, at least a moment ago.
    static func freePort() -> UInt16 {
        let (descriptor, port) = listen()
        close(descriptor)
        return port
    }

    /// A connected socket, or `nil`; non-blocking ones may still be connecting.
    static func connect(to port: UInt16, nonBlocking: Bool = false) -> Int32? {
        let kind = Int32(SOCK_STREAM.rawValue) | (nonBlocking ? Int32(SOCK_NONBLOCK.rawValue) : 0)
        let descriptor = socket(AF_INET, kind, 0)
        var address = self.address(port)
        let result = withUnsafeBytes(of: &address) {
            Glibc.connect(
                descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        if result == 0 || nonBlocking && errno == EINPROGRESS { return descriptor }
        close(descriptor)
        return nil
    }

    static func isReadable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
        var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&descriptors, 1, milliseconds) > 0
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
