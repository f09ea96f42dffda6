import ArgumentParser
import Foundation
import LedgerCore
import Workers

/// `why ID`
struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Where a transaction is, what holds it there, and what happens next.",
        usage: "tributary-trace why <id> [<options>]")

    @Argument(help: "The transaction's id, as in till-042.k3f9qa2m.1051.")
    var id: String

    @OptionGroup var sources: Sources

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let evidence = try await Evidence.gather(try EventID.argument(id), from: sources)
        let verdict = Verdict(evidence, now: Moment(microseconds: WallClock.now().microseconds))
        if json {
            try printJSON(
                Report(id: id, fine: verdict.isFine, verdict: verdict, evidence: evidence))
        } else {
            show(verdict, evidence)
        }
        if !verdict.isFine { throw Outcome.notFine }
    }

    private struct Report: Encodable {
        let id: String
        let fine: Bool
        let verdict: Verdict
        let agent: AgentJourneyAnswer?
        let sync: SyncAnswer?
        let aggregator: MergedAnswer?
        let warning: String?
        let unreachable: [String]

        init(id: String, fine: Bool, verdict: Verdict, evidence: Evidence) {
            self.id = id
            self.fine = fine
            self.verdict = verdict
            agent = evidence.agent
            sync = evidence.sync
            aggregator = evidence.merged
            warning = evidence.aggregator?.warning
            unreachable = evidence.unreachable
        }
    }

    private func show(_ verdict: Verdict, _ evidence: Evidence) {
        let terminal = Terminal.standardOutput
        print(
            terminal.bold(
                verdict.isFine ? terminal.good(verdict.headline) : terminal.bad(verdict.headline)))
        print("")
        for line in stages(evidence) { print(terminal.wrap(line, hanging: Why.detailColumn)) }
        print("")
        print(terminal.wrap(verdict.explanation))
        for sentence in evidence.unreachable {
            print(terminal.faint(terminal.wrap("Not asked: \(sentence).")))
        }
        if let next = verdict.next { print(terminal.wrap("Next: \(next)", hanging: 6)) }
    }

    /// Where the details of a stage begin.
    private static let detailColumn = 28

    private func stages(_ evidence: Evidence) -> [String] {
        let day = evidence.acceptedAt
        func line(_ name: String, _ moment: Moment?, _ detail: String, isOfDevice: Bool = false)
            -> String
        {
            // "—": not yet.
            let none = isOfDevice && evidence.agent == nil ? "known to the device only" : "—"
            let time = moment.map { Wording.time($0, sameDayAs: day) } ?? none
            let start = "  \(name.padded(11))\(time)"
            return detail.isEmpty ? start : start.padded(Why.detailColumn) + detail
        }
        let what = evidence.postings.first?.sentence ?? ""
        let more = evidence.postings.count > 1 ? "  and \(evidence.postings.count - 1) more" : ""
        let reference = evidence.reference.map { "  \"\($0)\"" } ?? ""
        return [
            line("accepted", evidence.acceptedAt, what + more + reference, isOfDevice: true),
            line(
                "durable", evidence.durableAt, evidence.agent == nil ? "" : durable(evidence),
                isOfDevice: true),
            line("published", evidence.publishedAt, published(evidence), isOfDevice: true),
            line("merged", evidence.mergedAt, merged(evidence)),
            line("acked", evidence.acknowledgedAt, "", isOfDevice: evidence.isMerged),
        ]
    }

    private func merged(_ evidence: Evidence) -> String {
        let latest = evidence.isMergedAtLatest ? "at the latest" : nil
        let position = evidence.position.map { "position \(Wording.count(UInt64($0)))" }
        return [latest, position].compactMap(\.self).joined(separator: ", ")
    }

    private func durable(_ evidence: Evidence) -> String {
        guard let segment = evidence.segment else { return "" }
        return
            "segment from event \(segment.first) (\(Wording.count(segment.count, "transaction")))"
    }

    private func published(_ evidence: Evidence) -> String {
        if evidence.isMerged { return evidence.attempt > 1 ? "attempt \(evidence.attempt)" : "" }
        guard let sync = evidence.sync, !sync.connected else { return "" }
        return sync.lastError ?? ""
    }
}

extension String {
    /// Filled with spaces up to a width.
    func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
