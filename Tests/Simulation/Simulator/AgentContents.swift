import AgentCore
import LedgerCore
import SyncProtocol

/// What the tables of an agent's store hold: the folder's streams, the last of which is written, and
/// what is of the folder as a whole.
struct AgentContents: DiskContents {
    /// What one transaction writes.
    enum Change {
        case commit(AgentCommit)
        /// The folder goes on in this stream.
        case draw(Genesis, StreamEnd?)

        /// A page for each segment, one for what is small, and the one that ends the transaction.
        var pageCount: Int {
            switch self {
            case .commit(let commit): commit.segments.count + 2
            case .draw: 2
            }
        }
    }

    var streams: [OwnStream]
    private(set) var hubs: [HubRecord] = []
    private(set) var hubEvents: [SignedHubEvent] = []
    private(set) var clock = HybridTimestamp(rawValue: 0)
    private(set) var keys: [IdempotencyKey: KeyRecord] = [:]
    private(set) var merged: [MergedBalances.Place: MergedBalances.Others] = [:]
    var retention: Retention.Saved?
    /// The folds' checkpoint, and the last position of the log that it counts.
    private(set) var counted: (balances: Balances, transactions: Int64, position: Int) =
        (Balances(), 0, 0)
    private(set) var position = 0
    /// It was made from a backup: the next start begins a stream.
    var mustDraw = false
    /// The transactions that this folder has answered for, by their numbers. The simulator's own note,
    /// which goes wherever the folder is copied.
    var told: [Int: StreamPlace] = [:]
    /// What time it really is, for `OwnStream.Stored.at`.
    var now: Int64 = 0

    init(genesis: Genesis) {
        streams = [OwnStream(genesis)]
    }

    var writing: OwnStream { streams[streams.count - 1] }
    var tag: StreamTag { writing.tag }

    func index(_ tag: StreamTag) -> Int? { streams.lastIndex { $0.tag == tag } }
    func stream(_ tag: StreamTag) -> OwnStream? { index(tag).map { streams[$0] } }

    // MARK: Writing

    mutating func apply(_ change: Change) {
        switch change {
        case .commit(let commit): apply(commit)
        case .draw(let genesis, let end):
            streams[streams.count - 1].end = end ?? streams[streams.count - 1].end
            streams.append(OwnStream(genesis))
            mustDraw = false
        }
    }

    private mutating func apply(_ commit: AgentCommit) {
        let last = streams.count - 1
        for sealed in commit.segments {
            precondition(
                sealed.segment.header.stream == streams[last].tag,
                "a segment of a stream that is no longer written")
            position += 1
            streams[last].append(sealed, position: position, at: now)
        }
        for one in commit.acknowledged {
            if let index = index(one.stream) { streams[index].keep(one) }
        }
        for (tag, session) in commit.sessions {
            guard let index = index(tag) else { continue }
            streams[index].lastSession = max(streams[index].lastSession, session)
        }
        for (tag, hub) in commit.finished {
            if let index = index(tag) { streams[index].finishedFor = hub }
        }
        if let hub = commit.hub, !hubs.contains(where: { $0.tag == hub.tag }) { hubs.append(hub) }
        for event in commit.hubEvents { keep(event) }
        merged.merge(commit.merged) { $1 }
        clock = max(clock, commit.clock ?? clock)
        guard let checkpoint = commit.checkpoint else { return }
        counted = (checkpoint.balances, checkpoint.transactions, position)
        keys.merge(checkpoint.keys) { $1 }
    }

    private mutating func keep(_ event: SignedHubEvent) {
        guard let hub = hubs.firstIndex(where: { $0.tag == event.hub }),
            !hubEvents.contains(where: {
                $0.hub == event.hub && $0.event.sequence == event.event.sequence
            })
        else { return }
        hubEvents.append(event)
        hubs[hub].saw(event)
    }

    mutating func pruneKeys(_ stream: StreamTag, through sequence: UInt64) -> Int {
        let old = keys.filter {
            $0.value.place.stream == stream && $0.value.place.sequence <= sequence
        }
        for key in old.keys { keys[key] = nil }
        return old.count
    }

    // MARK: Starting

    var records: [StreamRecord] { streams.map(\.record) }

    /// Everything a start needs: the folds at their checkpoint, brought up to the end of the log.
    func origin() -> AdmissionOrigin {
        var balances = counted.balances
        var transactions = counted.transactions
        var keys: [IdempotencyKey: KeyRecord] = [:]
        var latest = clock
        for stream in streams {
            if let last = stream.segments.last { latest = max(latest, stream.lastTime(of: last)) }
            for stored in stream.segments where stored.position > counted.position {
                for case .event(let event) in stream.events(of: stored.sealed.segment) {
                    for posting in event.transaction.postings { balances.apply(posting) }
                    transactions += 1
                    guard let keyed = event.keyed else { continue }
                    keys[keyed.key] = KeyRecord(
                        place: EventPlace(stream: stream.tag, sequence: event.sequence),
                        digest: keyed.digest, time: event.time)
                }
            }
        }
        let seen = hubs.last?.seen ?? .nothing
        var dictionary = StreamDictionary()
        for definition in writing.definitions { dictionary.restore(definition) }
        let place = SegmentBuilder.Place(
            stream: tag, firstSequence: writing.head.sequence + 1, previous: writing.head.hash,
            seen: seen,
            dictionary: writing.segments.last?.sealed.segment.header.dictionary ?? .empty)
        return AdmissionOrigin(
            place: place, dictionary: dictionary, balances: balances, latest: latest, keys: keys,
            transactions: transactions)
    }

    /// The end of the written stream's chain, as far as it may be kept in memory.
    func tail(_ byteCountMax: Int) -> OwnTail {
        let after = writing.acknowledged
        let behind = writing.segments[writing.index(behind: after)...]
        let begins =
            behind.first.map { $0.sealed.segment.header.firstSequence == after + 1 } ?? true
        guard begins, behind.reduce(0, { $0 + $1.byteCount }) <= byteCountMax else {
            return OwnTail(head: writing.head.sequence, byteCountMax: byteCountMax)
        }
        var tail = OwnTail(head: after, byteCountMax: byteCountMax)
        for stored in behind { tail.append(stored.sealed.segment) }
        return tail
    }

    // MARK: What the outbox asks

    /// - Returns: nil for a stream that is none of this folder's.
    func answer(_ question: LogQuestion) -> LogAnswer? {
        switch question {
        case .segments(let tag, _, let after, _, let byteCountMax):
            return stream(tag)?.segments(after: after, byteCountMax: byteCountMax)
        case .places(let tag, let places):
            return stream(tag).map {
                let (found, bytes) = $0.locate(places)
                return .place(found, bytesBehind: bytes)
            }
        case .definitions(let tag, _, let needs):
            return stream(tag).map {
                .definitions(
                    Array(
                        $0.definitions.dropFirst(Int(needs.first)).prefix(
                            Int(needs.through) - Int(needs.first))))
            }
        case .timeBefore(let place):
            return stream(place.stream).map {
                let index = $0.index(behind: place.sequence)
                let next = index < $0.segments.count ? $0.segments[index] : nil
                return .time(next?.sealed.segment.timeBefore)
            }
        case .placements(let tag, _, let sequences, let hub):
            return stream(tag).map { .returns(placements(of: $0, sequences, besides: hub)) }
        case .hubEvents(let tag, _, let hub): return .returns(toldBesides(hub, tag))
        }
    }

    private func placements(
        of stream: OwnStream, _ sequences: ClosedRange<UInt64>, besides hub: StreamTag
    ) -> [Returns] {
        hubs.compactMap { former in
            let runs = stream.placements.filter {
                $0.at.hub == former.tag && former.tag != hub && $0.sequences.overlaps(sequences)
            }.map { Returns.Run(sequences: $0.sequences, position: $0.at.position) }
            guard !runs.isEmpty else { return nil }
            return Returns(
                stream: stream.tag, former: former.genesis,
                runs: Array(runs.prefix(Returns.runsMax)),
                events: [])
        }
    }

    private func toldBesides(_ hub: StreamTag, _ stream: StreamTag) -> [Returns] {
        hubs.flatMap { former -> [Returns] in
            let events = hubEvents.filter { event in
                event.hub == former.tag && former.tag != hub
                    && !hubEvents.contains {
                        $0.event.content.origin
                            == HubEventID(hub: event.hub, sequence: event.event.sequence)
                    }
            }
            return stride(from: 0, to: events.count, by: Returns.eventsMax).map { start in
                let end = min(start + Returns.eventsMax, events.count)
                return Returns(
                    stream: stream, former: former.genesis, runs: [],
                    events: Array(events[start..<end]))
            }
        }
    }
}

extension Balances {
    mutating func apply(_ posting: Posting) {
        apply(
            source: intern(posting.source), destination: intern(posting.destination),
            asset: intern(posting.asset), units: posting.amount.units)
    }
}
