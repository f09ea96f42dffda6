import LedgerCore
import SyncProtocol

extension Outbox {
    // MARK: Acknowledgements

    mutating func acknowledged(
        _ ack: Ack, _ session: UInt64, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let index = index(ack.stream), ack.hub == hubs.current?.tag else { return [] }
        let actions = streams[index].session.acknowledged(
            ack, session: session, now: now.steady, &random)
        if !streams[index].isWriting, streams[index].isDrained,
            streams[index].finishedFor != ack.hub
        {
            streams[index].settledAt = OutboxStream.Moment(clock: ack.clock, wall: ack.committedAt)
        }
        return perform(actions, index, now)
    }

    /// What is acknowledged for the first time gets receipts; of what another hub had acknowledged
    /// before, the places are kept.
    mutating func keep(
        _ progress: OutboxSession.Progress, _ index: Int, _ now: ClockReading
    ) -> [Action] {
        let ack = progress.ack
        let tag = streams[index].tag
        let before = streams[index].acknowledgedAt.flatMap { $0.hub == ack.hub ? $0.position : nil }
        let at = LogPlace(hub: ack.hub, position: ack.runs.last?.position ?? before ?? 0)
        streams[index].acknowledged = ack.through
        streams[index].acknowledgedAt = at
        streams[index].backlogBytes -= min(
            streams[index].backlogBytes, UInt64(progress.byteCount))
        let kept = Acknowledged(
            stream: tag, receipts: receipts(progress, index, now),
            placements: placements(progress), through: ack.through, at: at, clock: ack.clock)
        if let waited = streams[index].waited, ack.through.sequence >= waited.through {
            streams[index].waited = nil
        }
        observed = max(observed, ack.clock)
        return [.errand(.keep(kept)), .note(.progress(tag, progress))]
    }

    private func receipts(
        _ progress: OutboxSession.Progress, _ index: Int, _ now: ClockReading
    ) -> [Receipt] {
        let ack = progress.ack
        guard ack.through.sequence > progress.released else { return [] }
        let reason = streams[index].waited.flatMap {
            progress.released < $0.through ? $0.reason : nil
        }
        let whole = Receipt(
            stream: streams[index].tag, first: progress.released + 1, through: ack.through,
            hub: ack.hub, position: nil, publishedAt: progress.sentAt, attempt: progress.attempt,
            acknowledgedAt: now.wall, receivedAt: ack.receivedAt, committedAt: ack.committedAt,
            waitedFor: reason ?? "")
        return whole.split(by: ack.runs)
    }

    private func placements(_ progress: OutboxSession.Progress) -> [Placement] {
        let last = min(progress.ack.through.sequence, progress.released)
        let runs = progress.ack.runs.filter { $0.firstSequence <= last }
        return runs.indices.map { index in
            let next = index + 1 < runs.count ? runs[index + 1].firstSequence - 1 : last
            return Placement(
                sequences: runs[index].firstSequence...max(next, runs[index].firstSequence),
                at: LogPlace(hub: progress.ack.hub, position: runs[index].position))
        }
    }

    // MARK: What the thread that writes reports

    package mutating func reported(
        _ report: CommitReport, now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        switch report {
        case .appended(let tag, let head, let byteCount):
            guard let index = index(tag) else { return [] }
            streams[index].backlogBytes += UInt64(byteCount)
            let actions = streams[index].session.appended(head, byteCount: byteCount)
            return perform(actions, index, now)
        case .opened(let opening, let search): return opened(opening, search, now, &random)
        case .promised(let time, let place): return sayWatermark(time, acknowledged: place, now)
        case .unusable(let number, let session, let tag):
            if tag == writing.tag { snapshots.unusable(number, session: session) }
            return []
        case .seen(let hub):
            if hub.tag == hubs.current?.tag {
                isHubDurable = true
                told = max(told, hub.seen.position)
            }
            hubs.sawDurably(hub)
            return []
        case .pruned(let tag, let through):
            if let index = index(tag) { streams[index].keptBehind = through }
            return []
        case .drawn(let record, let end): return drawn(record, behind: end, now, &random)
        }
    }

    private mutating func opened(
        _ opening: SessionOpening, _ search: ChainSearch, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let index = index(opening.stream) else { return [] }
        streams[index].backlogBytes = search.bytesBehind
        streams[index].keptBehind = search.keptBehind
        let actions = streams[index].session.prepared(
            session: opening.session, resume: search.found, hasAnnounced: search.hasAnnounced,
            oldestRetained: search.keptBehind.sequence + 1, unsentBytes: Int(search.bytesBehind),
            now: now.steady, &random)
        let lost = Note.lost(opening.stream, beyond: search.found?.sequence ?? 0)
        return [.note(lost)] + perform(actions, index, now)
    }

    // MARK: Streams that end

    /// The folder goes on in another stream; not twice in a short time, whatever a hub says.
    mutating func end(
        _ index: Int, _ finding: OutboxSession.Finding, _ now: ClockReading
    ) -> [Action] {
        guard let cause = finding.cause, streams[index].isWriting else { return [] }
        if let drawnAt, now.steady.microseconds(since: drawnAt) < limits.drawDelay { return [] }
        let end = StreamEnd(cause, detail: finding.sentence, at: now.wall)
        return [.note(.ends(streams[index].tag, finding)), .errand(.end(streams[index].tag, end))]
    }

    /// Another stream is written from now on. The one before is sent to its end.
    private mutating func drawn(
        _ record: StreamRecord, behind end: StreamEnd?, _ now: ClockReading,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard index(record.tag) == nil else { return [] }
        drawnAt = now.steady
        let before = lastIndex
        streams[before].session.retire()
        streams[before].isDue = true
        streams[before].end = end
        watermarks = WatermarkPacer(limits: limits)
        streams.append(
            OutboxStream(record, isWriting: true, hub: hubs.current?.tag, limits: limits))
        let note = Action.note(.drawn(record.tag, behind: streams[before].tag))
        guard isConnected else { return [note] }
        let greeting = streams[lastIndex].session.connected(now: now.steady, &random)
        return [note, status(isOnline: true, now)] + perform(greeting, lastIndex, now)
    }

    // MARK: Accounts and watermarks

    /// A client asks for an account of which the hub has not told.
    package mutating func want(_ account: AccountAddress) {
        snapshots.want(account)
    }

    mutating func askForAccounts(
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        followSession()
        let isCaughtUp =
            writing.backlog == 0 || writing.backlogBytes < UInt64(limits.ownTailBytesMax / 2)
        guard
            let ask = snapshots.tick(
                now: now.steady, isCaughtUp: isCaughtUp, stream: writing.tag, &random)
        else { return [] }
        return [framed(.accountRequest(ask.request), session: ask.session)]
    }

    mutating func askForWatermark(
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let tag = writing.tag
        let head = writing.session.head.sequence
        switch watermarks.tick(writing.session.confirmed, head: head, now: now.steady, &random) {
        case .promise(let acknowledged):
            let place = EventPlace(stream: tag, sequence: acknowledged)
            return [.errand(.promiseTime(acknowledged: place))]
        case .lookUp(let acknowledged):
            return [.ask(.timeBefore(EventPlace(stream: tag, sequence: acknowledged)))]
        case nil: return []
        }
    }

    mutating func sayWatermark(
        _ time: HybridTimestamp?, acknowledged: EventPlace, _ now: ClockReading
    ) -> [Action] {
        guard acknowledged.stream == writing.tag,
            let statement = watermarks.found(
                time, acknowledged: acknowledged.sequence, writing.session.confirmed,
                now: now.steady)
        else { return [] }
        let watermark = Watermark(
            stream: writing.tag, acknowledged: statement.confirmed.acknowledged,
            through: statement.through, seen: seen, sentAt: now.wall)
        return [framed(.watermark(watermark), session: statement.confirmed.session)]
    }
}
