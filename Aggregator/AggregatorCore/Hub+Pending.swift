import LedgerCore
import SyncProtocol

extension Hub {
    /// What the next commit writes, and who waits for it.
    struct Pending {
        struct Size {
            var segments = 0
            var bytes = 0
        }

        /// A stream that the commit concerns, and when the first of its messages came.
        struct Touched {
            let tag: StreamTag
            let receivedAt: Timestamp
        }

        var commit = HubCommit()
        var size = Size()
        var touched: [Touched] = []

        mutating func touch(_ tag: StreamTag, _ now: Timestamp) {
            guard !touched.contains(where: { $0.tag == tag }) else { return }
            touched.append(Touched(tag: tag, receivedAt: now))
        }
    }

    /// Streams whose watermark is newer than the stored one, and since when the first of them is.
    struct WaitingWatermarks {
        var tags: [StreamTag] = []
        var since: SteadyTime?

        mutating func add(_ tag: StreamTag, _ now: SteadyTime) {
            if !tags.contains(tag) { tags.append(tag) }
            since = since ?? now
        }
    }

    /// Whether as much waits as one commit writes.
    package var isFull: Bool {
        pending.commit.arrivals.count >= parts.limits.messagesPerCommitMax
            || pending.size.bytes >= parts.limits.bytesPerCommitMax
    }

    /// Whether something waits to be written, so that the fold is ahead of the store.
    package var hasPending: Bool { !pending.commit.isEmpty || !journal.isEmpty }

    // MARK: Taking

    /// What is to be written now; nil where nothing is.
    ///
    /// - Parameter withCheckpoint: whether to write one of what was merged since the last, even where
    ///   none is due.
    package mutating func takeCommit(
        withCheckpoint: Bool = false, now: ClockReading
    ) -> HubCommit? {
        precondition(underWay == nil, "one commit at a time")
        if withCheckpoint && sinceCheckpoint.segments > 0 || mustCheckpoint { addCheckpoint() }
        if hasPending || watermarks.isDue(now.steady, parts.limits) { addWatermarks(now) }
        pending.commit.hubSegments = journal.take()
        guard !pending.commit.isEmpty else { return nil }
        pending.commit.clock = clock.tick(now: now.wall)
        underWay = pending
        pending = Pending()
        return underWay?.commit
    }

    private var mustCheckpoint: Bool {
        sinceCheckpoint.segments >= parts.limits.segmentsPerCheckpoint
            || sinceCheckpoint.bytes >= parts.limits.bytesPerCheckpoint
    }

    private mutating func addCheckpoint() {
        let pages = fold.ledger.takeChangedPages()
        pending.commit.checkpoint = HubCommit.Checkpoint(
            balances: fold.ledger.balances, changedPages: pages, counts: fold.ledger.counts)
    }

    /// With a commit that is made anyway, or once in a while.
    private mutating func addWatermarks(_ now: ClockReading) {
        for tag in watermarks.tags { record(tag, now.wall) }
        watermarks = WaitingWatermarks()
    }

    // MARK: Persisted

    /// What was taken is durable.
    ///
    /// - Parameter positions: of each arrival's first segment, in their order.
    package mutating func persisted(
        _ durable: Durable, positions: [Int64], now: ClockReading
    ) -> [Action] {
        guard let done = underWay else { preconditionFailure("nothing was taken") }
        underWay = nil
        let commit = done.commit
        note(commit, durable)
        let runs = runs(of: commit.arrivals, positions)
        var actions = decisions.settle(through: committedEvents, tag)
        for touched in done.touched {
            let answers = fleet.session(touched.tag) { $0.persisted(durable) }
            for answer in answers {
                guard case .sendAck(let number, let point) = answer else {
                    actions += perform([answer], touched.tag, now)
                    continue
                }
                actions += acknowledge(
                    number, point, touched.tag, runs: runs[touched.tag] ?? [],
                    receivedAt: touched.receivedAt, now)
            }
        }
        tracing.committed()
        if commit.hub != nil {
            // Everybody is to greet the new stream.
            succession = nil
            sayUp()
        }
        return actions + tellNews(now)
    }

    private mutating func note(_ commit: HubCommit, _ durable: Durable) {
        position = durable.position
        let last = commit.arrivals.last?.run.segments.last ?? commit.hubSegments.last
        hash = last?.hash ?? hash
        committedEvents = journal.end.sequence
        clockCommitted = commit.clock
        if commit.checkpoint != nil { sinceCheckpoint = Pending.Size() }
    }

    private func runs(
        of arrivals: [HubCommit.Arrival], _ positions: [Int64]
    ) -> [StreamTag: [Ack.Run]] {
        precondition(arrivals.count == positions.count, "a position for each arrival")
        var runs: [StreamTag: [Ack.Run]] = [:]
        for (arrival, position) in zip(arrivals, positions) {
            let first = arrival.run.segments[0].segment.header.firstSequence
            runs[arrival.stream, default: []].append(
                Ack.Run(firstSequence: first, position: UInt64(position)))
        }
        return runs
    }

    mutating func acknowledge(
        _ number: UInt64, _ point: ChainPoint, _ tag: StreamTag, runs: [Ack.Run],
        receivedAt: Timestamp, _ now: ClockReading
    ) -> [Action] {
        guard let agent = fleet.existing(tag)?.genesis.agent else { return [] }
        var ack = Ack(
            stream: tag, through: point, hub: self.tag, runs: runs, receivedAt: receivedAt,
            committedAt: now.wall, clock: clockCommitted)
        ack.traces = tracing.acknowledging(tag)
        fleet.noteAck(agent, now.wall)
        let actions = [
            Action.note(.acknowledged(tag, agent)), send(.ack(ack), session: number, to: agent),
        ]
        tracing.acknowledged(tag)
        return actions
    }

    /// The stream's record is written with the next commit.
    mutating func record(_ tag: StreamTag, _ now: Timestamp) {
        guard let session = fleet.existing(tag) else { return }
        pending.commit.records[tag] = session.record
        pending.touch(tag, now)
    }
}

extension Hub.WaitingWatermarks {
    fileprivate func isDue(_ now: SteadyTime, _ limits: AggregatorLimits) -> Bool {
        since.map { now.microseconds(since: $0) >= limits.watermarkDelayMax } ?? false
    }
}
