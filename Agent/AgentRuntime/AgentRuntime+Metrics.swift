import AgentCore
import LedgerCore
import Observability
import SegmentStore
import SyncProtocol

extension AgentRuntime: MetricSource {
    package static var definitions: [MetricDefinition] { AgentMetrics.definitions }

    package func samples() async -> [MetricSample] {
        let state = board.current
        let writing = state.writing
        var samples = [
            MetricSample(AgentMetrics.head, writing.head.sequence),
            MetricSample(AgentMetrics.acknowledged, writing.acknowledged),
            MetricSample(AgentMetrics.oldestRetained, writing.oldestRetained),
            MetricSample(AgentMetrics.backlog, state.backlog),
            MetricSample(AgentMetrics.backlogBytes, state.backlogBytes),
            MetricSample(AgentMetrics.ready, unreadiness() == nil ? 1 : 0),
        ]
        samples += AgentRuntime.samples(of: state.phase)
        if let mqtt = connection?.status {
            samples += [
                MetricSample(AgentMetrics.connected, mqtt.isConnected ? 1 : 0),
                MetricSample(AgentMetrics.connections, mqtt.connections),
                MetricSample(AgentMetrics.rejected, mqtt.rejected),
            ]
        }
        if let quota = configuration.log.quotaBytes {
            samples.append(MetricSample(AgentMetrics.quota, quota))
        }
        if let time = state.lastAckAt {
            samples.append(
                MetricSample(
                    AgentMetrics.lastAcknowledgement, Double(time.microseconds) / 1_000_000))
        }
        return samples + (await storedSamples())
    }

    private static func samples(of phase: OutboxSession.Phase) -> [MetricSample] {
        let current =
            switch phase {
            case .offline: "offline"
            case .greeting: "greeting"
            case .streaming: "streaming"
            case .held: "held"
            case .ended: "ended"
            }
        return ["offline", "greeting", "streaming", "held", "ended"].map { state in
            MetricSample(AgentMetrics.session, labeled: [state], state == current ? 1 : 0)
        }
    }

    private static func samples(of conflicts: OwnConflicts) -> [MetricSample] {
        Conflict.Kind.allCases.flatMap { kind in
            let ofKind = conflicts.all.filter { $0.kind == kind }
            return [
                MetricSample(AgentMetrics.conflicts, labeled: [kind.rawValue], ofKind.count),
                MetricSample(
                    AgentMetrics.openConflicts, labeled: [kind.rawValue],
                    ofKind.count(where: \.isOpen)),
            ]
        }
    }

    private static func samples(of streams: [SyncStatus.Stream]) -> [MetricSample] {
        SyncStatus.Stream.State.allCases.map { state in
            MetricSample(
                AgentMetrics.streams, labeled: [state.rawValue],
                streams.count { $0.state == state })
        }
    }

    /// What only the database knows; left out where it cannot be read, which `ready` tells.
    private func storedSamples() async -> [MetricSample] {
        do throws(ServiceFailure) {
            let status = try await syncStatus()
            let conflicts = try await conflicts()
            let age = status.backlog.oldest.map { max(0, status.now.microseconds(since: $0)) } ?? 0
            return [
                MetricSample(AgentMetrics.storage, status.storage.bytes),
                MetricSample(AgentMetrics.backlogAge, Double(age) / 1_000_000),
                MetricSample(AgentMetrics.quarantined, conflicts.quarantinedCount),
            ] + AgentRuntime.samples(of: conflicts) + AgentRuntime.samples(of: status.streams)
        } catch {
            return []
        }
    }
}

extension ServiceFailure {
    /// What its clients are told.
    var refusal: AgentMetrics.Refusal {
        switch self {
        case .overloaded: .overloaded
        case .storageFull: .storageFull
        case .unavailable: .unavailable
        }
    }
}
