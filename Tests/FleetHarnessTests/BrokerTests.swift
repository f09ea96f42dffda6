import FleetHarness
import Foundation
import Testing

@Suite struct BrokerTests {
    @Test func `a broker of our own listens, dies, and comes back on the same port`() async throws {
        try await onThread {
            let home = try FleetPlan.temporaryHome()
            defer { try? FileManager.default.removeItem(atPath: home) }
            let broker = try Broker(home: home)
            try broker.start()
            defer { broker.process.kill() }
            let first = try #require(broker.process.pid)
            close(try Loopback.connect(port: broker.port, timeout: .seconds(5)))
            try broker.killAndRestart()
            #expect(broker.process.pid != first)
            close(try Loopback.connect(port: broker.port, timeout: .seconds(5)))
            broker.process.kill()
            #expect(throws: SystemError.self) {
                try Loopback.connect(port: broker.port, timeout: .seconds(5))
            }
        }
    }

    @Test func `a daemon that ends before it is ready is reported with its log`() async throws {
        try await onThread {
            let home = try FleetPlan.temporaryHome()
            defer { try? FileManager.default.removeItem(atPath: home) }
            // A program that does not understand the command line of a daemon, and says so.
            try FileManager.default.createSymbolicLink(
                atPath: "\(home)/tributary-aggregator", withDestinationPath: "/bin/cat")
            let fleet = try Fleet(FleetPlan(home: home, binaries: home, agents: []))
            let error = try #require(throws: Unrecoverable.self) {
                try fleet.aggregator.daemon.start(readyWithin: .seconds(20))
            }
            #expect("\(error)".contains("ended before it was ready: exit status 1"))
            #expect("\(error)".contains("unrecognized option '--data'"))
        }
    }

    @Test func `a condition that does not come true in time is named with its last error`()
        async throws
    {
        try await onThread {
            let error = try #require(throws: TimedOut.self) {
                try waitUntil("a miracle", within: .milliseconds(50)) {
                    throw Unavailable()
                }
            }
            #expect("\(error)" == "a miracle: not within 0.05 seconds: not today")
        }
    }
}

private struct Unavailable: Error, CustomStringConvertible {
    var description: String { "not today" }
}
