import Foundation
import Logging
import Observability

/// What a daemon's executable is made of: its name, its keys, and what to run with them.
///
/// The flags are the configuration's keys, so they come from the table of keys and not from a
/// parser of their own.
package struct DaemonCommand: Sendable {
    package var name: String
    package var abstract: String
    package var keys: [ConfigurationKey]
    /// Runs until the process is asked to end. What it throws is said in one sentence.
    package var run: @Sendable (Settings, Logger) async throws -> Void

    package init(
        name: String, abstract: String, keys: [ConfigurationKey],
        run: @escaping @Sendable (Settings, Logger) async throws -> Void
    ) {
        self.name = name
        self.abstract = abstract
        self.keys = keys
        self.run = run
    }

    /// The process's exit status (sysexits.h where it has one).
    package enum Status: Int32, Sendable {
        case clean = 0
        case failure = 1
        case usage = 64
        case configuration = 78
    }

    /// Does what the command line says.
    package func main(_ arguments: [String] = Array(CommandLine.arguments.dropFirst())) async
        -> Status
    {
        if arguments.contains("--help") || arguments.contains("-h") || arguments.first == "help" {
            return say(helpText)
        }
        if arguments.contains("--version") { return say("\(name) \(TributaryVersion.current)\n") }
        switch (arguments.first, arguments.dropFirst().first) {
        case ("run", _): return await start(Array(arguments.dropFirst()))
        case ("config", "check"): return await check(Array(arguments.dropFirst(2)))
        case ("config", "show"): return await show(Array(arguments.dropFirst(2)))
        case (nil, _): return complain("say what to do; \(name) --help lists the commands")
        case (let command?, _):
            let known = ["run", "config check", "config show"]
            return complain("\"\(command)\" is no command" + Nearest.hint(command, among: known))
        }
    }

    // MARK: Commands

    private func start(_ arguments: [String]) async -> Status {
        let settings: Settings
        do {
            settings = try await Settings(keys: keys, arguments: arguments)
        } catch {
            return complain(error)
        }
        let logger = DaemonCommand.logger(name, settings)
        do {
            try await run(settings, logger)
            return .clean
        } catch {
            complain(at: "\(error)")
            return .failure
        }
    }

    private static func logger(_ name: String, _ settings: Settings) -> Logger {
        let level = settings[.logLevel].flatMap(Logger.Level.init(rawValue:)) ?? .info
        let format = settings[.logFormat].flatMap(StandardErrorLog.Format.init(rawValue:)) ?? .text
        StandardErrorLog.bootstrap(level: level, format: format)
        return Logger(label: name)
    }

    private func check(_ arguments: [String]) async -> Status {
        do {
            _ = try await Settings(keys: keys, arguments: arguments)
            return say("The configuration is sound.\n")
        } catch {
            return complain(error)
        }
    }

    private func show(_ arguments: [String]) async -> Status {
        do {
            let settings = try await Settings(keys: keys, arguments: arguments)
            let width = (settings.entries.map { $0.key.name.count }.max() ?? 0) + 2
            let lines = settings.entries.map { entry in
                let value = entry.key.isSecret ? "(secret)" : entry.value
                return entry.key.name.padding(toLength: width, withPad: " ", startingAt: 0)
                    + "\(value)  (\(entry.origin))"
            }
            return say(lines.joined(separator: "\n") + "\n")
        } catch {
            return complain(error)
        }
    }

    // MARK: Words

    private func say(_ text: String) -> Status {
        FileHandle.standardOutput.write(Data(text.utf8))
        return .clean
    }

    private func complain(_ sentence: String) -> Status {
        complain(at: sentence)
        return .usage
    }

    private func complain(_ error: any Error) -> Status {
        let sentences = (error as? ConfigurationProblems)?.sentences ?? ["\(error)"]
        for sentence in sentences { complain(at: sentence) }
        return .configuration
    }

    private func complain(at sentence: String) {
        FileHandle.standardError.write(Data("\(name): \(sentence)\n".utf8))
    }

    private var helpText: String {
        """
        \(abstract)

        USAGE
          \(name) run [--KEY VALUE …]           start; SIGTERM ends it cleanly
          \(name) config check [--KEY VALUE …]  say whether the configuration is sound
          \(name) config show [--KEY VALUE …]   show each value and where it comes from
          \(name) --version | --help

        KEYS
        \((keys + [Settings.fileKey]).map(\.helpText).joined(separator: "\n"))

        A key is taken from the command line, else from the environment (the name in
        capitals, as in \(keys.first?.variable ?? "TRIBUTARY_DATA")), else from the file that --config names,
        else its default. A name that is not known, or a malformed value, stops the start.

        """
    }
}

extension ConfigurationKey {
    fileprivate var helpText: String {
        let ending = isRequired ? " Required." : defaultValue.map { " Default: \($0)." } ?? ""
        return "  \(flag) \(placeholder)\n"
            + ConfigurationKey.wrapped(help + ending, width: 72, indent: "      ")
    }

    private static func wrapped(_ text: String, width: Int, indent: String) -> String {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + word.count + 1 > width { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines.map { indent + $0 }.joined(separator: "\n")
    }
}
