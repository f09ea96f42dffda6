import ArgumentParser
import Foundation
import LedgerCore
import MessageInspection
import SyncProtocol

/// `decode FILE`
struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the messages of a file that `tap --write` made.",
        usage: "tributary-trace decode <file> [<options>]",
        discussion: """
            A damaged file is read up to its first bad byte, which is named; one that ends too early, up to its end.
            """)

    @Argument(help: "A file made by `tap --write`.")
    var file: String

    @Option(help: "Only what is from, to or about this agent.")
    var agent: String?

    @OptionGroup var output: MessageOutput

    func run() throws {
        guard let handle = FileHandle(forReadingAtPath: file) else {
            throw FileManager.default.fileExists(atPath: file)
                ? TraceFailure.failed("\(file) cannot be opened")
                : TraceFailure.notFound("there is no \(file)")
        }
        do {
            try show(handle)
        } catch let damage as CaptureDamage {
            if output.json { write(try jsonLine(["damage": DamageReport(damage)])) }
            throw TraceFailure.failed("\(file), \(damage)")
        }
    }

    private func show(_ handle: FileHandle) throws {
        var reader = try CaptureReader { count in
            Array(try handle.read(upToCount: count) ?? Data())
        }
        let terminal = Terminal.standardOutput
        let agent = try agent.map { try AgentID.argument($0) }
        var columns = MessageColumns()
        var shown = 0
        var unreadable = 0
        while let message = try reader.next() {
            guard agent.map({ Topics.concerns(message.topic, $0) }) ?? true else { continue }
            let (text, isSound) = try output.lines(message, &columns, terminal)
            write(text)
            shown += 1
            if !isSound { unreadable += 1 }
            if shown == output.count { break }
        }
        standardError(
            Wording.count(UInt64(shown), "message")
                + (unreadable > 0 ? ", \(unreadable) of them not readable." : "."))
        if unreadable > 0 { throw Outcome.notFine }
    }

    private func write(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}

private struct DamageReport: Encodable {
    let offset: Int
    let truncated: Bool
    let what: String

    init(_ damage: CaptureDamage) {
        offset = damage.offset
        truncated = damage.isTruncated
        what = damage.what
    }
}
