import Foundation
import Synchronization

/// Standard output: plain lines, and on a terminal also colours and a block that is drawn again in place.
final class Terminal: Sendable {
    enum Style: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }

    /// Whether a block can be drawn in place.
    let isInteractive: Bool
    private let hasColour: Bool
    private let columns: Int
    /// How many lines of the block stand above the cursor.
    private let drawn = Mutex(0)

    init() {
        let environment = ProcessInfo.processInfo.environment
        isInteractive = isatty(STDOUT_FILENO) == 1 && environment["TERM", default: "dumb"] != "dumb"
        // https://no-color.org: set and not empty means no.
        hasColour = isInteractive && environment["NO_COLOR", default: ""].isEmpty
        var size = winsize()
        let known = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        columns = known ? Int(size.ws_col) : 80
    }

    func style(_ text: String, _ style: Style) -> String {
        hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Prints a line; above the block, if there is one.
    func print(_ line: String) {
        drawn.withLock { drawn in
            write(erase(&drawn) + line + "\n")
        }
    }

    /// Draws the block in the place of the last one. Cells are plain text here: a line too long for the
    /// terminal would break the count of lines.
    func draw(_ lines: [(text: String, style: Style?)]) {
        drawn.withLock { drawn in
            var output = erase(&drawn)
            for line in lines {
                let text = String(line.text.prefix(columns - 1))
                output += (line.style.map { style(text, $0) } ?? text) + "\n"
            }
            write(output)
            drawn = lines.count
        }
    }

    /// Leaves the block where it stands, and goes on below it.
    func keepBlock() {
        drawn.withLock { $0 = 0 }
    }

    private func erase(_ drawn: inout Int) -> String {
        defer { drawn = 0 }
        return drawn > 0 ? "\u{1B}[\(drawn)A\u{1B}[J" : ""
    }

    /// At once, in one piece.
    private func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
