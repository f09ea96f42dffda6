import LedgerCore
import SyncProtocol

/// What becomes of segments that a session lets through.
extension Hub {
    mutating func merge(
        _ run: SegmentRun, _ session: StreamSession, _ now: ClockReading,
        _ message: SegmentsMessage?
    ) -> [Action] {
        let (tag, agent) = (session.stream, session.genesis.agent)
        var actions: [Action] = []
        tracing.mergeBegan()
        let clockError = clockError(message, session, now.wall)
        for (index, sealed) in run.segments.enumerated() {
            let setAside = fold.ledger.merge(
                sealed.segment, behind: run.names(before: index),
                keepsNames: index == 0 && run.sharesNames,
                quarantined: fold.quarantined(sealed.hash))
            tracing.merged(sealed.segment, fold.ledger.tracesOfLast, setAside: setAside.count)
            follow(fold.ledger.latestOfLast, now.wall)
            pending.size.bytes += sealed.segment.bytes.count
            sinceCheckpoint.bytes += sealed.segment.bytes.count
            if !setAside.isEmpty { actions += quarantine(setAside, sealed, agent, now) }
            if let offset = offset(of: sealed, clockError, now.wall) {
                // The agent is told of its clock, once until somebody has settled it: a word of each
                // segment would go on as long as the clock stands wrong.
                let isKnown = fold.state.conflicts.isClockSuspected(of: tag)
                actions.append(
                    write(
                        .restamped(sealed.span, offset: offset), telling: isKnown ? nil : agent, now
                    ))
            }
        }
        tracing.mergeEnded()
        sinceCheckpoint.segments += run.segments.count
        if let reordered = returned.place(run.segments[0], of: tag) {
            actions.append(write(.reordered(run.segments[0].span, former: reordered), now))
        }
        pending.commit.arrivals.append(
            HubCommit.Arrival(
                stream: tag, run: run, publishedAt: message?.sentAt ?? now.wall,
                attempt: message?.attempt ?? 1, receivedAt: now.wall))
        if session.ends.count > 1 || !session.lostGaps.isEmpty {
            pending.commit.branchEnds[tag] = session.ends.map(\.point)
        }
        pending.touch(tag, now.wall)
        if let seen = run.segments.last?.segment.header.seen { saw(agent, seen) }
        return actions
    }

    // MARK: Quarantine

    /// What cannot be read, or not yet: it has no effect until it is released, whatever version reads
    /// the log.
    private mutating func quarantine(
        _ setAside: [ReadEvent], _ sealed: SealedSegment, _ agent: AgentID, _ now: ClockReading
    ) -> [Action] {
        fleet.noteSetAside(agent, setAside.count)
        let ordered = setAside.sorted { $0.sequence < $1.sequence }
        var actions: [Action] = [
            .note(
                .setAside(
                    sealed.segment.header.stream, first: ordered[0].sequence,
                    count: ordered.count))
        ]
        var start = 0
        while start < ordered.count {
            var end = start
            while end + 1 < ordered.count,
                ordered[end + 1].sequence == ordered[end].sequence + 1,
                ordered[end + 1].cause == ordered[start].cause
            {
                end += 1
            }
            let span = EventSpan(
                stream: sealed.segment.header.stream, segment: sealed.hash,
                sequences: ordered[start].sequence...ordered[end].sequence)
            actions.append(
                write(.quarantined(span, ordered[start].cause), telling: agent, now))
            start = end + 1
        }
        return actions
    }

    // MARK: Clocks

    /// No event is older than this software.
    private static let oldestTime = Timestamp(microseconds: 1_704_067_200_000_000)

    /// The hub's clock follows an agent's, but not one that stands too far ahead.
    private mutating func follow(_ time: HybridTimestamp, _ now: Timestamp) {
        let limit = HybridTimestamp(now.advanced(byMicroseconds: parts.limits.driftMax))
        if time <= limit { clock.observe(time) }
    }

    /// By how much the agent's clock stands behind ours, less than nothing where it is ahead, where a
    /// message shows that it is more than clocks may differ by; nil where it does not. A message that
    /// was long on its way shows nothing: only what was sent in this session is behind what it says to
    /// be before. When it was sent is not signed, and may be any number.
    private func clockError(
        _ message: SegmentsMessage?, _ session: StreamSession, _ now: Timestamp
    ) -> Int64? {
        guard let message else { return nil }
        let limit = parts.limits.driftMax
        let isAhead = message.sentAt.microseconds(since: now) > limit
        let isBehind =
            session.provedAt.map { $0.microseconds(since: message.sentAt) > limit } ?? false
        return isAhead || isBehind ? now.microseconds(since: message.sentAt) : nil
    }

    /// What is to be added to the times of a segment's events for people; nil where they may stand.
    private func offset(
        of sealed: SealedSegment, _ clockError: Int64?, _ now: Timestamp
    ) -> Int64? {
        let base = sealed.segment.header.base.time
        let untilNow = now.microseconds(since: base)
        let isImpossible =
            -untilNow > parts.limits.driftMax || base.microseconds < Hub.oldestTime.microseconds
        guard isImpossible || clockError != nil, !judged.contains(sealed.hash) else { return nil }
        // Shown as no later than it came.
        return clockError.map { min($0, untilNow) } ?? untilNow
    }
}

extension SealedSegment {
    fileprivate var span: EventSpan {
        EventSpan(
            stream: segment.header.stream, segment: hash, sequences: segment.header.sequences)
    }
}

extension ReadEvent {
    fileprivate var cause: HubFact.QuarantineCause {
        if case .unknown(_, let kind) = self { .unknownKind(kind) } else { .unreadable }
    }
}
