import Logging
import TextFormats

/// One event of the log, as one line.
///
/// **Text:** `2026-11-20T10:00:00.000000Z info tributary-agent: agent started agent.id=till-042`. A
/// value that could be taken for something else stands in quotes.
///
/// **JSON:** `{"time":…,"level":…,"logger":…,"message":…}` with the metadata behind, under its own
/// keys.
///
/// **Invariants.** The only line feed is the last byte, and no byte of a control character, of a
/// line separator or of a mark that turns the direction of the text around gets through: whoever
/// can put text into the log can neither forge a line nor steer the terminal that shows it. Keys
/// are in order. A line has at most ``bytesMax`` bytes and some.
package struct LogLine {
    /// Longer values are cut, and so are their number and the message: a log is read by people.
    package static let valueBytesMax = 4096
    package static let bytesMax = 32 << 10
    private static let depthMax = 4

    private let microseconds: Int64
    private let level: Logger.Level
    private let label: String
    private let message: String
    private let metadata: Logger.Metadata

    /// - Parameter microseconds: since 1970.
    package init(
        microseconds: Int64, level: Logger.Level, label: String, message: String,
        metadata: Logger.Metadata = [:]
    ) {
        self.microseconds = microseconds
        self.level = level
        self.label = label
        self.message = message
        self.metadata = metadata
    }

    /// The line, its end included.
    package func bytes(_ format: StandardErrorLog.Format) -> [UInt8] {
        switch format {
        case .text: text()
        case .json: json()
        }
    }

    private var pairs: [(key: String, value: Logger.MetadataValue)] {
        metadata.count < 2 ? Array(metadata) : metadata.sorted { $0.key < $1.key }
    }

    /// The text, or as much of it as a value may have, cut between two characters.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > valueBytesMax else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: valueBytesMax)
        while String.Index(end, within: text.unicodeScalars) == nil {
            end = text.utf8.index(before: end)
        }
        return String(text.unicodeScalars[..<end]) + "…"
    }
}

// MARK: Text

extension LogLine {
    private func text() -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        line.append(contentsOf: RFC3339.text(microseconds: microseconds).utf8)
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: level.rawValue.utf8)
        line.append(UInt8(ascii: " "))
        LogText.append(label, to: &line)
        line.append(contentsOf: ": ".utf8)
        LogText.append(LogLine.cut(message), to: &line)
        for (key, value) in pairs {
            guard line.count < LogLine.bytesMax else {
                line.append(contentsOf: " …".utf8)
                break
            }
            line.append(UInt8(ascii: " "))
            LogText.appendWord(LogLine.cut(key), to: &line)
            line.append(UInt8(ascii: "="))
            LogText.appendWord(LogLine.cut("\(value)"), to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }
}

// MARK: JSON

extension LogLine {
    private static let ownNames: Set = ["time", "level", "logger", "message"]

    private func json() -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("time", microseconds: microseconds)
            json.member("level", level.rawValue)
            json.name("logger")
            LogLine.write(label, to: &json)
            json.name("message")
            LogLine.write(message, to: &json)
            for (key, value) in pairs {
                guard json.count < LogLine.bytesMax else {
                    json.member("log.cut", true)
                    break
                }
                // A name may stand once in an object: metadata does not overwrite what the line
                // itself says.
                json.name(
                    LogLine.ownNames.contains(key)
                        ? "metadata.\(key)" : LogLine.cut(LogText.escaped(key)))
                LogLine.write(value, depth: 0, to: &json)
            }
        }
        json.newline()
        return json.withBytes { bytes in bytes.withUnsafeBytes { Array($0) } }
    }

    private static func write(_ text: String, to json: inout JSONWriter) {
        // JSON escapes what would break the line; the rest is what could still mislead a reader of
        // the raw line.
        json.value(LogText.isPlain(text) ? cut(text) : LogText.escapedBeyondASCII(cut(text)))
    }

    private static func write(_ value: Logger.MetadataValue, depth: Int, to json: inout JSONWriter)
    {
        switch value {
        case .string(let text): write(text, to: &json)
        case .stringConvertible(let value): write(value.description, to: &json)
        case .array(let values) where depth < depthMax:
            json.array { json in for value in values { write(value, depth: depth + 1, to: &json) } }
        case .dictionary(let values) where depth < depthMax:
            json.object { json in
                for (key, value) in values.sorted(by: { $0.key < $1.key }) {
                    json.name(cut(LogText.escaped(key)))
                    write(value, depth: depth + 1, to: &json)
                }
            }
        case .array, .dictionary: write("\(value)", to: &json)
        }
    }
}
