import DaemonSupport
import Foundation
import Synchronization

/// A file that is gone when its owner is.
final class TemporaryFile: Sendable {
    let path: String

    init(_ text: String, name: String = "agent.yaml") throws {
        let folder = NSTemporaryDirectory() + "t\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        path = folder + "/" + name
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent)
    }
}

/// What a command said.
final class Heard: Sendable {
    private let words = Mutex((output: "", error: ""))

    var output: String { words.withLock { $0.output } }
    var error: String { words.withLock { $0.error } }

    var terminal: Terminal {
        Terminal(
            output: { text in self.words.withLock { $0.output += text } },
            error: { text in self.words.withLock { $0.error += text } })
    }
}

enum Example {
    static let retry = ConfigurationKey(
        "limits.retry", .duration(.seconds(1)...(.seconds(3600))), default: "30s",
        help: "How long to wait before asking again.")
    static let sync = ConfigurationKey(
        "sync", .boolean, default: "true", help: "Whether to sync at all.")
    static let count = ConfigurationKey(
        "limits.count", .integer(1...1000), default: "100", help: "Entries of a page.")
    static let storage = ConfigurationKey(
        "limits.storage", .bytes, help: "How large the database may grow.")
    static let listen = ConfigurationKey(
        "listen", .address, default: "127.0.0.1:7410", help: "Where the API listens.")

    static let keys =
        [
            ConfigurationKey("id", .text, isRequired: true, help: "This agent's name."), .data,
            listen, sync,
        ]
        + ConfigurationKey.brokerKeys + [.logLevel, .logFormat, retry, count, storage]

    static let required = ["--id", "till-042", "--data", "/var/lib/tributary"]
}

/// The sentences that refuse the settings; none where they are sound.
func problems(_ arguments: [String], _ environment: [String: String] = [:]) async -> [String] {
    do {
        _ = try await Settings(keys: Example.keys, arguments: arguments, environment: environment)
        return []
    } catch {
        return (error as? ConfigurationProblems)?.sentences ?? ["\(error)"]
    }
}
