import Testing
import TextFormats

private func parse(_ text: String) -> String {
    do throws(ListenAddress.ParseError) {
        let address = try ListenAddress(text)
        return "\(address)\(address.isLoopback ? " (loopback)" : "")"
    } catch {
        return error.description
    }
}

@Suite struct ListenAddressTests {
    @Test(arguments: [
        ("127.0.0.1:7410", "127.0.0.1:7410 (loopback)"),
        ("127.9.8.7:0", "127.9.8.7:0 (loopback)"),
        ("localhost:7410", "localhost:7410 (loopback)"),
        ("[::1]:7410", "[::1]:7410 (loopback)"),
        ("unix:/run/tributary/agent.sock", "unix:/run/tributary/agent.sock (loopback)"),
        ("0.0.0.0:7410", "0.0.0.0:7410"),
        ("[::]:65535", "[::]:65535"),
        ("[fe80::1%eth0]:1", "has something other than an IPv6 address in brackets"),
        ("till-042.example:80", "till-042.example:80"),
        ("127.0.0.1.example:80", "127.0.0.1.example:80"),
        ("127.example:80", "127.example:80"),
        ("127.0.0.256:80", "127.0.0.256:80"),
        ("localhost.example:80", "localhost.example:80"),
        ("127.0.0.1", "has no port; write host:port, as in 127.0.0.1:7410"),
        ("7410", "has no port; write host:port, as in 127.0.0.1:7410"),
        ("", "has no port; write host:port, as in 127.0.0.1:7410"),
        (":7410", "has no host; write 127.0.0.1:7410, or 0.0.0.0:7410 for all"),
        ("127.0.0.1:", "has a port that is not a number from 0 to 65535"),
        ("127.0.0.1:65536", "has a port that is not a number from 0 to 65535"),
        ("127.0.0.1:+1", "has a port that is not a number from 0 to 65535"),
        ("127.0.0.1:http", "has a port that is not a number from 0 to 65535"),
        ("::1:7410", "has several colons; write an IPv6 address in brackets, as in [::1]:7410"),
        ("[::1]", "has no port; write host:port, as in 127.0.0.1:7410"),
        ("[::1", "has an opening bracket that is not closed"),
        ("[localhost]:80", "has something other than an IPv6 address in brackets"),
        ("http://x:80", "has several colons; write an IPv6 address in brackets, as in [::1]:7410"),
        ("a b:80", "has a host that is neither a name nor an IPv4 address"),
        ("unix:agent.sock", "needs an absolute path, as in unix:/run/tributary/agent.sock"),
        ("unix:/a\0b", "has a NUL in its path"),
    ])
    func `an address is read, or refused in so many words`(text: String, expected: String) {
        #expect(parse(text) == expected)
    }

    @Test func `a path may be as long as the system's structure for it, and not a byte longer`() {
        let path = "/" + String(repeating: "x", count: 106)
        #expect(parse("unix:\(path)") == "unix:\(path) (loopback)")
        #expect(
            parse("unix:\(path)x") == "has a path of 108 bytes; a Unix socket's has at most 107")
    }
}
