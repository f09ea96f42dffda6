import Glibc
import Logging
import TextFormats

/// Writes the log to standard error, one event a line.
///
/// Messages are constant and say what happened; what it happened to stands in the metadata, under
/// dotted keys. No event can span two lines, whatever it holds: see ``LogLine``.
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
        let line = LogLine(
            microseconds: StandardErrorLog.now(), level: event.level, label: label,
            message: "\(event.message)",
            metadata: allMetadata(of: event))
        StandardErrorLog.write(line.bytes(format))
    }

    /// What stands nearer to the event wins: its own, then the provider's, then the logger's.
    private func allMetadata(of event: LogEvent) -> Logger.Metadata {
        // Most events have metadata of their own and nothing else.
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata {
            if all.isEmpty { all = given } else { all.merge(given) { _, new in new } }
        }
        if let error = event.error, all["error.detail"] == nil { all["error.detail"] = "\(error)" }
        return all
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// One system call a line, so that lines of several threads do not mix. Where standard error is
    /// gone, so is the log: no daemon stops because nobody listens to it.
    private static func write(_ line: [UInt8]) {
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(
                    STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
