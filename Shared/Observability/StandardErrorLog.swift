import Glibc
import Logging
import TextFormats

/// Writes the log to standard error, one event a line.
///
/// Messages are constant and say what happened; what it happened to stands in the metadata, under
/// dotted keys. No event can span two lines: control characters are escaped in both formats.
package struct StandardErrorLog: LogHandler {
    package enum Format: String, CaseIterable, Sendable {
        /// For people and for journald.
        case text
        /// One JSON object a line.
        case json
    }

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: Format

    package init(label: String, level: Logger.Level, format: Format) {
        self.label = label
        self.format = format
        logLevel = level
    }

    /// Makes every logger of the process write here. Once a process.
    package static func bootstrap(level: Logger.Level, format: Format) {
        LoggingSystem.bootstrap { StandardErrorLog(label: $0, level: level, format: format) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        let sorted = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = StandardErrorLog.line(
            at: StandardErrorLog.now(), level: event.level, label: label,
            message: "\(event.message)",
            metadata: sorted, format: format)
        StandardErrorLog.write(line)
    }

    /// One event as a line, its end included.
    package static func line(
        at microseconds: Int64, level: Logger.Level, label: String, message: String,
        metadata: [(String, String)],
        format: Format
    ) -> String {
        switch format {
        case .json:
            var json = JSONWriter()
            json.object { json in
                json.member("time", microseconds: microseconds)
                json.member("level", level.rawValue)
                json.member("logger", label)
                json.member("message", message)
                for (key, value) in metadata {
                    json.name(key)
                    json.value(value)
                }
            }
            return json.text + "\n"
        case .text:
            let pairs = metadata.map { " \($0)=\(quoted($1))" }.joined()
            let time = RFC3339.text(microseconds: microseconds)
            return "\(time) \(level.rawValue) \(label): \(escaped(message))\(pairs)\n"
        }
    }

    private static func quoted(_ value: String) -> String {
        let isPlain =
            !value.isEmpty
            && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3D && $0 != 0x7F }
        return isPlain ? value : "\"\(escaped(value).replacing("\"", with: "\\\""))\""
    }

    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            return text
        }
        return text.unicodeScalars.map { scalar in
            scalar.value < 0x20 || scalar.value == 0x7F
                ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
        }.joined()
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// One system call a line, so that lines of several threads do not mix. Where standard error is
    /// gone, so is the log.
    private static func write(_ line: String) {
        var line = line
        line.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
