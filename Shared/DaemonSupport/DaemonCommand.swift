import Logging
import Observability

/// What a daemon's executable is made of: its name, its keys, and what to run with them.
///
/// The flags are the configuration's keys, so they come from the table of keys and not from a
/// parser of their own.
package struct DaemonCommand: Sendable {
    package typealias Run = @Sendable (Settings, Logger) async throws -> Void

    /// A command beside `run` and `config`, such as `backup FILE`.
    package struct Subcommand: Sendable {
        package var name: String
        /// What follows the name, as the help writes it: `["FILE"]`. Exactly as many are taken.
        package var operands: [String]
        package var abstract: String
        /// Required keys that it does without.
        package var needless: [ConfigurationKey]
        package var run: @Sendable (Settings, Logger, [String]) async throws -> Void

        package init(
            _ name: String, operands: [String] = [], abstract: String,
            needless: [ConfigurationKey] = [],
            run: @escaping @Sendable (Settings, Logger, [String]) async throws -> Void
        ) {
            self.name = name
            self.operands = operands
            self.abstract = abstract
            self.needless = needless
            self.run = run
        }
    }

    package var name: String
    package var abstract: String
    package var keys: [ConfigurationKey]
    package var subcommands: [Subcommand]
    /// What the keys cannot say by themselves, such as two that exclude each other. It throws
    /// `ConfigurationProblems`.
    package var check: @Sendable (Settings) throws -> Void
    /// Runs until the process is asked to end. What it throws is said in one sentence.
    package var run: Run

    package init(
        name: String, abstract: String, keys: [ConfigurationKey], subcommands: [Subcommand] = [],
        check: @escaping @Sendable (Settings) throws -> Void = { _ in }, run: @escaping Run
    ) {
        self.name = name
        self.abstract = abstract
        self.keys = keys
        self.subcommands = subcommands
        self.check = check
        self.run = run
    }

    /// The process's exit status (sysexits.h where it has one).
    package enum Status: Int32, Sendable {
        case clean = 0
        case failure = 1
        case usage = 64
        case configuration = 78
    }
}

// MARK: Which command

extension DaemonCommand {
    /// Does what the command line says.
    package func main(
        _ arguments: [String] = Array(CommandLine.arguments.dropFirst()),
        environment: [String: String] = ProcessEnvironment.variables,
        terminal: Terminal = .standard
    ) async -> Status {
        let invocation = Invocation(command: self, environment: environment, terminal: terminal)
        if arguments.contains("--help") || arguments.contains("-h") || arguments.first == "help" {
            return invocation.say(helpText)
        }
        if arguments.contains("--version") {
            return invocation.say("\(name) \(TributaryVersion.current)\n")
        }
        return await invocation.perform(arguments[...])
    }
}

/// One command line, being done.
private struct Invocation {
    let command: DaemonCommand
    let environment: [String: String]
    let terminal: Terminal

    func perform(_ arguments: ArraySlice<String>) async -> DaemonCommand.Status {
        var rest = arguments
        guard let word = rest.popFirst() else {
            return refuse("say what to do; \(command.name) --help lists the commands")
        }
        switch (word, rest.first) {
        case ("run", _): return await start(Array(rest), command.run)
        case ("config", "check"): return await check(Array(rest.dropFirst()))
        case ("config", "show"): return await show(Array(rest.dropFirst()))
        case ("config", _): return refuse("config is followed by check or show")
        default: break
        }
        guard let subcommand = command.subcommands.first(where: { $0.name == word }) else {
            let known = ["run", "config"] + command.subcommands.map(\.name)
            let hint = Nearest.hint(word, among: known)
            let all = "; the commands are \(known.joined(separator: ", "))"
            return refuse("\(word.shown) is no command" + (hint.isEmpty ? all : hint))
        }
        let operands = Array(rest.prefix { !$0.hasPrefix("--") })
        guard operands.count == subcommand.operands.count else {
            let form = ([word] + subcommand.operands).joined(separator: " ")
            return refuse(
                "it is written \(form), and there are \(operands.count) words behind \(word)")
        }
        let arguments = Array(rest.dropFirst(operands.count))
        return await start(arguments, without: subcommand.needless) { settings, logger in
            try await subcommand.run(settings, logger, operands)
        }
    }

    // MARK: Commands

    private func settings(
        _ arguments: [String], without needless: [ConfigurationKey] = []
    ) async throws -> Settings {
        let keys = command.keys.map { needless.contains($0) ? $0.optional : $0 }
        let settings = try await Settings(
            keys: keys, arguments: arguments, environment: environment)
        try command.check(settings)
        return settings
    }

    private func start(
        _ arguments: [String], without needless: [ConfigurationKey] = [],
        _ run: DaemonCommand.Run
    ) async -> DaemonCommand.Status {
        do {
            let settings = try await settings(arguments, without: needless)
            try await run(settings, Invocation.logger(command.name, settings))
            return .clean
        } catch {
            return complain(error, otherwise: .failure)
        }
    }

    private static func logger(_ name: String, _ settings: Settings) -> Logger {
        let level = settings[.logLevel].flatMap(Logger.Level.init(rawValue:)) ?? .info
        let format = settings[.logFormat].flatMap(StandardErrorLog.Format.init(rawValue:)) ?? .text
        StandardErrorLog.bootstrap(level: level, format: format)
        return Logger(label: name)
    }

    private func check(_ arguments: [String]) async -> DaemonCommand.Status {
        do {
            _ = try await settings(arguments)
            return say("The configuration is sound.\n")
        } catch {
            return complain(error, otherwise: .configuration)
        }
    }

    /// Shows what is set even where `check` would refuse how it goes together: that is when it is
    /// looked at.
    private func show(_ arguments: [String]) async -> DaemonCommand.Status {
        do {
            let settings = try await Settings(
                keys: command.keys, arguments: arguments, environment: environment)
            return say(settings.table(of: command.keys))
        } catch {
            return complain(error, otherwise: .configuration)
        }
    }

    // MARK: Words

    func say(_ text: String) -> DaemonCommand.Status {
        terminal.output(text)
        return .clean
    }

    private func refuse(_ sentence: String) -> DaemonCommand.Status {
        complain(sentence)
        return .usage
    }

    private func complain(
        _ error: any Error, otherwise status: DaemonCommand.Status
    ) -> DaemonCommand.Status {
        guard let problems = error as? ConfigurationProblems else {
            complain("\(error)")
            return status
        }
        for sentence in problems.sentences { complain(sentence) }
        return problems.areOfUsage ? .usage : .configuration
    }

    /// One line a sentence, whatever an error says.
    private func complain(_ sentence: String) {
        let line = sentence.split(whereSeparator: \.isNewline).joined(separator: " ")
        terminal.error("\(command.name): \(line)\n")
    }
}

extension Settings {
    /// Each value and where it came from.
    fileprivate func table(of keys: [ConfigurationKey]) -> String {
        let width = (keys.map(\.name.count).max() ?? 0) + 2
        return keys.reduce(into: "") { table, key in
            let entry = entries.first { $0.key == key }
            let value = entry.map { key.isSecret ? "(secret)" : $0.value } ?? "(none)"
            let padding = String(repeating: " ", count: width - key.name.count)
            table +=
                "\(key.name)\(padding)\(value)" + (entry.map { "  (\($0.origin))" } ?? "") + "\n"
        }
    }
}
