extension DaemonCommand {
    /// At most this many columns.
    private static let width = 80

    /// What `--help` prints.
    var helpText: String {
        let sources = """
            A key is taken from the command line, else from the environment (in capitals, as in \
            \(keys.first?.variable ?? "TRIBUTARY_DATA")), else from the file that --config names, else its \
            default. A name that is not known, or a malformed value, stops the start.
            """
        return """
            \(DaemonCommand.wrapped(abstract.words, indent: ""))

            USAGE
            \(usage)

            \(DaemonCommand.groups(keys + [Settings.fileKey]))
            \(DaemonCommand.wrapped(sources.words, indent: ""))

            """
    }

    private var usage: String {
        var rows = [
            ("run", "start; SIGTERM ends it cleanly"),
            ("config check", "say whether the configuration is sound"),
            ("config show", "show each value and where it comes from"),
        ]
        rows += subcommands.map { (([$0.name] + $0.operands).joined(separator: " "), $0.abstract) }
        let column = (rows.map(\.0.count).max() ?? 0) + 2
        let indent = String(repeating: " ", count: column + 2)
        let lines = rows.map { row in
            let text = DaemonCommand.wrapped(row.1.words, indent: indent)
            return "  \(row.0)" + text.dropFirst(2 + row.0.count)
        }
        return (["  \(name) COMMAND [--KEY VALUE …]", "  \(name) --help | --version", ""] + lines)
            .joined(separator: "\n")
    }

    /// The keys, those of one first name together, in the order in which the first of each stands.
    private static func groups(_ keys: [ConfigurationKey]) -> String {
        let titles = keys.map { title(of: $0, among: keys) }
        var seen: Set<String> = []
        return titles.filter { seen.insert($0).inserted }.map { title in
            let group = zip(keys, titles).filter { $0.1 == title }.map(\.0)
            return "\(title)\n" + group.map(help).joined()
        }.joined(separator: "\n")
    }

    private static func title(of key: ConfigurationKey, among keys: [ConfigurationKey]) -> String {
        let first = key.name.prefix { $0 != "." }
        let isGroup = keys.contains { $0.name.hasPrefix("\(first).") }
        return isGroup ? first.uppercased() : "KEYS"
    }

    private static func help(_ key: ConfigurationKey) -> String {
        let ending =
            key.isRequired ? "Required." : key.defaultValue.map { "Default: \($0)." } ?? "Optional."
        // The default is one word here: it is looked for, and so does not break.
        let words = key.help.words + [ending[...]]
        return "  \(key.flag) \(key.placeholder)\n" + wrapped(words, indent: "      ") + "\n"
    }

    private static func wrapped(_ words: [Substring], indent: String) -> String {
        var lines = [indent]
        for word in words {
            let line = lines[lines.count - 1]
            if line.count > indent.count, line.count + word.count + 1 > width {
                lines.append(indent)
            }
            let isFirst = lines[lines.count - 1].count == indent.count
            lines[lines.count - 1] += (isFirst ? "" : " ") + word
        }
        return lines.joined(separator: "\n")
    }
}

extension String {
    fileprivate var words: [Substring] { split(separator: " ") }
}
