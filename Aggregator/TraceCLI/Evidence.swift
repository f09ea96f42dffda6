import Foundation
import LedgerCore

/// What the sources say of one transaction.
struct Evidence {
    var id: EventID
    var agent: AgentJourneyAnswer?
    var sync: SyncAnswer?
    var merged: MergedAnswer?
    /// Sources that could not be asked, and why; the others are used all the same.
    var unreachable: [String] = []
    var fleet: FleetAnswer.Agent?

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
            let device = try DeadDevice(path)
            evidence.agent = try device.journey(id)
            asked += 1
        }
        if let api = try sources.agentAPI() {
            try await ask {
                evidence.agent = try await api.get("/v1/transactions/\(id)/journey")
                evidence.sync = try await api.get("/v1/sync")
            }
        }
        if let api = try sources.aggregatorAPI() {
            try await ask {
                evidence.merged = try await api.get("/v1/transactions/\(id)")
                let fleet: FleetAnswer? = try await api.get("/v1/agents?limit=1000")
                evidence.fleet = fleet?.items.first { $0.id == id.agent.description }
            }
        }
        if evidence.agent == nil, evidence.merged == nil {
            guard asked > 0 else {
                throw TraceFailure.unreachable(evidence.unreachable.joined(separator: "; "))
            }
            if evidence.fleet == nil || evidence.isBelowAnnounced != true {
                try evidence.failNotFound()
            }
        }
        return evidence
    }

    /// Whether the agent has told the aggregator of events up to this one.
    var isBelowAnnounced: Bool? {
        let stream = fleet?.streams.first { $0.stream == id.stream.description }
        return stream.map { id.sequence <= $0.announced }
    }

    private func failNotFound() throws -> Never {
        var text = "no source has \(id)"
        if fleet == nil, agent == nil { text += "; agent \(id.agent) is unknown there" }
        if !unreachable.isEmpty { text += " (\(unreachable.joined(separator: "; ")))" }
        throw TraceFailure.notFound(text)
    }

    var acceptedAt: Moment? { agent?.acceptedAt ?? merged?.acceptedAt }
    var durableAt: Moment? { agent?.durableAt }
    var publishedAt: Moment? { agent?.receipt?.publishedAt ?? merged?.publishedAt }
    var receivedAt: Moment? { agent?.receipt?.receivedAt ?? merged?.receivedAt }
    var mergedAt: Moment? { merged?.mergedAt ?? agent?.receipt?.committedAt }
    var acknowledgedAt: Moment? { agent?.receipt?.acknowledgedAt }
    var isMerged: Bool {
        merged != nil || agent?.receipt != nil || agent?.transaction.status == "merged"
    }
    var postings: [TransactionAnswer.Posting] {
        agent?.transaction.postings ?? merged?.postings ?? []
    }
    var reference: String? { agent?.transaction.reference ?? merged?.reference }
    var segment: SegmentAnswer? { agent?.segment ?? merged?.segment }
    var position: Int64? { merged?.position ?? agent?.receipt?.position.map { Int64($0) } }
    var attempt: UInt64 { agent?.receipt?.attempt ?? merged?.attempt ?? 1 }
}
