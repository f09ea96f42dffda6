import LedgerCore
import SyncProtocol

extension Outbox {
    /// The transport is up.
    ///
    /// - Parameter waited: what the events that wait had waited for, in words.
    package mutating func connected(
        waited: String?, now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        isConnected = true
        for index in streams.indices {
            streams[index].session.disconnected()
            streams[index].isDue = !streams[index].isWriting
            guard let waited, streams[index].backlog > 0 else { continue }
            streams[index].waited = (streams[index].session.head.sequence, waited)
        }
        return [status(isOnline: true, now)] + greetWriting(now, &random)
    }

    private mutating func greetWriting(
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let actions = streams[lastIndex].session.connected(now: now.steady, &random)
        return perform(actions, lastIndex, now)
    }

    package mutating func disconnected() -> [Action] {
        isConnected = false
        return streams.indices.map { index in
            streams[index].session.disconnected()
            return .note(.lost(streams[index].tag, beyond: streams[index].session.released))
        }
    }

    /// The transport took nothing before, and has room again: for the stream that is written first.
    package mutating func transportHasRoom(
        now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        var actions: [Action] = []
        for index in streams.indices.reversed() {
            actions += perform(streams[index].session.transportHasRoom(), index, now)
        }
        return actions
    }

    /// Time has passed.
    package mutating func tick(now: ClockReading, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        var actions: [Action] = []
        for index in streams.indices.reversed() {
            let due = streams[index].session.tick(now: now.steady, &random)
            actions += perform(due, index, now)
        }
        guard isConnected else { return actions }
        actions += finishDrained(now)
        actions += drainNext(now, &random)
        actions += askForAccounts(now, &random)
        return actions + askForWatermark(now, &random)
    }

    // MARK: The agent's word on itself

    /// Retained, and signed as any message is.
    package func status(isOnline: Bool, _ now: ClockReading) -> Action {
        .sendStatus(
            Outbox.status(
                isOnline: isOnline, stream: writing.tag, head: writing.session.head, at: now.wall,
                signer: device.signer, hasher: device.hasher))
    }

    package static func status(
        isOnline: Bool, stream: StreamTag, head: ChainPoint, at: Timestamp, signer: any Signer,
        hasher: any ContentHasher
    ) -> Frame {
        Message.status(Status(isOnline: isOnline, stream: stream, head: head, at: at))
            .framed(session: 0).signed(by: signer, hasher)
    }

    // MARK: Former streams

    /// Former streams are greeted behind the one that is written, the oldest first, a few at a time.
    private mutating func drainNext(
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let hub = hubs.current?.tag else { return [] }
        if case .greeting = writing.session.phase { return [] }
        var active = streams.dropLast().reduce(0) { $0 + ($1.isActive ? 1 : 0) }
        var actions: [Action] = []
        for index in streams.indices.dropLast() where streams[index].isDue {
            guard active < limits.drainingStreamsMax else { break }
            streams[index].isDue = false
            guard streams[index].concerns(hub) else { continue }
            active += 1
            let greeting = streams[index].session.connected(now: now.steady, &random)
            actions += perform(greeting, index, now)
        }
        return actions
    }

    /// Whoever has all of a former stream is told that no more will come of it, and its session ends.
    private mutating func finishDrained(_ now: ClockReading) -> [Action] {
        guard let hub = hubs.current?.tag else { return [] }
        var actions: [Action] = []
        for index in streams.indices.dropLast() {
            guard let confirmed = streams[index].session.confirmed, streams[index].isDrained else {
                continue
            }
            let tag = streams[index].tag
            let last = Watermark(
                stream: tag, acknowledged: confirmed.acknowledged, through: Watermark.endOfStream,
                seen: seen, sentAt: now.wall)
            actions.append(framed(.watermark(last), session: confirmed.session))
            streams[index].session.disconnected()
            streams[index].finishedFor = hub
            actions.append(.errand(.finish(tag, hub: hub)))
            actions.append(.note(.drained(tag)))
        }
        return actions
    }

    /// Whether the hub, when it took this snapshot, had all of every former stream: what it says of
    /// an account can be taken apart only then.
    func includesFormerStreams(_ snapshot: AccountSnapshot) -> Bool {
        streams.dropLast().allSatisfy { stream in
            guard stream.session.head.sequence > 0 else { return true }
            guard stream.finishedFor == snapshot.hub else { return false }
            guard let settled = stream.settledAt else { return true }
            return snapshot.clock.rawValue > 0
                ? snapshot.clock > settled.clock : snapshot.takenAt > settled.wall
        }
    }
}
