import DaemonSupport
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Testing

/// Says what it does, and ends when it is asked to, unless it is stubborn.
private struct Talker: Service {
    let name: String
    var isReady: @Sendable () -> Void = {}

    func run() async throws {
        print("\(name) runs")
        isReady()
        try? await gracefulShutdown()
        print("\(name) ends")
    }
}

private struct Stubborn: Service {
    func run() async throws {
        try? await gracefulShutdown()
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }
}

private struct Quitter: Service {
    func run() async throws {}
}

private let logger = Logger(
    label: "test", factory: { _ in StreamLogHandler.standardError(label: "test") })

@Suite struct DaemonLifetimeTests {
    @Test(arguments: [SIGTERM, SIGINT])
    func `a signal ends the services in reverse order, then what they used, with status 0`(
        signal: CInt
    ) async {
        let result = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardOutputContent]
        ) { [signal] in
            let last = Talker(name: "last", isReady: { kill(getpid(), signal) })
            try await DaemonLifetime(logger: logger).run([Talker(name: "first"), last]) {
                print("finish")
            }
            exit(0)
        }
        let lines = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self).split(
            separator: "\n")
        #expect(lines.suffix(3) == ["last ends", "first ends", "finish"], "\(lines)")
    }

    @Test func `what does not end in time is named, and the process exits with status 1`() async {
        let result = await #expect(
            processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
        ) {
            let last = Talker(name: "last", isReady: { kill(getpid(), SIGTERM) })
            try await DaemonLifetime(logger: logger, patience: .milliseconds(100)).run([
                Stubborn(), last,
            ]) {}
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("did not stop in time"), "\(text)")
        #expect(text.contains("stop.unfinished=closing the store, Stubborn"), "\(text)")
    }

    @Test func `a store that does not close in time is named, too`() async {
        let result = await #expect(
            processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
        ) {
            let only = Talker(name: "only", isReady: { kill(getpid(), SIGTERM) })
            try await DaemonLifetime(logger: logger, patience: .milliseconds(100)).run([only]) {
                while true { pause() }
            }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("stop.unfinished=closing the store"), "\(text)")
    }

    @Test func `a service that ends by itself ends the daemon, with its name`() async {
        await #expect(processExitsWith: .exitCode(0)) {
            do {
                try await DaemonLifetime(logger: logger).run([Talker(name: "other"), Quitter()]) {}
            } catch let error as ServiceEnded {
                exit(error.description == "Quitter ended by itself" ? 0 : 2)
            }
            exit(3)
        }
    }

    @Test func `a peer that is gone does not end the daemon`() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let last = Talker(
                name: "last",
                isReady: {
                    var ends: [CInt] = [0, 0]
                    pipe(&ends)
                    close(ends[0])
                    let count = write(ends[1], "x", 1)
                    kill(getpid(), count == -1 ? SIGTERM : SIGKILL)
                })
            try await DaemonLifetime(logger: logger).run([last]) {}
            exit(0)
        }
    }

    @Test(arguments: [false, true])
    func `systemd is told in its own words`(isAbstract: Bool) throws {
        let name = "t\(UInt64.random(in: 0 ... .max))"
        let path = isAbstract ? "@\(name)" : NSTemporaryDirectory() + name
        let bytes = isAbstract ? [0] + Array(name.utf8) : Array(path.utf8)
        let receiver = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(receiver)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(receiver, $0, socklen_t(MemoryLayout<sa_family_t>.size + bytes.count))
            }
        }
        try #require(result == 0)
        let manager = ServiceManager(socketPath: path)
        for (state, expected) in [
            (ServiceManager.State.ready, "READY=1"), (.stopping, "STOPPING=1"),
        ] {
            manager.say(state)
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(receiver, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            try #require(count > 0)
            #expect(String(decoding: buffer[..<count], as: UTF8.self) == expected)
        }
    }

    @Test(arguments: [nil, "", "/no/such/socket", "/" + String(repeating: "x", count: 200)])
    func `where nobody listens, nothing happens`(path: String?) {
        ServiceManager(socketPath: path).say(.ready)
    }
}
