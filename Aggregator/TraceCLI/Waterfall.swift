import LedgerCore

/// The stages of a transaction in their order, each with the time until the next.
struct Waterfall: Encodable {
    struct Stage: Encodable {
        let name: String
        /// Whose clock the time is of.
        let place: String
        let at: Moment
        /// Until the next stage, in microseconds.
        var lasted: Int64?
        let detail: String
        /// Rather a wait for others than work.
        let isWait: Bool

        /// - Returns: nil for a stage that was not reached.
        init?(
            _ name: String, _ place: String, _ at: Moment?, _ detail: String, lasted: Int64? = nil,
            isWait: Bool = false
        ) {
            guard let at else { return nil }
            self.name = name
            self.place = place
            self.at = at
            self.lasted = lasted
            self.detail = detail
            self.isWait = isWait
        }
    }

    let id: String
    let stages: [Stage]
    /// From the first stage to the last, in microseconds.
    let total: Int64
    let isMerged: Bool
    /// Whether the device told its stages: only then is it known how long nothing waited.
    let knowsDevice: Bool

    init(_ evidence: Evidence, now: Moment) {
        id = evidence.id.description
        isMerged = evidence.isMerged
        knowsDevice = evidence.agent != nil
        let found = Waterfall.found(evidence, now)
        let waitedFor = evidence.agent?.receipt?.waitedFor ?? ""
        let cause = waitedFor.isEmpty ? evidence.sync?.cause ?? "" : waitedFor
        stages = Waterfall.withWait(
            found, knowsDevice ? cause : "on the device; --agent tells why")
        total = found.isEmpty ? 0 : found[found.count - 1].at - found[0].at
    }

    /// The stages that are known, each with the time until the next.
    private static func found(_ evidence: Evidence, _ now: Moment) -> [Stage] {
        let device = evidence.id.agent.description
        let position = evidence.position.map { "position \($0)" }
        let merged = [evidence.isMergedAtLatest ? "at the latest" : nil, position].compactMap(
            \.self)
        let all = [
            Stage(
                "accepted", device, evidence.acceptedAt, evidence.postings.first?.sentence ?? "",
                isWait: evidence.durableAt == nil),
            Stage("durable", device, evidence.durableAt, segment(evidence), isWait: true),
            Stage("published", device, evidence.publishedAt, "attempt \(evidence.attempt)"),
            Stage("received", "aggregator", evidence.receivedAt, ""),
            Stage("merged", "aggregator", evidence.mergedAt, merged.joined(separator: ", ")),
            Stage("acked", device, evidence.acknowledgedAt, company(evidence)),
            Stage(
                "now", device, evidence.isMerged ? nil : now, "not yet merged"),
        ]
        var stages = all.compactMap(\.self)
        for index in stages.indices.dropLast() {
            stages[index].lasted = stages[index + 1].at - stages[index].at
        }
        return stages
    }

    /// A wait of more than this is shown as a line of its own.
    private static let waitShown: Int64 = 100_000

    private static func withWait(_ stages: [Stage], _ cause: String) -> [Stage] {
        stages.flatMap { stage -> [Stage] in
            guard stage.isWait, let lasted = stage.lasted, lasted > waitShown else {
                return [stage]
            }
            var short = stage
            short.lasted = nil
            let wait = Stage("waiting", stage.place, stage.at, cause, lasted: lasted, isWait: true)
            return [short] + (wait.map { [$0] } ?? [])
        }
    }

    private static func segment(_ evidence: Evidence) -> String {
        guard let segment = evidence.segment else { return "" }
        return segment.count == 1
            ? "alone in its segment" : "1 of \(Wording.count(segment.count)) in its segment"
    }

    private static func company(_ evidence: Evidence) -> String {
        guard let receipt = evidence.agent?.receipt, receipt.through > receipt.first else {
            return ""
        }
        return "with \(Wording.count(receipt.through - receipt.first)) others"
    }

    // MARK: Showing

    /// Columns that a stage is further right than the one before it.
    private static let step = 2
    /// The first column of what is said of a stage; further right where a bar is longer.
    private static let detailColumnMin = 44

    func show(_ terminal: Terminal) {
        print(terminal.bold(id))
        let starts = stages.enumerated().map { start($1, indent: $0 * Waterfall.step) }
        let column = max(Waterfall.detailColumnMin, (starts.map(\.count).max() ?? 0) + 1)
        for (stage, start) in zip(stages, starts) {
            let detail = detail(stage)
            let line = detail.isEmpty ? start : start.padded(column) + detail
            let wrapped = terminal.wrap(line, hanging: column)
            print(stage.name == "waiting" ? terminal.faint(wrapped) : wrapped)
        }
        let waited = stages.filter { $0.name == "waiting" }.reduce(0) { $0 + ($1.lasted ?? 0) }
        let work = knowsDevice ? ", of it \(Wording.span(total - waited)) not waiting" : ""
        print("total \(Wording.span(total))\(work)")
    }

    /// Time, name and bar.
    private func start(_ stage: Stage, indent: Int) -> String {
        let isWaiting = stage.name == "waiting"
        let time = isWaiting ? "" : Wording.time(stage.at, sameDayAs: stages.first?.at)
        let spaces = String(repeating: " ", count: indent)
        let bar =
            isWaiting
            ? "┈┈ \(Wording.span(stage.lasted ?? 0)) ┈┈"
            : "█" + (stage.lasted.map { " \(Wording.span($0))" } ?? "")
        return "\(time.padded(14))\(stage.name.padded(11))\(spaces)\(bar)"
    }

    private func detail(_ stage: Stage) -> String {
        let clock = stage.place == stages[0].place ? [] : ["(\(stage.place)'s clock)"]
        return ((stage.detail.isEmpty ? [] : [stage.detail]) + clock).joined(separator: "  ")
    }
}

extension SyncAnswer {
    /// What everything waits for: an error of the connection is of yesterday once there is one.
    fileprivate var cause: String { (connected ? reason : lastError ?? reason) ?? "" }
}
