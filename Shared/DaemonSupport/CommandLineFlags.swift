/// The flags of a command line, checked against the keys: `--flag value` and `--flag=value`.
struct CommandLineFlags {
    private(set) var problems: [String] = []
    private var values: [(flag: String, value: String)] = []

    init(_ arguments: [String], keys: [ConfigurationKey]) {
        let known = keys.map(\.flag)
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                problems.append(
                    "command line: \"\(argument)\" is not expected here; every value follows its flag"
                )
                continue
            }
            let parts = argument.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // Dots are taken for dashes, because the keys have them everywhere else.
            let flag = String(parts[0]).replacing(".", with: "-")
            let value = parts.count == 2 ? String(parts[1]) : rest.popFirst()
            guard known.contains(flag) else {
                problems.append(
                    "command line: \(flag) is not known" + Nearest.hint(flag, among: known))
                continue
            }
            guard let value else {
                problems.append("command line: \(flag) needs a value")
                continue
            }
            if values.contains(where: { $0.flag == flag }) {
                problems.append("command line: \(flag) stands twice")
            }
            values.append((flag, value))
        }
    }

    func value(of key: ConfigurationKey) -> String? {
        values.first { $0.flag == key.flag }?.value
    }

    /// As the configuration library reads command lines: it passes over the program's name.
    var normalised: [String] {
        ["program"] + values.map { "\($0.flag)=\($0.value)" }
    }
}
