import Glibc

/// What this process has sent over its TCP connections to a port, by the kernel's own count.
enum WireUse {
    /// Of the first descriptors, which are all that a benchmark has.
    private static let descriptors: Range<Int32> = 0..<256
    /// Where `tcpi_bytes_acked` stands in `struct tcp_info` (linux/tcp.h); glibc's own header ends before it.
    private static let bytesAckedOffset = 120

    /// Payload bytes that the other end's kernel has acknowledged, of the connections that are open now.
    static func bytesSent(toPort port: UInt16) -> UInt64 {
        descriptors.filter { peerPort(of: $0) == port }.reduce(0) { $0 + bytesAcknowledged($1) }
    }

    private static func peerPort(of descriptor: Int32) -> UInt16? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(descriptor, $0, &length)
            }
        }
        guard result == 0, address.sin_family == sa_family_t(AF_INET) else { return nil }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func bytesAcknowledged(_ descriptor: Int32) -> UInt64 {
        var information = [UInt8](repeating: 0, count: 256)
        var length = socklen_t(information.count)
        guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &information, &length) == 0,
            Int(length) >= bytesAckedOffset + 8
        else { return 0 }
        return information.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: bytesAckedOffset, as: UInt64.self)
        }
    }
}
