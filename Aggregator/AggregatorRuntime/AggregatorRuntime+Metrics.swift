import AggregatorCore
import LedgerCore
import Observability
import SegmentStore
import Workers

extension AggregatorRuntime: MetricSource {
    package static var definitions: [MetricDefinition] { AggregatorMetrics.definitions }

    package func samples() async -> [MetricSample] {
        let mqtt = connection.status
        var samples = [
            MetricSample(AggregatorMetrics.ready, state().unreadiness == nil ? 1 : 0),
            MetricSample(AggregatorMetrics.connected, mqtt.isConnected ? 1 : 0),
            MetricSample(AggregatorMetrics.connections, mqtt.connections),
            MetricSample(AggregatorMetrics.rejected, mqtt.rejected),
            MetricSample(AggregatorMetrics.oversize, mqtt.oversizeDropped),
            MetricSample(AggregatorMetrics.indexed, indexedThrough),
            MetricSample(
                AggregatorMetrics.unreadableLog, auditor.readFailure == nil ? 0 : 1),
        ]
        if let finding = auditor.lastFinding {
            samples += [
                MetricSample(AggregatorMetrics.conserved, finding.isConserved ? 1 : 0),
                MetricSample(AggregatorMetrics.audited, finding.position),
            ]
        }
        if case .success(let traces) = traces {
            let definition = AggregatorMetrics.droppedSpanMessages
            samples += [
                MetricSample(definition, labeled: ["broken"], traces.broken),
                MetricSample(definition, labeled: ["overflow"], traces.overflowing),
            ]
        }
        if let figures = await figures() { samples += figures.samples(now: WallClock.now()) }
        // Left out where it cannot be read, which `ready` tells.
        if let bytes = await readers.run({ [store] in try? store.storageBytes() }) ?? nil {
            samples.append(MetricSample(AggregatorMetrics.storage, bytes))
        }
        return samples
    }

    /// Nil where the intake is stopping, or has too much to do.
    func figures() async -> Intake.Figures? {
        await withUnsafeContinuation { continuation in
            let posted = intake.post(.tell { continuation.resume(returning: $0) })
            if posted != .taken { continuation.resume(returning: nil) }
        }
    }
}

extension Intake.Figures {
    fileprivate func samples(now: Timestamp) -> [MetricSample] {
        let online = agents.count(where: \.isOnline)
        let behind = agents.filter { $0.backlog > 0 }
        let lags = behind.compactMap { $0.lastAckAt.map { max(0, now.microseconds(since: $0)) } }
        return [
            MetricSample(AggregatorMetrics.mergedTransactions, counts.transactions),
            MetricSample(AggregatorMetrics.setAside, counts.setAside),
            MetricSample(AggregatorMetrics.position, position),
            MetricSample(AggregatorMetrics.agents, labeled: ["online"], online),
            MetricSample(AggregatorMetrics.agents, labeled: ["offline"], agents.count - online),
            MetricSample(
                AggregatorMetrics.stoppedStreams,
                agents.reduce(0) { $0 + $1.streams.count { $0.standing != .open } }),
            MetricSample(
                AggregatorMetrics.lackingStreams,
                agents.reduce(0) { $0 + $1.streams.count { $0.lacking != nil } }),
            MetricSample(AggregatorMetrics.backlog, behind.reduce(0) { $0 + $1.backlog }),
            MetricSample(AggregatorMetrics.backlogWorst, behind.map(\.backlog).max() ?? 0),
            MetricSample(AggregatorMetrics.lagWorst, Double(lags.max() ?? 0) / 1_000_000),
        ]
    }
}
