/// A process with an HTTP interface that says when it is ready.
package final class Daemon: Sendable {
    package let name: String
    package let port: UInt16
    /// Its data folder, which it makes itself.
    package let data: String
    package let process: ChildProcess
    private let http: HTTPClient

    init(name: String, port: UInt16, data: String, process: ChildProcess) {
        self.name = name
        self.port = port
        self.data = data
        self.process = process
        http = HTTPClient(port: port, timeout: .seconds(2))
    }

    /// Where it listens, as a person would type it.
    package var url: String { "http://\(Loopback.host):\(port)" }

    /// Starts it, and waits until `/readyz` answers 200.
    package func start(readyWithin limit: Duration = .seconds(30)) throws {
        try process.start()
        try waitUntilReady(within: limit)
    }

    package func waitUntilReady(within limit: Duration = .seconds(30)) throws {
        do {
            try waitUntil("\(name) ready", within: limit, every: .milliseconds(25)) {
                if let exit = process.exit {
                    throw Unrecoverable(description: "\(name) ended before it was ready: \(exit)")
                }
                return try http.get("/readyz").status == 200
            }
        } catch {
            throw Unrecoverable(
                description: "\(error)\nlog: \(process.log)\n\(process.logTail())")
        }
    }

    /// SIGKILL, at whatever it is doing, and a new start.
    package func killAndRestart(readyWithin limit: Duration = .seconds(30)) throws {
        process.kill()
        try start(readyWithin: limit)
    }

    /// SIGTERM: it finishes what it accepted. `.status(0)` is the only good end.
    @discardableResult package func stop(within patience: Duration = .seconds(15)) -> ProcessExit? {
        process.terminate(within: patience)
    }
}
