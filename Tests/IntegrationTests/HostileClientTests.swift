import FleetHarness
import Foundation
import Glibc
import Testing

extension IntegrationTests {
    /// Clients that mean harm, or know no better.
    @Suite struct HostileClientTests {
        private static let connections = 10_000
        /// Of a daemon, in KiB: what a thousand connections may take together, and some.
        private static let growthMax = 96 << 10

        @Test
        func `ten thousand idle connections keep nobody out, and take a bounded amount of memory`()
            async throws
        {
            try Self.raiseDescriptorLimit(to: Self.connections + 1_000)
            try await withRunningFleet { fleet in
                for daemon in fleet.daemons {
                    let before = try Self.residentKiB(daemon)
                    var idle: [Int32] = []
                    defer { for descriptor in idle { close(descriptor) } }
                    let kept = HTTPClient(port: daemon.port, timeout: .seconds(10))
                    for number in 1...Self.connections {
                        idle.append(try Loopback.connect(port: daemon.port, timeout: .seconds(10)))
                        guard number % 1_000 == 0 else { continue }
                        // Somebody who comes now is served, and so is somebody who was here before.
                        let new = HTTPClient(port: daemon.port, timeout: .seconds(10))
                        #expect(try new.get("/healthz").status == 200, "\(daemon.name) \(number)")
                        #expect(try kept.get("/healthz").status == 200, "\(daemon.name) \(number)")
                    }
                    let growth = try Self.residentKiB(daemon) - before
                    let open = try Self.openDescriptors(daemon)
                    print(
                        "\(daemon.name): \(Self.connections) idle connections, \(open) descriptors, \(growth) KiB more"
                    )
                    #expect(growth < Self.growthMax, "\(daemon.name)")
                    #expect(open < 1_500, "\(daemon.name)")
                }
                // Both still do their work.
                try fleet.agents[0].client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                fleet.expectCleanEnds()
            }
        }

        @Test func `a client that sends one byte a second is cut off`() async throws {
            try await withRunningFleet { fleet in
                let head =
                    "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 1000\r\n\r\n{"
                var slow = try fleet.daemons.map { daemon in
                    let connection = try Loopback.connect(port: daemon.port, timeout: .seconds(5))
                    try Self.send(head, to: connection)
                    return (daemon: daemon, connection: connection)
                }
                defer { for client in slow { close(client.connection) } }
                // The window is ten seconds: a client that keeps to it for 25 was not cut.
                try waitUntil("the slow clients are cut", within: .seconds(25), every: .seconds(1))
                {
                    for client in slow {
                        let others = HTTPClient(port: client.daemon.port, timeout: .seconds(5))
                        let health = try others.get("/healthz")
                        #expect(health.status == 200, "\(client.daemon.name)")
                    }
                    slow.removeAll { client in
                        let isCut = !Self.trickle(client.connection)
                        if isCut { close(client.connection) }
                        return isCut
                    }
                    return slow.isEmpty
                }
            }
        }

        // MARK: Steps

        /// - Returns: false where the connection has ended.
        private static func trickle(_ connection: Int32) -> Bool {
            var byte: UInt8 = 0x20
            guard Glibc.send(connection, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return false }
            var answer = [UInt8](repeating: 0, count: 4_096)
            let count = recv(connection, &answer, answer.count, Int32(MSG_DONTWAIT))
            return count > 0 || (count < 0 && errno == EAGAIN)
        }

        private static func send(_ text: String, to connection: Int32) throws {
            let bytes = Array(text.utf8)
            try #require(
                Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        }

        private static func residentKiB(_ daemon: Daemon) throws -> Int {
            let pid = try #require(daemon.process.pid)
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            return try #require(line?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        }

        private static func openDescriptors(_ daemon: Daemon) throws -> Int {
            let pid = try #require(daemon.process.pid)
            return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
        }

        /// The test itself needs as many sockets as it opens.
        private static func raiseDescriptorLimit(to count: Int) throws {
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var limit = rlimit()
            try #require(getrlimit(resource, &limit) == 0)
            guard limit.rlim_cur < rlim_t(count) else { return }
            limit.rlim_cur = rlim_t(count)
            limit.rlim_max = max(limit.rlim_max, rlim_t(count))
            try #require(
                setrlimit(resource, &limit) == 0,
                "this test opens \(count) sockets: run it as root, or with ulimit -Hn \(count)")
        }
    }
}
