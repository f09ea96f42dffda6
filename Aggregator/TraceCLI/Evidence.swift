import Foundation
import LedgerCore

/// What the sources say of one transaction.
struct Evidence {
    var id: EventID
    var agent: AgentJourneyAnswer?
    var sync: SyncAnswer?
    var merged: MergedAnswer?
    /// Of the aggregator; nil also where it does not know the agent.
    var fleet: FleetAnswer.Agent?
    /// Nil where no aggregator was asked.
    var aggregator: AggregatorCondition?
    /// Sources that could not be asked, and why; the others are used all the same.
    var unreachable: [String] = []
    /// Of sources that were asked and do not have it, in their words.
    var absences: [String] = []
    /// Whether the device had it, and keeps it no more.
    var wasPruned = false

    /// - Throws: `TraceFailure.notFound` where every source was asked and none has it;
    ///   `unreachable` where none could be asked.
    static func gather(_ id: EventID, from sources: Sources) async throws -> Evidence {
        var evidence = Evidence(id: id)
        var asked = 0
        func ask(_ body: () async throws -> Void) async throws {
            do {
                try await body()
                asked += 1
            } catch TraceFailure.unreachable(let sentence) {
                evidence.unreachable.append(sentence)
            }
        }
        if let path = sources.db {
            try evidence.read(try DeadDevice(path))
            asked += 1
        }
        if let api = try sources.agentAPI() { try await ask { try await evidence.askAgent(api) } }
        if let api = try sources.aggregatorAPI() {
            try await ask { try await evidence.askAggregator(api) }
        }
        guard asked > 0 else {
            throw TraceFailure.unreachable(evidence.unreachable.joined(separator: "; "))
        }
        try evidence.checkFound()
        return evidence
    }

    private mutating func read(_ device: DeadDevice) throws {
        switch try device.journey(id) {
        case .found(let journey): agent = journey
        case .absent(let sentence): absences.append(sentence)
        }
        wasPruned = try device.wasPruned(id)
    }

    private mutating func askAgent(_ api: DaemonAPI) async throws {
        try await api.expect(.agent, takesBoth: true)
        let found: Found<AgentJourneyAnswer> = try await api.look("/v1/transactions/\(id)/journey")
        switch found {
        case .found(let journey): agent = journey
        case .absent(let sentence): absences.append("the agent says: \(sentence)")
        }
        sync = try await api.get("/v1/sync")
        if let sync, sync.agent == id.agent.description, sync.stream == id.stream.description {
            wasPruned = id.sequence < sync.storage.oldestRetained
        }
    }

    private mutating func askAggregator(_ api: DaemonAPI) async throws {
        try await api.expect(.aggregator, takesBoth: true)
        merged = try await api.get("/v1/transactions/\(id)")
        fleet = try await api.get("/v1/agents/\(id.agent)")
        aggregator = try await AggregatorCondition.of(api)
    }

    // MARK: What follows from it

    /// Whether the agent has told the aggregator of events up to this one.
    var isBelowAnnounced: Bool { stream.map { id.sequence <= $0.announced } ?? false }

    private var stream: FleetAnswer.Stream? {
        fleet?.streams.first { $0.stream == id.stream.description }
    }

    /// Why neither the ledger nor the device has it any more; nil where one has, or that is not known.
    var lostBy: String? {
        guard merged == nil, agent == nil, aggregator != nil else { return nil }
        if let lacking = stream?.lacking, (lacking.first...lacking.through).contains(id.sequence) {
            return lacking.cause
        }
        return wasPruned ? "pruned" : nil
    }

    var acceptedAt: Moment? { agent?.acceptedAt ?? merged?.acceptedAt }
    var durableAt: Moment? { agent?.durableAt }
    // A receipt is of many events, and says when the last of them was sent, received and committed: what the aggregator
    // knows of this one comes first.
    var publishedAt: Moment? { merged?.publishedAt ?? agent?.receipt?.publishedAt }
    var receivedAt: Moment? { merged?.receivedAt ?? agent?.receipt?.receivedAt }
    var mergedAt: Moment? { merged?.mergedAt ?? agent?.receipt?.committedAt }
    var attempt: UInt64 { merged?.attempt ?? agent?.receipt?.attempt ?? 1 }
    /// Whether `mergedAt` is only the time by which it was.
    var isMergedAtLatest: Bool { merged == nil && agent?.receipt != nil }
    var acknowledgedAt: Moment? { agent?.receipt?.acknowledgedAt }
    var isMerged: Bool {
        merged != nil || agent?.receipt != nil || agent?.transaction.status == "merged"
    }
    var postings: [TransactionAnswer.Posting] {
        agent?.transaction.postings ?? merged?.postings ?? []
    }
    var reference: String? { agent?.transaction.reference ?? merged?.reference }
    var segment: SegmentAnswer? { agent?.segment ?? merged?.segment }
    var position: Int64? { merged?.position ?? receiptPosition }

    /// A receipt names the position of its first segment only.
    private var receiptPosition: Int64? {
        guard let receipt = agent?.receipt, let segment = agent?.segment,
            receipt.first == segment.first
        else { return nil }
        return receipt.position.map { Int64($0) }
    }
}

// MARK: Nobody has it

extension Evidence {
    private func checkFound() throws {
        guard agent == nil, merged == nil, lostBy == nil else { return }
        if isBelowAnnounced, !wasPruned { return }
        var sentences = absences
        if aggregator != nil { sentences.append("the ledger does not have it") }
        sentences += unreachable
        var text = "no source has \(id): \(sentences.joined(separator: "; "))."
        for sentence in announcedSentences { text += " \(sentence)" }
        if let next { text += "\nNext: \(next)" }
        throw TraceFailure.notFound(text)
    }

    /// What the aggregator knows of its agent.
    private var announcedSentences: [String] {
        guard let aggregator else { return [] }
        let doubts = [aggregator.disconnection].compactMap(\.self)
        guard let fleet else {
            return doubts + ["Agent \(id.agent) is unknown to the aggregator."]
        }
        guard let stream else {
            let known = fleet.streams.map(\.stream).joined(separator: ", ")
            return doubts + ["Of agent \(fleet.id) it knows no stream \(id.stream), but \(known)."]
        }
        let since = (fleet.offlineSince ?? fleet.lastSeenAt).map {
            " since \(Wording.dayAndTime($0))"
        }
        let presence = fleet.online ? "online" : "offline\(since ?? "")"
        let known = "\(fleet.id) had announced up to \(stream.announced), and is \(presence)."
        let rest = absences.isEmpty ? ["If it was sold since, it is safe on the device."] : []
        return doubts + [known] + rest
    }

    private var next: String? {
        if aggregator == nil {
            return wasPruned ? "tributary-trace why \(id) --aggregator URL" : nil
        }
        guard stream != nil, absences.isEmpty else { return nil }
        return "tributary-trace why \(id) --agent URL-OF-AGENT, or --db FOLDER"
    }
}
