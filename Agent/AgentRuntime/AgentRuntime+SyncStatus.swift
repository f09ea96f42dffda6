import AgentCore
import LedgerCore
import MQTTTransport
import SegmentStore
import Workers

extension AgentRuntime {
    package func syncStatus() async throws(ServiceFailure) -> SyncStatus {
        let state = board.current
        let oldest = try await oldestUnacknowledged(state)
        let storage = try await storage()
        let mqtt = connection?.status
        let writing = state.writing
        let (reason, since) = reasonNothingFlows(state, mqtt)
        return SyncStatus(
            agent: agent, streams: state.streams.map(\.status), stream: writing.tag,
            head: writing.head.sequence,
            acknowledged: writing.acknowledged,
            isConnected: mqtt?.isConnected ?? false, phase: state.phase, reason: reason,
            since: since,
            lastError: mqtt?.trouble.map { "\($0)" },
            broker: configuration.broker?.url ?? "none", attempts: UInt64(mqtt?.attempts ?? 0),
            nextAttemptAt: mqtt?.nextAttemptMicroseconds.map(Timestamp.init(microseconds:)),
            breaker: mqtt?.breaker.rawValue ?? "closed",
            backlog: SyncStatus.Backlog(
                count: state.backlog, bytes: state.backlogBytes, oldest: oldest),
            lastAckAt: state.lastAckAt, oldestRetained: writing.oldestRetained,
            storage: storage, now: WallClock.now())
    }

    /// In words for people, and since when.
    private func reasonNothingFlows(_ state: SyncBoard.State, _ mqtt: MQTTStatus?) -> (
        String?, Timestamp?
    ) {
        guard let mqtt else { return ("no broker is configured", nil) }
        switch state.phase {
        case .ended(let finding), .held(let finding): return (finding.sentence, nil)
        case .offline, .greeting, .streaming: break
        }
        if let contest = mqtt.contest { return ("\(contest)", state.offlineSince) }
        guard mqtt.isConnected else { return ("waiting for the broker", state.offlineSince) }
        guard state.phase != .streaming else { return (nil, nil) }
        if let stray = state.strayHub {
            return (
                "only an aggregator answers that this agent has left (\(stray)): it is an older "
                    + "copy, or a second one at this broker", state.stalledSince
            )
        }
        return ("waiting for the aggregator's answer", state.stalledSince)
    }

    private func oldestUnacknowledged(_ state: SyncBoard.State) async throws(ServiceFailure)
        -> Timestamp?
    {
        guard let behind = state.streams.first(where: { $0.backlog > 0 }) else { return nil }
        let place = EventPlace(stream: behind.tag, sequence: behind.acknowledged + 1)
        return try await reading { (store) throws(StoreError) in
            try store.recordedAt(place)
        }
    }

    private func storage() async throws(ServiceFailure) -> SyncStatus.Storage {
        let statistics = try await reading { (store) throws(StoreError) in try store.statistics() }
        return SyncStatus.Storage(
            bytes: UInt64(statistics.byteCount), freeBytes: UInt64(statistics.freeByteCount),
            quotaBytes: configuration.log.quotaBytes)
    }
}

extension SyncBoard.Stream {
    fileprivate var status: SyncStatus.Stream {
        let state: SyncStatus.Stream.State =
            if end == nil { .writing } else { backlog == 0 && isOffered ? .drained : .draining }
        return SyncStatus.Stream(
            tag: tag, state: state, head: head, acknowledged: acknowledged,
            oldestRetained: oldestRetained, end: end)
    }
}
