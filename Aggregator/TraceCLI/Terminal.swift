import Foundation

/// Colour where somebody looks, none where a program reads. `NO_COLOR` (no-color.org) is honoured.
struct Terminal {
    let hasColour: Bool
    /// Of the window, in columns.
    let width: Int

    static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    /// What is assumed where there is no window.
    private static let widthDefault = 80

    private init(descriptor: Int32) {
        let environment = ProcessInfo.processInfo.environment
        let isTerminal = isatty(descriptor) == 1
        hasColour =
            isTerminal && environment["NO_COLOR", default: ""].isEmpty
            && environment["TERM"] != "dumb"
        var size = winsize()
        let isKnown =
            isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        width =
            isKnown
            ? Int(size.ws_col) : environment["COLUMNS"].flatMap(Int.init) ?? Terminal.widthDefault
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
        line.count <= width ? line : line.prefix(max(1, width - 1)) + "…"
    }
}

/// Prints a value as JSON, members sorted, so that outputs can be compared.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
