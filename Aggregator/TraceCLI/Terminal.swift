import Foundation

/// Colour where somebody looks, none where a program reads. `NO_COLOR` (no-color.org) is honoured.
struct Terminal {
    let hasColour: Bool
    /// Of the window, in columns; nil where there is none, as in a pipe: then nothing is cut.
    let width: Int?

    static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    static let standardError = Terminal(descriptor: STDERR_FILENO)

    private init(descriptor: Int32) {
        let environment = ProcessInfo.processInfo.environment
        let isTerminal = isatty(descriptor) == 1
        hasColour =
            isTerminal && environment["NO_COLOR", default: ""].isEmpty
            && environment["TERM"] != "dumb"
        var size = winsize()
        let isKnown =
            isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        width = isKnown ? Int(size.ws_col) : environment["COLUMNS"].flatMap(Int.init)
    }

    func bold(_ text: String) -> String { paint(text, "1") }
    func good(_ text: String) -> String { paint(text, "32") }
    func bad(_ text: String) -> String { paint(text, "31") }
    func faint(_ text: String) -> String { paint(text, "2") }

    private func paint(_ text: String, _ code: String) -> String {
        hasColour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// Cut to the window, with a mark where something is missing.
    func fit(_ line: String) -> String {
        guard let width, line.count > width else { return line }
        return line.prefix(max(1, width - 1)) + "…"
    }

    /// Broken between words where the window ends; what follows is indented, less where a word is wider than what
    /// remains. A word that is wider than the window is left whole.
    func wrap(_ text: String, hanging indent: Int = 0) -> String {
        guard let width, text.count > width else { return text }
        var lines: [String] = []
        var line = ""
        // A run of spaces belongs to the word behind it, so that columns stay where they are.
        for word in words(text) {
            if line.count + word.count > width, !line.allSatisfy({ $0 == " " }) {
                lines.append(line)
                let start = word.drop { $0 == " " }
                let room = max(0, width - start.count)
                line = String(repeating: " ", count: min(indent, room)) + start
            } else {
                line += word
            }
        }
        return (lines + [line]).joined(separator: "\n")
    }

    /// Prints what is broken as by ``wrap(_:hanging:)``.
    func say(_ text: String) { print(wrap(text, hanging: 2)) }

    private func words(_ text: String) -> [Substring] {
        var words: [Substring] = []
        var start = text.startIndex
        var isInWord = false
        for index in text.indices {
            if text[index] != " " {
                isInWord = true
            } else if isInWord {
                words.append(text[start..<index])
                start = index
                isInWord = false
            }
        }
        return words + [text[start...]]
    }
}

/// Prints a value as JSON, members sorted, so that outputs can be compared.
func printJSON(_ value: some Encodable) throws {
    print(try jsonText(value, [.prettyPrinted]))
}

/// A value as JSON on one line.
func jsonLine(_ value: some Encodable) throws -> String { try jsonText(value, []) }

private func jsonText(
    _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting
) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// For the person at the terminal, beside the output.
func standardError(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        Terminal.standardError.wrap(String(line), hanging: 2)
    }
    FileHandle.standardError.write(Data((lines.joined(separator: "\n") + "\n").utf8))
}
