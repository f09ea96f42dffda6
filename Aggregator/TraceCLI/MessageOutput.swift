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
    func lines(_ message: CapturedMessage, _ terminal: Terminal) throws -> (
        text: String, isSound: Bool
    ) {
        let inspected = InspectedMessage(payload: message.payload, SHA256Hasher())
        let isSound = inspected.flaw == nil
        if json {
            return (try jsonLine(MessageReport(message, inspected, withHex: hex)), isSound)
        }
        let time = Wording.time(Moment(microseconds: message.at.microseconds))
        let topic = MessageOutput.shortTopic(message.topic, terminal)
        let line = terminal.fit(
            "\(time) \(topic)\(inspected.kind.padded(12))\(inspected.words.summary)")
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

    /// Without what begins every topic of ours, and as wide as its column; a long name is cut in a window.
    private static func shortTopic(_ topic: String, _ terminal: Terminal) -> String {
        let prefix = "tributary/v1/"
        let short = topic.hasPrefix(prefix) ? String(topic.dropFirst(prefix.count)) : topic
        let column = (terminal.width ?? 0) >= 120 ? 44 : 24
        guard terminal.width != nil, short.count >= column else { return short.padded(column) }
        return short.prefix(column - 2) + "… "
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
