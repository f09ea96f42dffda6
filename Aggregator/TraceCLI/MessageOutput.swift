import ArgumentParser
import Foundation
import LedgerCore
import MessageInspection
import Signing

/// How `tap` and `decode` show messages.
struct MessageOutput: ParsableArguments {
    @Flag(help: "Everything that each message says, on lines below it.")
    var details = false

    @Flag(help: "The bytes of each message, as hexadecimal.")
    var hex = false

    @Flag(help: "As JSON, one object a line.")
    var json = false

    @Option(help: "End after so many messages.")
    var count: Int?

    func validate() throws {
        guard count.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--count must be at least 1")
        }
    }

    /// The lines that show a message.
    ///
    /// - Parameter columns: of the messages before it.
    func lines(
        _ message: CapturedMessage, _ columns: inout MessageColumns, _ terminal: Terminal
    ) throws -> (text: String, isSound: Bool) {
        let inspected = InspectedMessage(payload: message.payload, SHA256Hasher())
        let isSound = inspected.flaw == nil
        if json {
            return (try jsonLine(MessageReport(message, inspected, withHex: hex)), isSound)
        }
        let time = Wording.time(Moment(microseconds: message.at.microseconds))
        let start = "\(time) " + columns.start(message.topic, inspected.kind, terminal)
        let line = terminal.wrap(start + inspected.words.summary, hanging: start.count)
        var lines = [isSound ? line : terminal.bad(line)]
        if details {
            lines += detailLines(message, inspected).map { terminal.wrap($0, hanging: 29) }
        }
        if hex { lines += HexDump(message.payload).lines.map(terminal.faint) }
        return (lines.joined(separator: "\n"), isSound)
    }

    private func detailLines(_ message: CapturedMessage, _ inspected: InspectedMessage) -> [String]
    {
        func line(_ name: String, _ value: String) -> String { "    \(name.padded(25))\(value)" }
        var lines = [line("topic", message.topic)]
        let kept = message.isRetained ? ", retained" : ""
        let signed = inspected.isSigned ? ", signed" : ""
        let session = inspected.session.map { ", session \($0)" } ?? ""
        lines.append(line("frame", "\(message.payload.count) bytes\(session)\(signed)\(kept)"))
        return lines + inspected.words.details.map { line($0.name, $0.value) }
    }
}

/// How wide the columns of topics and kinds are: as the longest that was shown so far, so that little room is wasted.
struct MessageColumns {
    private static let prefix = "tributary/v1/"
    /// In a window, of which the words need the rest; a longer topic is cut.
    private static let topicShare = 4

    private var topic = 0
    private var kind = 0

    /// The topic, without what begins every topic of ours, and the kind.
    mutating func start(_ topic: String, _ kind: String, _ terminal: Terminal) -> String {
        var short = topic[...]
        if topic.hasPrefix(Self.prefix) { short = topic.dropFirst(Self.prefix.count) }
        let widest = terminal.width.map { max(12, $0 / Self.topicShare) } ?? .max
        // "account snapshot" and "account request": the others are one word, and lines are short.
        let kind = kind.hasPrefix("account ") ? String(kind.dropFirst(8)) : kind
        let shown = short.count > widest ? short.prefix(widest - 1) + "…" : String(short)
        self.topic = max(self.topic, shown.count)
        self.kind = max(self.kind, kind.count)
        return shown.padded(self.topic + 1) + kind.padded(self.kind + 1)
    }
}

/// A message as `--json` says it.
private struct MessageReport: Encodable {
    struct Detail: Encodable {
        let name: String
        let value: String
    }

    let at: Moment
    let topic: String
    let byteCount: Int
    let retained: Bool
    let kind: String
    let kindNumber: UInt8?
    let session: UInt64?
    let signed: Bool
    let summary: String
    let details: [Detail]
    let flaw: String?
    let hex: String?

    init(_ message: CapturedMessage, _ inspected: InspectedMessage, withHex: Bool) {
        at = Moment(microseconds: message.at.microseconds)
        topic = message.topic
        byteCount = message.payload.count
        retained = message.isRetained
        kind = inspected.kind
        kindNumber = inspected.kindNumber
        session = inspected.session
        signed = inspected.isSigned
        summary = inspected.words.summary
        details = inspected.words.details.map { Detail(name: $0.name, value: $0.value) }
        flaw = inspected.flaw
        hex = withHex ? message.payload.hexadecimal : nil
    }
}

/// Bytes as people read them: their place, sixteen a line, and the letters among them.
struct HexDump {
    let lines: [String]

    init(_ bytes: [UInt8]) {
        lines = stride(from: 0, to: bytes.count, by: 16).map { start in
            let row = bytes[start..<min(start + 16, bytes.count)]
            let halves = [row.prefix(8), row.dropFirst(8)].map { half in
                half.map { HexDump.digits(UInt64($0), 2) }.joined(separator: " ")
            }
            let letters = row.map {
                (0x20..<0x7F).contains($0) ? Character(Unicode.Scalar($0)) : "."
            }
            return "    \(HexDump.digits(UInt64(start), 6))  "
                + "\(halves[0])  \(halves[1])".padded(50) + " " + String(letters)
        }
    }

    private static func digits(_ number: UInt64, _ width: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}
