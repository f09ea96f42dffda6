import AgentCore
import LedgerCore
import SyncProtocol

/// What the tables of an agent's store hold.
struct AgentContents: DiskContents {
    /// What one transaction writes.
    struct Change {
        var segments: [SealedSegment] = []
        var acknowledged: UInt64?
        var lastSession: UInt64?
        var promisedTime: HybridTimestamp?
        var checkpoint: Checkpoint?
        var merged: [MergedBalances.Place: MergedBalances.Others] = [:]

        var isEmpty: Bool {
            segments.isEmpty && acknowledged == nil && lastSession == nil && promisedTime == nil
                && checkpoint == nil && merged.isEmpty
        }

        /// A page for each segment, one for what is small, and the one that ends the transaction.
        var pageCount: Int { segments.count + 2 }
    }

    struct Checkpoint {
        var balances: Balances
        var keys: [IdempotencyKey: KeyRecord]
        var transactions: Int64
    }

    let genesis: Genesis
    let hash: Hash256
    private(set) var segments: [SealedSegment] = []
    /// When each was written: what it really was, by nobody's clock.
    private(set) var writtenAt: [Int64] = []
    /// The end of what is pruned.
    private(set) var pruned: ChainPoint?
    private(set) var definitions: [Definition] = []
    private(set) var lastSession: UInt64 = 0
    private(set) var promisedTime = HybridTimestamp(rawValue: 0)
    private(set) var keys: [IdempotencyKey: KeyRecord] = [:]
    private(set) var merged: [MergedBalances.Place: MergedBalances.Others] = [:]
    var retention: Retention.Saved?
    private var receipts: UInt64 = 0
    private(set) var counted: (balances: Balances, transactions: Int64, through: UInt64) =
        (Balances(), 0, 0)
    /// What time it is, for `writtenAt`.
    var now: Int64 = 0

    init(genesis: Genesis) {
        self.genesis = genesis
        hash = genesis.hash(ToyHasher())
    }

    var tag: StreamTag { StreamTag(genesisHash: hash) }
    var head: ChainPoint {
        segments.last?.end ?? pruned ?? ChainPoint(sequence: 0, hash: hash)
    }
    var oldestRetained: UInt64 { (pruned?.sequence ?? 0) + 1 }
    var acknowledged: UInt64 { max(receipts, pruned?.sequence ?? 0) }

    mutating func apply(_ change: Change) {
        for sealed in change.segments {
            segments.append(sealed)
            writtenAt.append(now)
            definitions += (try? sealed.segment.definitions()) ?? []
        }
        if let through = change.acknowledged { receipts = max(receipts, through) }
        if let session = change.lastSession { lastSession = session }
        if let time = change.promisedTime { promisedTime = max(promisedTime, time) }
        merged.merge(change.merged) { $1 }
        guard let checkpoint = change.checkpoint else { return }
        counted = (checkpoint.balances, checkpoint.transactions, head.sequence)
        keys.merge(checkpoint.keys) { $1 }
    }

    // MARK: Pruning

    /// The index behind the last segment that may go: acknowledged, counted by the folds' checkpoint,
    /// and not the last one.
    func prunable(through sequence: UInt64, segmentsMax: Int) -> Int {
        var count = 0
        while count < min(segmentsMax, segments.count - 1),
            segments[count].end.sequence <= min(sequence, counted.through)
        {
            count += 1
        }
        return count
    }

    /// Whether a checkpoint would let more go.
    func needsCheckpoint(through sequence: UInt64) -> Bool {
        guard segments.count > 1 else { return false }
        return segments[0].end.sequence <= sequence && segments[0].end.sequence > counted.through
    }

    mutating func prune(_ count: Int) {
        guard count > 0 else { return }
        pruned = segments[count - 1].end
        segments.removeFirst(count)
        writtenAt.removeFirst(count)
    }

    mutating func pruneKeys(through sequence: UInt64) -> Int {
        let old = keys.filter { $0.value.place.sequence <= sequence }.map(\.key)
        for key in old { keys[key] = nil }
        return old.count
    }

    // MARK: Reading

    /// The index of the first segment that has events behind this one.
    func index(behind sequence: UInt64) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].end.sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func isInChain(_ place: ChainPoint) -> Bool {
        if place.sequence == 0 { return place.hash == hash }
        if let pruned, pruned.sequence == place.sequence { return pruned.hash == place.hash }
        let index = index(behind: place.sequence - 1)
        return index < segments.count && segments[index].end == place
    }

    /// As far as this log can say: of a place within what is pruned it cannot.
    func passes(_ place: ChainPoint) -> Bool {
        if let pruned, place.sequence < pruned.sequence, place.sequence > 0 { return true }
        return isInChain(place)
    }

    func byteCount(behind sequence: UInt64) -> Int {
        segments[index(behind: sequence)...].reduce(0) { $0 + $1.segment.bytes.count }
    }

    /// Everything a start needs: the folds at their checkpoint, brought up to the end of the log.
    func origin() -> AdmissionOrigin {
        var dictionary = StreamDictionary()
        for definition in definitions { dictionary.restore(definition) }
        var balances = counted.balances
        var transactions = counted.transactions
        var keys: [IdempotencyKey: KeyRecord] = [:]
        for sealed in segments[index(behind: counted.through)...] {
            for case .event(let event) in sealed.segment.events(name: name) {
                for posting in event.transaction.postings { balances.apply(posting) }
                transactions += 1
                guard let keyed = event.keyed else { continue }
                keys[keyed.key] = KeyRecord(
                    place: EventPlace(stream: tag, sequence: event.sequence),
                    digest: keyed.digest, time: event.time)
            }
        }
        let place = SegmentBuilder.Place(
            stream: tag, firstSequence: head.sequence + 1, previous: head.hash, seen: .nothing,
            dictionary: segments.last?.segment.header.dictionary ?? .empty)
        return AdmissionOrigin(
            place: place, dictionary: dictionary, balances: balances,
            latest: max(latestTime, promisedTime), keys: keys, transactions: transactions)
    }

    private var latestTime: HybridTimestamp {
        segments.last.map { lastTime(of: $0.segment) } ?? HybridTimestamp(rawValue: 0)
    }

    func lastTime(of segment: Segment) -> HybridTimestamp {
        let times = segment.events(name: name).map { read in
            if case .event(let event) = read { event.time } else { segment.header.base }
        }
        return times.max() ?? segment.header.base
    }

    private func name(_ number: UInt32) -> Definition? {
        number < definitions.count ? definitions[Int(number)] : nil
    }
}

extension Balances {
    mutating func apply(_ posting: Posting) {
        apply(
            source: intern(posting.source), destination: intern(posting.destination),
            asset: intern(posting.asset), units: posting.amount.units)
    }
}
