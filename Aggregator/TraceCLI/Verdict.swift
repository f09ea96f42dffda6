import Foundation
import LedgerCore

/// What the evidence adds up to: where the transaction is, what holds it there, and what to do.
struct Verdict: Encodable {
    enum Stage: String, Encodable {
        case merged
        /// Merged, but the agent has no acknowledgement yet.
        case unacknowledged
        case waitingForBroker = "waiting_for_broker"
        case waitingForAggregator = "waiting_for_aggregator"
        case underWay = "under_way"
        case stopped
        /// Merged once, and gone with an aggregator that was restored from an older backup.
        case lost
        /// On the device, and nobody here can ask the device why.
        case onDevice = "on_device"
    }

    let stage: Stage
    let headline: String
    let explanation: String
    let next: String?

    var isFine: Bool { stage == .merged }

    init(_ evidence: Evidence, now: Moment) {
        if evidence.isMerged {
            self = Verdict.merged(evidence)
        } else if let cause = evidence.lostBy {
            self = Verdict.lost(cause)
        } else if let sync = evidence.sync {
            self = Verdict.waiting(evidence, sync)
        } else {
            self = Verdict.onDevice(evidence, now)
        }
    }

    private init(_ stage: Stage, _ headline: String, _ explanation: String, next: String? = nil) {
        self.stage = stage
        self.headline = headline
        self.explanation = explanation
        self.next = next
    }

    private static func merged(_ evidence: Evidence) -> Verdict {
        let at =
            evidence.mergedAt.map {
                " \(evidence.isMergedAtLatest ? "by" : "at") \(Wording.time($0))"
            } ?? ""
        if let agent = evidence.agent, agent.transaction.status != "merged" {
            return Verdict(
                .unacknowledged,
                "Merged into the global ledger\(at); the device does not know it yet.",
                "The acknowledgement is on its way, or was lost and will be sent again when the device next greets.",
                next: "tributary-trace journey \(evidence.id)")
        }
        return Verdict(
            .merged, "Merged into the global ledger\(at).",
            "It is in every balance. Nothing is left to do.")
    }

    private static func lost(_ cause: String) -> Verdict {
        Verdict(
            .lost, "Neither in the ledger nor on the device any more.", LackingRange.history(cause),
            next: LackingRange.advice(cause))
    }

    private static func waiting(_ evidence: Evidence, _ sync: SyncAnswer) -> Verdict {
        let others = sync.backlog.count > 1 ? sync.backlog.count - 1 : 0
        let company =
            others == 0
            ? "It is safe on the device."
            : "It is safe on the device, and \(Wording.count(others, "more transaction")) wait\(others == 1 ? "s" : "") "
                + "behind the same cause\(oldest(sync))."
        if sync.session == "held" {
            return Verdict(
                .stopped, "Held on the device: the aggregator takes nothing of its stream now.",
                "\(capitalised(sync.reason ?? "the cause is unknown")). \(company)",
                next: "do what the reason says; the device then sends by itself")
        }
        guard sync.connected else {
            let since = sync.since.map { " since \(Wording.time($0, sameDayAs: sync.now))" } ?? ""
            let length = sync.since.map { ", for \(Wording.span(sync.now - $0))" } ?? ""
            let nextTry =
                sync.nextAttemptAt.map { "; next try in \(Wording.span(max(0, $0 - sync.now)))" }
                ?? ""
            return Verdict(
                .waitingForBroker, "Waiting for the broker\(since)\(length).",
                "\(capitalised(sync.lastError ?? "it has not answered yet")) (\(sync.broker)). \(company) "
                    + "It will be sent by itself when the broker answers\(nextTry).",
                next: "see that \(sync.broker) runs and that this device reaches it")
        }
        if sync.session == "streaming" {
            return Verdict(
                .underWay, "On its way to the aggregator.",
                "\(company) Its acknowledgement is due.",
                next: "ask again in some seconds")
        }
        let since =
            sync.since.map {
                " since \(Wording.time($0, sameDayAs: sync.now)), for \(Wording.span(sync.now - $0))"
            } ?? ""
        return Verdict(
            .waitingForAggregator, "Waiting for the aggregator's answer\(since).",
            "The broker is reached, but the aggregator does not answer the device's greeting. \(company)",
            next:
                "see that the aggregator runs, is connected to the same broker, and serves the same ledger"
        )
    }

    private static func onDevice(_ evidence: Evidence, _ now: Moment) -> Verdict {
        let age = evidence.durableAt.map { ", for \(Wording.span(now - $0))" } ?? ""
        let why =
            evidence.agent != nil
            ? "The data folder holds it, and has no acknowledgement for it."
            : "The aggregator has heard of it from agent \(evidence.id.agent), but does not have it."
        let doubt = evidence.aggregator?.disconnection.map { " \($0)" } ?? ""
        return Verdict(
            .onDevice, "Not yet in the global ledger: on the device\(age).", why + doubt,
            next: "ask the device: tributary-trace why \(evidence.id) --agent http://DEVICE:7410")
    }

    private static func oldest(_ sync: SyncAnswer) -> String {
        sync.backlog.oldestAt.map { " (oldest \(Wording.time($0, sameDayAs: sync.now)))" } ?? ""
    }

    private static func capitalised(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst()
    }
}
