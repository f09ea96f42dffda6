import Foundation

/// A kind of broker that fleets run over.
package enum BrokerKind: String, CaseIterable, Sendable {
    /// Keeps nothing on disk here: killed, it forgets what it had queued and retained.
    case mosquitto
    /// Speaks MQTT 3.1.1 only, and keeps what it has in its folder.
    case nats
}

/// A broker of our own, on a free loopback port.
package final class Broker: Sendable {
    package let port: UInt16
    package let process: ChildProcess

    /// - Parameter home: where its configuration, its log and what it keeps are written.
    package init(home: String, kind: BrokerKind = .mosquitto) throws {
        port = try FreePort.next()
        let configuration = "\(home)/broker.conf"
        try Self.configuration(kind, port: port, home: home).write(
            toFile: configuration, atomically: true, encoding: .utf8)
        process = ChildProcess(
            name: "broker", executable: try Self.program(kind), arguments: ["-c", configuration],
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

    /// Killed at whatever it is doing; what it still knows then is its kind's matter.
    package func killAndRestart() throws {
        process.kill()
        try start()
    }

    private static func configuration(
        _ kind: BrokerKind, port: UInt16, home: String
    ) throws -> String {
        switch kind {
        case .mosquitto:
            // Started by root, Mosquitto would become another user, and lose with that the signal that ends it
            // when we die: therefore it is told to stay.
            """
            listener \(port) \(Loopback.host)
            allow_anonymous true
            persistence false
            user root

            """
        case .nats:
            // MQTT needs a name of the server and its stream storage.
            """
            server_name: "fleet"
            listen: "\(Loopback.host):\(try FreePort.next())"
            jetstream { store_dir: "\(home)/broker" }
            mqtt { listen: "\(Loopback.host):\(port)" }

            """
        }
    }

    /// Debian installs them where only root looks.
    private static func program(_ kind: BrokerKind) throws -> String {
        let name =
            switch kind {
            case .mosquitto: "mosquitto"
            case .nats: "nats-server"
            }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders =
            path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"]
        let candidates = folders.map { "\($0)/\(name)" }
        guard let found = candidates.first(where: FileManager.default.isExecutableFile(atPath:))
        else { throw Unrecoverable(description: "\(name) is not installed") }
        return found
    }
}
