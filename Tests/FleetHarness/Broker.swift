import Foundation

/// A Mosquitto of our own, on a free loopback port, that keeps nothing on disk.
package final class Broker: Sendable {
    package let port: UInt16
    package let process: ChildProcess

    /// - Parameter home: where its configuration and its log are written.
    package init(home: String) throws {
        port = try FreePort.next()
        let configuration = "\(home)/mosquitto.conf"
        try Self.configuration(port: port).write(
            toFile: configuration, atomically: true, encoding: .utf8)
        process = ChildProcess(
            name: "broker", executable: try Self.program(), arguments: ["-c", configuration],
            log: "\(home)/broker.log")
    }

    package var url: String { "mqtt://\(Loopback.host):\(port)" }

    /// Starts it, and waits until its port is open.
    package func start(within limit: Duration = .seconds(15)) throws {
        try process.start()
        try waitUntil("broker listening on port \(port)", within: limit) {
            if let exit = process.exit {
                let reason = "broker: \(exit)\nlog: \(process.log)\n\(process.logTail())"
                throw Unrecoverable(description: reason)
            }
            close(try Loopback.connect(port: port, timeout: .seconds(1)))
            return true
        }
    }

    /// It forgets everything that it had queued.
    package func killAndRestart() throws {
        process.kill()
        try start()
    }

    /// Started by root, Mosquitto would become another user, and lose with that the signal that ends it when
    /// we die: therefore it is told to stay.
    private static func configuration(port: UInt16) -> String {
        """
        listener \(port) \(Loopback.host)
        allow_anonymous true
        persistence false
        user root

        """
    }

    /// Debian installs it where only root looks.
    private static func program() throws -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders =
            path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"]
        let candidates = folders.map { "\($0)/mosquitto" }
        guard let found = candidates.first(where: FileManager.default.isExecutableFile(atPath:))
        else { throw Unrecoverable(description: "mosquitto is not installed") }
        return found
    }
}
