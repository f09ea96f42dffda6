/// Where a daemon listens: a TCP address or a Unix socket.
///
/// Written as `127.0.0.1:7410`, `localhost:7410`, `[::1]:7410` or `unix:/run/tributary/agent.sock`.
package enum ListenAddress: Hashable, Sendable {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// `sun_path` of Linux has 108 bytes, the last of which is a NUL (unix(7)).
    package static let unixPathBytesMax = 107

    package struct ParseError: Error, Equatable, CustomStringConvertible {
        /// A predicate: `has no port; write host:port, as in 127.0.0.1:7410`.
        package var description: String
    }

    package init(_ text: String) throws(ParseError) {
        if text.hasPrefix("unix:") {
            self = try Self.unix(text.dropFirst(5))
        } else if text.hasPrefix("[") {
            self = try Self.bracketed(text)
        } else {
            self = try Self.plain(text)
        }
    }

    /// Whether only processes of this machine can reach it: a Unix socket, 127.0.0.0/8, ::1 or
    /// `localhost` (RFC 6761 §6.3).
    package var isLoopback: Bool {
        switch self {
        case .unix: true
        case .tcp("localhost", _), .tcp("::1", _): true
        case .tcp(let host, _): Self.isIPv4Loopback(host)
        }
    }

    private static func unix(_ path: Substring) throws(ParseError) -> ListenAddress {
        guard path.hasPrefix("/") else {
            throw ParseError(
                description: "needs an absolute path, as in unix:/run/tributary/agent.sock")
        }
        guard path.utf8.count <= unixPathBytesMax else {
            throw ParseError(
                description:
                    "has a path of \(path.utf8.count) bytes; a Unix socket's has at most \(unixPathBytesMax)"
            )
        }
        guard !path.utf8.contains(0) else { throw ParseError(description: "has a NUL in its path") }
        return .unix(path: String(path))
    }

    private static func bracketed(_ text: String) throws(ParseError) -> ListenAddress {
        guard let end = text.firstIndex(of: "]") else {
            throw ParseError(description: "has an opening bracket that is not closed")
        }
        let host = text[text.index(after: text.startIndex)..<end]
        guard host.utf8.count(where: { $0 == UInt8(ascii: ":") }) >= 2,
            host.utf8.allSatisfy(isIPv6Byte)
        else {
            throw ParseError(description: "has something other than an IPv6 address in brackets")
        }
        let rest = text[text.index(after: end)...]
        guard rest.hasPrefix(":") else { throw ParseError(description: noPort) }
        return .tcp(host: String(host), port: try port(rest.dropFirst()))
    }

    private static func plain(_ text: String) throws(ParseError) -> ListenAddress {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else {
            throw ParseError(
                description:
                    "has several colons; write an IPv6 address in brackets, as in [::1]:7410")
        }
        guard parts.count == 2 else { throw ParseError(description: noPort) }
        guard !parts[0].isEmpty else {
            throw ParseError(
                description:
                    "has no host; write 127.0.0.1:\(parts[1]), or 0.0.0.0:\(parts[1]) for all")
        }
        guard parts[0].utf8.allSatisfy(isHostByte) else {
            throw ParseError(description: "has a host that is neither a name nor an IPv4 address")
        }
        return .tcp(host: String(parts[0]), port: try port(parts[1]))
    }

    private static let noPort = "has no port; write host:port, as in 127.0.0.1:7410"

    private static func port(_ text: Substring) throws(ParseError) -> UInt16 {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }),
            let port = UInt16(text)
        else {
            throw ParseError(description: "has a port that is not a number from 0 to 65535")
        }
        return port
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isIPv6Byte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "."),
            UInt8(ascii: "%"):
            true
        default: false
        }
    }

    private static func isIPv4Loopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { UInt8($0) != nil && !$0.hasPrefix("+") }
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
