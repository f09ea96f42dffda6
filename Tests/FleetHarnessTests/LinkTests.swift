import FleetHarness
import Foundation
import Testing

@Suite struct LinkTests {
    @Test func `what goes in comes out, also more than any buffer holds`() async throws {
        try await onThread {
            let (server, link) = try linkedEcho()
            let client = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(client) }
            let bytes = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            Thread { write(bytes, to: client) }.start()
            #expect(try read(bytes.count, from: client) == bytes)
            #expect(server.port != link.port)
        }
    }

    @Test func `a cut link resets its connections, and refuses new ones until it is healed`()
        async throws
    {
        try await onThread {
            let (server, link) = try linkedEcho()
            let first = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(first) }
            write([1, 2, 3], to: first)
            #expect(try read(3, from: first) == [1, 2, 3])
            link.cut()
            #expect(throws: (any Error).self) { try read(1, from: first) }
            let second = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(second) }
            write([4], to: second)
            #expect(throws: (any Error).self) { try read(1, from: second) }
            link.heal()
            let third = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(third) }
            write([5], to: third)
            #expect(try read(1, from: third) == [5])
            #expect(server.port != link.port)
        }
    }

    @Test func `a stalled link keeps connections open and lets nothing pass until it is healed`()
        async throws
    {
        try await onThread {
            let (server, link) = try linkedEcho()
            let client = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(client) }
            write([1], to: client)
            #expect(try read(1, from: client) == [1])
            link.stall()
            write([2], to: client)
            var ready = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
            #expect(poll(&ready, 1, 300) == 0)
            link.heal()
            #expect(try read(1, from: client) == [2])
            #expect(server.port != link.port)
        }
    }

    @Test func `where nobody listens behind it, a connection through a link is reset`() async throws
    {
        try await onThread {
            let link = try Link(to: FreePort.next())
            let client = try Loopback.connect(port: link.port, timeout: .seconds(20))
            defer { close(client) }
            #expect(throws: (any Error).self) { try read(1, from: client) }
        }
    }

    @Test func `a closed link gives its port back`() async throws {
        try await onThread {
            let (server, link) = try linkedEcho()
            link.close()
            try waitUntil("the port free again", within: .seconds(10)) {
                close(try Loopback.listen(port: link.port))
                return true
            }
            #expect(server.port != link.port)
        }
    }
}

private func linkedEcho() throws -> (StubServer, Link) {
    let server = try StubServer.echo()
    return (server, try Link(to: server.port))
}

private struct Ended: Error {}

private func read(_ count: Int, from descriptor: Int32) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < count {
        let received = recv(descriptor, &part, min(part.count, count - bytes.count), 0)
        guard received > 0 else { throw Ended() }
        bytes += part[..<received]
    }
    return bytes
}

private func write(_ bytes: [UInt8], to descriptor: Int32) {
    var sent = 0
    while sent < bytes.count {
        let count = bytes[sent...].withUnsafeBytes {
            send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return }
        sent += count
    }
}
