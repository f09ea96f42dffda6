/// The flags of a command line, checked against the keys: `--flag value` and `--flag=value`.
struct CommandLineFlags {
    private(set) var problems: [String] = []
    private var values: [(flag: String, value: String)] = []

    init(_ arguments: [String], keys: [ConfigurationKey]) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                problems.append(
                    "command line: \(argument.shown) is not expected here; every value follows its flag"
                )
                continue
            }
            take(argument, &rest, keys)
        }
    }

    private mutating func take(
        _ argument: String, _ rest: inout ArraySlice<String>, _ keys: [ConfigurationKey]
    ) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let given = String(parts[0])
        // Dots are taken for dashes, because the keys have them everywhere else.
        let flag = given.replacing(".", with: "-")
        var value = parts.count == 2 ? String(parts[1]) : nil
        // What begins like a flag is one: a value that does is given behind an equals sign.
        if value == nil, rest.first?.hasPrefix("--") == false { value = rest.popFirst() }
        guard let key = keys.first(where: { $0.flag == flag }) else {
            let hint = Nearest.hint(flag, among: keys.map(\.flag))
            problems.append("command line: \(given) is not known\(hint)")
            return
        }
        guard let value else {
            problems.append("command line: \(given) needs a value: \(flag) \(key.placeholder)")
            return
        }
        guard !values.contains(where: { $0.flag == flag }) else {
            problems.append("command line: \(given) stands twice")
            return
        }
        values.append((flag, value))
    }

    func value(of key: ConfigurationKey) -> String? {
        values.first { $0.flag == key.flag }?.value
    }

    /// As the configuration library reads command lines: it passes over the program's name.
    var normalised: [String] {
        ["program"] + values.map { "\($0.flag)=\($0.value)" }
    }
}

extension String {
    /// In quotes and cut, for a message about what somebody wrote.
    var shown: String {
        let start = String(String.UnicodeScalarView(unicodeScalars.prefix(64)))
        return "\"\(start)\(start.utf8.count == utf8.count ? "" : "…")\""
    }
}
