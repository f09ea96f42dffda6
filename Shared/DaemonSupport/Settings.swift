import Configuration
import Foundation
import SystemPackage
import TextFormats

/// The values that a daemon starts with, each with where it came from: command line, then
/// environment, then file, then default.
///
/// Every value is checked when the settings are made, and a name that is not known is refused
/// wherever it stands. What `Settings` hands out afterwards is sound.
package struct Settings: Sendable {
    /// A value and its origin, in words.
    package struct Entry: Sendable {
        package let key: ConfigurationKey
        package let value: String
        package let origin: String
    }

    package let entries: [Entry]

    package subscript(_ key: ConfigurationKey) -> String? {
        entries.first { $0.key == key }?.value
    }

    /// The value of a key that has a default or is required.
    package func required(_ key: ConfigurationKey) -> String {
        guard let value = self[key] else {
            preconditionFailure("\(key.name) has neither a default nor is it required")
        }
        return value
    }

    /// Reads and checks everything.
    ///
    /// - Throws: `ConfigurationProblems` with all that is wrong, each with its place.
    package init(
        keys: [ConfigurationKey], arguments: [String],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws {
        let flags = CommandLineFlags(arguments, keys: keys + [Settings.fileKey])
        var problems = Settings.unknownVariables(environment, keys + [Settings.fileKey])
        let path = flags.value(of: Settings.fileKey) ?? environment[Settings.fileKey.variable]
        let file = path.map { ConfigurationFile($0, keys: keys) }
        problems += file?.problems ?? []
        let sources = try await Settings.sources(flags, environment, file)
        var entries: [Entry] = []
        for key in keys {
            let (entry, problem) = try Settings.resolve(key, sources, file)
            if let entry { entries.append(entry) }
            if let problem { problems.append(problem) }
        }
        guard flags.problems.isEmpty, problems.isEmpty else {
            throw ConfigurationProblems(
                sentences: flags.problems + problems, areOfUsage: problems.isEmpty)
        }
        self.entries = entries
    }

    /// Where the file is named.
    static let fileKey = ConfigurationKey(
        "config", .path, help: "A YAML file with any of these keys.")

    private struct Source {
        let provider: any ConfigProvider
        let origin: @Sendable (ConfigurationKey) -> String
    }

    /// In the order in which they are asked.
    private static func sources(
        _ flags: CommandLineFlags, _ environment: [String: String], _ file: ConfigurationFile?
    ) async throws -> [Source] {
        var sources = [
            Source(
                provider: CommandLineArgumentsProvider(arguments: flags.normalised), origin: \.flag),
            Source(
                provider: EnvironmentVariablesProvider(environmentVariables: environment)
                    .prefixKeys(with: "tributary"),
                origin: \.variable),
        ]
        if let file, file.isReadable {
            let path = file.path
            sources.append(
                Source(
                    provider: try await FileProvider<YAMLSnapshot>(filePath: FilePath(path)),
                    origin: { _ in path }))
        }
        return sources
    }

    private static func resolve(
        _ key: ConfigurationKey, _ sources: [Source], _ file: ConfigurationFile?
    ) throws -> (Entry?, problem: String?) {
        for source in sources {
            let found = try source.provider.value(
                forKey: AbsoluteConfigKey(key.name.split(separator: ".").map(String.init)),
                type: .string)
            guard case .string(let value)? = found.value?.content else { continue }
            let line = file.flatMap { $0.path == source.origin(key) ? $0.lines[key.name] : nil }
            let origin = source.origin(key) + (line.map { ":\($0)" } ?? "")
            if let flaw = key.flaw(in: value) { return (nil, "\(origin): \(key.name) \(flaw)") }
            return (Entry(key: key, value: value, origin: origin), nil)
        }
        if let value = key.defaultValue {
            return (Entry(key: key, value: value, origin: "default"), nil)
        }
        guard key.isRequired, file?.mayHave(key) != true else { return (nil, nil) }
        return (
            nil,
            "\(key.name) is missing: give it as \(key.flag), \(key.variable), or in a file with --config"
        )
    }

    private static func unknownVariables(
        _ environment: [String: String], _ keys: [ConfigurationKey]
    ) -> [String] {
        let known = keys.map(\.variable)
        return environment.keys.filter { $0.hasPrefix("TRIBUTARY_") && !known.contains($0) }
            .sorted().map { name in
                "environment: \(name) is not known" + Nearest.hint(name, among: known)
            }
    }
}

/// Everything that keeps a daemon from starting as it is configured.
package struct ConfigurationProblems: Error, CustomStringConvertible {
    package let sentences: [String]
    /// Whether all of them are about how the command was written.
    package let areOfUsage: Bool

    package init(sentences: [String], areOfUsage: Bool = false) {
        self.sentences = sentences
        self.areOfUsage = areOfUsage
    }

    package var description: String { sentences.joined(separator: "\n") }
}
