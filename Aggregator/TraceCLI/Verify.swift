import ArgumentParser
import Foundation
import SegmentStore
import Signing

/// `verify PATH|URL`
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Checks a log from its first byte to its last: checksums, chains, events, conservation, balances.",
        discussion: """
            A path is a data folder or database file of an agent or an aggregator, with its daemon running or not. It \
            is copied with its write-ahead log and the copy is read; the original is never written. An address is a \
            running aggregator's: then it is asked what its own audit, made by other code than its balances, has found.
            """)

    @Argument(
        help: ArgumentHelp(
            "A data folder, a database file, or an aggregator's address.", valueName: "path|url"))
    var place: String

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        if place.hasPrefix("http://") || place.hasPrefix("https://") {
            try await askAggregator()
        } else {
            try verifyFile()
        }
    }

    // MARK: A file

    private func verifyFile() throws {
        let file = try LogFile.find(place)
        let report: VerifyReport
        do {
            let verifier = LogVerifier(hasher: SHA256Hasher(), scratch: NSTemporaryDirectory())
            report = try verifier.verify(database: file.path, progress: progress())
        } catch {
            throw TraceFailure.failed("\(error)")
        }
        if json { try printJSON(FileReport(file.path, report)) } else { show(report, file) }
        if !report.isSound { throw Outcome.notFine }
    }

    /// A line that overwrites itself, where somebody watches.
    private func progress() -> (VerifyProgress) -> Void {
        guard isatty(STDERR_FILENO) == 1, !json else { return { _ in } }
        return { progress in
            let share =
                progress.segmentsTotal > 0
                ? " \(progress.segments * 100 / progress.segmentsTotal) %" : ""
            FileHandle.standardError.write(
                Data("\r\u{1B}[K\(progress.step.sentence)\(share)\r".utf8))
        }
    }

    private func show(_ report: VerifyReport, _ file: LogFile) {
        let terminal = Terminal.standardOutput
        if isatty(STDERR_FILENO) == 1 { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        print(
            report.isSound
                ? terminal.good(
                    "Sound: every checksum, chain and event holds, and money is conserved.")
                : terminal.bad(
                    terminal.wrap(
                        "Not sound: \(Wording.count(UInt64(report.findingCount), "finding")) in \(file.path)."
                    )))
        terminal.say(
            "\(file.path): \(Wording.count(UInt64(report.streams), "stream")), "
                + "\(Wording.count(UInt64(report.segments), "segment")), \(Wording.count(UInt64(report.events), "event")), "
                + "\(Wording.count(UInt64(report.bytes), "byte")), \(Wording.count(UInt64(report.accounts), "account"))"
        )
        if report.prunedEvents > 0 {
            print(
                "\(Wording.count(report.prunedEvents, "earlier event")) pruned here: the aggregator has them"
            )
        }
        for asset in report.assets {
            let mark = asset.isConserved ? "" : terminal.bad("  not conserved")
            print(
                "  \(asset.asset.description.padded(12)) in \(asset.input)  out \(asset.output)\(mark)"
            )
        }
        for finding in report.findings.prefix(20) { terminal.say("- \(finding)") }
        if report.findingCount > 20 {
            print("… and \(report.findingCount - 20) more; --json lists them")
        }
        if !report.isSound {
            terminal.say(
                "Next: stop the daemon, keep this folder as it is, and restore a backup into another one."
            )
        }
    }

    // MARK: An aggregator

    private func askAggregator() async throws {
        let api = try DaemonAPI(place, option: "verify")
        guard let ledger: LedgerAnswer = try await api.get("/v1/ledger") else {
            throw TraceFailure.usage(
                "\(place) has no /v1/ledger: an agent is verified by its data folder, as in tributary-trace verify DIR"
            )
        }
        if json {
            try printJSON(ledger)
        } else {
            show(ledger)
        }
        if ledger.conserved != true { throw Outcome.notFine }
    }

    private func show(_ ledger: LedgerAnswer) {
        let terminal = Terminal.standardOutput
        switch ledger.conserved {
        case true:
            print(
                terminal.good("Sound: the balances are those of the log, and money is conserved."))
        case false: print(terminal.bad("Not sound: the balances are not those of the log."))
        default:
            terminal.say(
                "The audit has read the log up to \(ledger.auditedThrough) of \(ledger.position); ask again."
            )
        }
        terminal.say(
            "\(Wording.count(ledger.transactions, "transaction")), \(Wording.count(ledger.events, "event")), "
                + "\(ledger.setAside) set aside, position \(ledger.position)"
        )
        print("digest \(ledger.digest)")
        for violation in ledger.violations {
            terminal.say(
                "- \(violation.account) \(violation.asset): stored \(violation.storedInput.text) in and "
                    + "\(violation.storedOutput.text) out, the log says \(violation.logInput.text) and "
                    + violation.logOutput.text)
        }
        for asset in ledger.unbalancedAssets {
            terminal.say("- \(asset): what went in is not what went out")
        }
    }
}

/// What `verify --json` says of a file.
private struct FileReport: Encodable {
    struct Finding: Encodable {
        var what: String
        var stream: String?
        var position: Int64?
        var firstEvent: UInt64?
        var lastEvent: UInt64?
        var firstByte: Int?
        var lastByte: Int?
    }

    var path: String
    var sound: Bool
    var conserved: Bool
    var streams: Int
    var segments: Int64
    var events: Int64
    var bytes: Int64
    var accounts: Int
    var prunedEvents: UInt64
    var findings: [Finding]
    var findingCount: Int
}

extension FileReport {
    fileprivate init(_ path: String, _ report: VerifyReport) {
        self.init(
            path: path, sound: report.isSound, conserved: report.isConserved,
            streams: report.streams,
            segments: report.segments, events: report.events, bytes: report.bytes,
            accounts: report.accounts, prunedEvents: report.prunedEvents,
            findings: report.findings.map { finding in
                Finding(
                    what: finding.what, stream: finding.stream?.description,
                    position: finding.position,
                    firstEvent: finding.sequences?.lowerBound,
                    lastEvent: finding.sequences?.upperBound,
                    firstByte: finding.bytes?.lowerBound,
                    lastByte: finding.bytes.map { $0.upperBound - 1 })
            },
            findingCount: report.findingCount)
    }
}

extension VerifyProgress.Step {
    fileprivate var sentence: String {
        switch self {
        case .copying: "copying the log"
        case .checkingPages: "checking the database's pages"
        case .readingLog: "reading the log"
        case .comparing: "comparing the balances"
        }
    }
}
