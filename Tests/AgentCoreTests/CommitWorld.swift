import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// A folder as the store keeps it, and the machine in front of it.
final class CommitWorld {
    let limits = AgentLimits()
    private let hasher = PlainSHA256()
    var now = ClockReading(
        wall: Timestamp(microseconds: 1_760_000_000_000_000), steady: SteadyTime(microseconds: 0))
    /// In the order in which they were written.
    private(set) var streams: [StreamRecord] = []
    private(set) var segments: [SealedSegment] = []
    private(set) var commits: [AgentCommit] = []
    private(set) var clock = HybridTimestamp(rawValue: 0)
    private(set) var hub: HubRecord?
    var machine: GroupCommit<Int>
    var effects: [GroupCommit<Int>.Effect] = []

    init() throws {
        let first = try CommitWorld.record(1)
        streams = [first]
        machine = GroupCommit(
            CommitWorld.origin(first, [], HybridTimestamp(rawValue: 0), nil), streams: [first],
            tail: OwnTail(head: 0, byteCountMax: 1 << 20),
            merged: MergedBalances(limits: limits), hub: nil, limits: limits, hasher: hasher)
    }

    static func record(_ number: UInt8) throws -> StreamRecord {
        let genesis = Genesis(
            writer: .agent, ledger: "main", agent: try AgentID("till-1"),
            nonce: [UInt8](repeating: number, count: Genesis.nonceByteCount),
            publicKey: ToySigner(1).publicKey)
        return StreamRecord(genesis: genesis, genesisHash: genesis.hash(PlainSHA256()))
    }

    private static func origin(
        _ stream: StreamRecord, _ segments: [SealedSegment], _ latest: HybridTimestamp,
        _ hub: HubRecord?
    ) -> AdmissionOrigin {
        let own = segments.filter { $0.segment.header.stream == stream.tag }
        var dictionary = StreamDictionary()
        for sealed in own {
            for definition in (try? sealed.segment.definitions()) ?? [] {
                dictionary.restore(definition)
            }
        }
        let head = own.last?.end ?? ChainPoint(sequence: 0, hash: stream.genesisHash)
        let place = SegmentBuilder.Place(
            stream: stream.tag, firstSequence: head.sequence + 1, previous: head.hash,
            seen: hub?.seen ?? .nothing,
            dictionary: own.last?.segment.header.dictionary ?? .empty)
        let last = segments.last.map {
            HybridTimestamp(rawValue: $0.segment.header.base.rawValue + 1_000)
        }
        return AdmissionOrigin(
            place: place, dictionary: dictionary, balances: Balances(),
            latest: max(latest, last ?? latest), keys: [:], transactions: 0)
    }

    // MARK: What happens

    func submit(_ count: Int, waiter: Int) throws {
        if machine.isSpent { load() }
        let posting = Posting(
            source: .world, destination: try AccountAddress("till:1"), asset: try Asset("EUR/2"),
            amount: try Amount(1))
        let transaction = try Transaction(postings: [posting])
        machine.submit(
            [Submission](repeating: Submission(transaction), count: count), isGroup: false,
            waiter: waiter, now: now.wall
        ) { _ in nil }
    }

    func take(_ errand: Errand) {
        effects += machine.take(errand, now: now.steady)
    }

    enum Fate: CaseIterable {
        case written
        case failed
        /// Reported as failed, and found in the log all the same.
        case failedButThere
    }

    @discardableResult
    func commit(_ fate: Fate = .written) -> AgentCommit? {
        guard let commit = machine.seal() else {
            effects += machine.settled()
            return nil
        }
        if fate != .failed { write(commit) }
        if fate == .written {
            effects += machine.persisted(Durable(position: Int64(segments.count)))
        } else {
            effects += machine.failed(.unavailable(detail: "test"), now: now.steady)
        }
        return commit
    }

    private func write(_ commit: AgentCommit) {
        commits.append(commit)
        segments += commit.segments
        if let time = commit.clock { clock = max(clock, time) }
        if let followed = commit.hub { hub = followed }
        for event in commit.hubEvents { hub?.saw(event) }
        for one in commit.acknowledged {
            let index = streams.firstIndex { $0.tag == one.stream }
            if let index { streams[index].acknowledged = one.through.sequence }
        }
        for index in streams.indices {
            let own = segments.last { $0.segment.header.stream == streams[index].tag }
            if let own { streams[index].head = own.end }
        }
    }

    func load() {
        let writing = streams[streams.count - 1]
        effects += machine.load(
            CommitWorld.origin(writing, segments, clock, hub), streams: streams)
    }

    func drawIfDue(_ number: UInt8, _ fate: Fate = .written) throws {
        guard machine.mayDraw(now: now.steady), let ending = machine.ending else { return }
        let record = try CommitWorld.record(number)
        if fate != .failed {
            streams[streams.count - 1].end = ending.end
            streams.append(record)
        }
        if fate == .written {
            effects += machine.drew(record)
        } else {
            machine.couldNotDraw(now: now.steady)
        }
    }

    func settle() {
        effects += machine.settle(now: now)
    }

    // A machine that cannot be copied cannot be looked at within an expectation.
    var stream: StreamTag { machine.stream }
    var ending: (stream: StreamTag, end: StreamEnd)? { machine.ending }
    var isSpent: Bool { machine.isSpent }
    var isWaiting: Bool { machine.isWaiting }
    var mustLoad: Bool { machine.mustLoad }
    var mayDraw: Bool { machine.mayDraw(now: now.steady) }
    func isDue(_ time: SteadyTime) -> Bool { machine.isDue(now: time) }
    var hasNothingToWrite: Bool { machine.seal() == nil }

    // MARK: What was said

    var reports: [CommitReport] {
        effects.compactMap { if case .report(let report) = $0 { report } else { nil } }
    }

    /// By their waiters; nil for those that were told that nothing was recorded.
    var answers: [Int: [Outcome]?] {
        var answers: [Int: [Outcome]?] = [:]
        for case .answer(let waiter, let result) in effects {
            answers[waiter] = .some(try? result.get())
        }
        return answers
    }

    /// The places that are on the disk.
    var places: [EventPlace] {
        segments.flatMap { sealed in
            sealed.segment.header.sequences.map {
                EventPlace(stream: sealed.segment.header.stream, sequence: $0)
            }
        }
    }
}
