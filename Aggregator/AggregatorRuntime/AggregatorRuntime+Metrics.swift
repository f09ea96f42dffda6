import AggregatorCore
import LedgerCore
import Observability
import SegmentStore
import SyncProtocol
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
                agents.reduce(0) { $0 + $1.streams.count(where: \.needsDecision) }),
            MetricSample(
                AggregatorMetrics.lackingStreams,
                agents.reduce(0) { $0 + $1.streams.count { $0.lacking != nil } }),
            MetricSample(AggregatorMetrics.backlog, behind.reduce(0) { $0 + $1.backlog }),
            MetricSample(AggregatorMetrics.backlogWorst, behind.map(\.backlog).max() ?? 0),
            MetricSample(AggregatorMetrics.lagWorst, Double(lags.max() ?? 0) / 1_000_000),
        ] + hubSamples
    }

    /// What the hub's events add up to.
    private var hubSamples: [MetricSample] {
        let all = state.conflicts.all
        let restamped = all.filter { $0.kind == .clockSuspect }.reduce(0) { $0 + $1.repeats + 1 }
        let offsets = agents.filter(\.isOnline).compactMap { $0.clockOffset?.magnitude }
        let kinds = Conflict.Kind.allCases.flatMap { kind in
            let ofKind = all.filter { $0.kind == kind }
            return [
                MetricSample(
                    AggregatorMetrics.conflicts, labeled: [kind.rawValue], ofKind.count),
                MetricSample(
                    AggregatorMetrics.openConflicts, labeled: [kind.rawValue],
                    ofKind.count(where: \.isOpen)),
            ]
        }
        let standings = Standing.allCases.map { standing in
            MetricSample(
                AggregatorMetrics.streams, labeled: [standing.name],
                agents.reduce(0) { $0 + $1.streams.count { $0.standing == standing } })
        }
        return kinds + standings + [
            MetricSample(AggregatorMetrics.quarantined, state.conflicts.quarantinedCount),
            MetricSample(AggregatorMetrics.lost, lostCount),
            MetricSample(AggregatorMetrics.restamped, restamped),
            MetricSample(AggregatorMetrics.hubStreams, state.hubs.count),
            MetricSample(
                AggregatorMetrics.clockOffsetWorst, Double(offsets.max() ?? 0) / 1_000_000),
        ]
    }

    private var lostCount: UInt64 {
        state.conflicts.all.reduce(0) { sum, conflict in
            guard conflict.isOpen, case .gapLost(let gap) = conflict.event.content.fact else {
                return sum
            }
            return sum + UInt64(gap.sequences.count)
        }
    }
}
