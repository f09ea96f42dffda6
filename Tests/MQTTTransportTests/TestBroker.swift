import Foundation
import Glibc
import Testing

/// A broker of its own for a test: free ports, a folder that vanishes, and only its own process
/// ended.
final class TestBroker {
    let port: UInt16
    let folder: URL
    private let executable: String
    private let arguments: [String]
    private var process: Process?

    private init(
        _ executable: String, port: UInt16, file: String, files: [String: String] = [:],
        arguments: (String) -> [String]
    ) throws {
        self.executable = executable
        self.port = port
        folder = try Self.temporaryFolder()
        let path = folder.appending(path: "broker.conf").path
        try file.replacing("FOLDER", with: folder.path)
            .write(toFile: path, atomically: true, encoding: .utf8)
        for (name, text) in files {
            let path = folder.appending(path: name).path
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        try FileManager.default.createDirectory(
            at: folder.appending(path: Self.keptIn), withIntermediateDirectories: true)
        self.arguments = arguments(path)
        try start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Mosquitto on a free port, without persistence. "FOLDER" in the configuration is the broker's
    /// folder, which has the files.
    static func mosquitto(
        extra: [String] = [], files: [String: String] = [:]
    ) throws -> TestBroker {
        let executable = try #require(find("mosquitto"), "these tests need mosquitto installed")
        let port = Loopback.freePort()
        let lines =
            [
                "listener \(port) 127.0.0.1",
                // Mosquitto tells it to MQTT 5 clients as its receive maximum; its default is 20.
                "max_inflight_messages 64", "log_dest none",
                // Started by root it would become somebody who cannot read the folder.
                "user \(NSUserName())",
            ]
        let access = extra.contains("allow_anonymous false") ? [] : ["allow_anonymous true"]
        let file = (lines + access + extra).joined(separator: "\n")
        return try TestBroker(executable, port: port, file: file, files: files) { ["-c", $0] }
    }

    /// nats-server on free ports. It stores what MQTT keeps, so it needs a folder.
    static func nats() throws -> TestBroker {
        let executable = try #require(find("nats-server"), "these tests need nats-server installed")
        let port = Loopback.freePort()
        let file = """
            server_name: "test"
            listen: "127.0.0.1:\(Loopback.freePort())"
            jetstream { store_dir: "FOLDER/\(keptIn)", max_memory_store: 16MB, max_file_store: 256MB }
            mqtt { listen: "127.0.0.1:\(port)" }
            """
        return try TestBroker(executable, port: port, file: file) { ["-c", $0] }
    }

    /// The folder, inside the broker's, of what a broker with persistence keeps.
    static let keptIn = "kept"

    /// Starts the process, and waits until it listens.
    func start() throws {
        let process = Process()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try withoutBlockedSignals { try process.run() }
        self.process = process
        let deadline = Date(timeIntervalSinceNow: patience)
        while Date() < deadline {
            if let descriptor = Loopback.connect(to: port) {
                close(descriptor)
                return
            }
            try #require(process.isRunning, "\(executable) ended at once")
            _ = poll(nil, 0, 5)
        }
        throw TimedOut(what: "\(executable) listens on \(port)")
    }

    /// The threads that tests run on block signals, and what they start would inherit that: it could not be asked to
    /// end.
    private func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    /// Ends the process as a power cut would.
    func kill() {
        guard let process, process.isRunning else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Ends the process as its supervisor would.
    func stop() {
        guard let process, process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    /// Loses its disk; only while it does not run.
    func loseDisk() throws {
        let kept = folder.appending(path: Self.keptIn)
        try FileManager.default.removeItem(at: kept)
        try FileManager.default.createDirectory(at: kept, withIntermediateDirectories: true)
    }

    static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders =
            path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"]
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    static func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "tributary-mqtt-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
