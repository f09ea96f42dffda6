import FleetHarness
import Foundation

/// A real broker, and the daemons that a benchmark wants around it.
final class Site {
    let broker: Broker
    let home: String
    private let plan: Plan
    private var daemons: [DaemonProcess] = []

    init(_ plan: Plan, _ name: String) throws {
        self.plan = plan
        home = try plan.folder(name)
        broker = try Broker(home: home)
        try broker.start()
    }

    /// Ends everything, whatever happened.
    func end() {
        for daemon in daemons.reversed() { daemon.process.terminate() }
        broker.process.kill()
    }

    func startAggregator() throws -> DaemonProcess {
        try start("aggregator", "tributary-aggregator", [])
    }

    func startAgent(_ id: String = "bench") throws -> DaemonProcess {
        try start(id, "tributary-agent", ["--id", id])
    }

    private func start(
        _ name: String, _ program: String, _ identity: [String]
    ) throws -> DaemonProcess {
        let port = try FreePort.next()
        let data = "\(home)/\(name)"
        let process = ChildProcess(
            name: name, executable: "\(plan.binaries)/\(program)",
            arguments: ["run"] + identity + [
                "--data", data, "--broker", broker.url, "--listen", "127.0.0.1:\(port)",
            ],
            log: "\(home)/\(name).log")
        let daemon = DaemonProcess(port: port, data: data, process: process)
        daemons.append(daemon)
        try process.start()
        try waitUntil("\(name) ready", within: .seconds(30)) {
            // There is nothing to wait for any more.
            if process.exit != nil { return true }
            return try daemon.http.get("/readyz").status == 200
        }
        if let exit = process.exit { throw Implausible("\(name): \(exit)\n\(process.logTail())") }
        return daemon
    }
}

/// A daemon in its own process.
struct DaemonProcess {
    let port: UInt16
    let data: String
    let process: ChildProcess
    let http: HTTPClient

    init(port: UInt16, data: String, process: ChildProcess) {
        self.port = port
        self.data = data
        self.process = process
        http = HTTPClient(port: port)
    }

    func pid() throws -> Int32 {
        guard let pid = process.pid else { throw Implausible("\(process.name) does not run") }
        return pid
    }

    func waitUntilStreaming() throws {
        try waitUntil("\(process.name) in session", within: .seconds(30)) {
            try http.json("/v1/sync")["session"].string == "streaming"
        }
    }

    /// The number of the last transaction in an agent's log.
    func head() throws -> Int {
        guard let head = try http.json("/v1/sync")["head"].int else {
            throw Implausible("GET /v1/sync has no head")
        }
        return head
    }
}
