import LedgerCore
import SyncProtocol

/// The agent's ledger: takes what clients ask, puts it into segments, and answers when the segments
/// are durable.
///
/// **Overview.** Everything that waits is admitted into the open segment; `seal` hands over what
/// the store must write; only the store's token releases the answers. So an answer can never come
/// before its event is durable.
///
/// **Function.** `submit` any number of requests, `seal`, write what it returns in one transaction,
/// then `persisted`. If the write fails, throw the machine away and load another from the store:
/// what it holds was never true.
///
/// **Implementation.** The balances and keys run ahead of the store by the batch under way; whoever
/// reads them for a client does so between `persisted` and the next `submit`. They are of the whole
/// data folder, so they stay when it goes on in another stream (`draw`); chain and dictionary are of
/// the stream, and begin anew.
///
/// **Invariants.** Sequence numbers have no gap within a stream; times do not go back, from one
/// stream to the next neither; a key has one event.
package struct Admission<Waiter: Sendable>: ~Copyable {
    private struct Answer {
        let waiter: Waiter
        let outcomes: [Outcome]
    }

    /// The events of all the folder's streams, summed.
    package private(set) var balances: Balances
    /// Recorded by this agent, ever.
    package private(set) var transactions: Int64
    /// The stream that new events go to, and the end of its durable chain.
    package private(set) var stream: StreamTag
    package private(set) var head: ChainPoint
    private var builder: SegmentBuilder
    private var clock: HybridClock
    /// Keys that no checkpoint has written yet.
    package private(set) var keys: [IdempotencyKey: KeyRecord]
    private var sealed: [SealedSegment] = []
    private var answers: [Answer] = []
    private let hasher: any ContentHasher

    package init(_ origin: AdmissionOrigin, hasher: any ContentHasher) {
        balances = origin.balances
        stream = origin.place.stream
        head = ChainPoint(sequence: origin.place.firstSequence - 1, hash: origin.place.previous)
        builder = SegmentBuilder(place: origin.place, dictionary: origin.dictionary)
        clock = HybridClock(latest: origin.latest)
        keys = origin.keys
        transactions = origin.transactions
        self.hasher = hasher
    }

    /// The stream's names; those of events that are not yet durable may be among them.
    package var dictionary: StreamDictionary { builder.dictionary }

    /// The event that the next accepted submission becomes.
    package var nextSequence: UInt64 { builder.nextSequence }

    /// Whether anybody waits for an answer.
    package var hasWaiters: Bool { !answers.isEmpty }

    /// Segments that are full and wait for `seal` together with the open one.
    package var sealedCount: Int { sealed.count }

    /// Takes a batch; its waiter is answered by `persisted`, in order, all of it at once.
    ///
    /// - Parameter stored: what the store knows of a key; asked only for keys that this machine
    /// does not hold itself.
    package mutating func submit<Failure>(
        _ submissions: [Submission], waiter: Waiter, now: Timestamp,
        stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) {
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(submissions.count)
        for submission in submissions {
            outcomes.append(try admit(submission, now, stored))
        }
        answers.append(Answer(waiter: waiter, outcomes: outcomes))
    }

    /// Takes a group: all of it becomes events of one segment, or none does.
    ///
    /// Its waiter gets one outcome a transaction where it is accepted, else a single one for all. A
    /// replay's number is that of the group's first event.
    ///
    /// - Precondition: 1 to `SegmentHeader.groupEventsMax` submissions, of which only the first may
    ///   have a key: the group's.
    package mutating func submit<Failure>(
        group: [Submission], waiter: Waiter, now: Timestamp,
        stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) {
        precondition(
            group.dropFirst().allSatisfy { $0.keyed == nil }, "a group has one key, on its first")
        answers.append(Answer(waiter: waiter, outcomes: try admit(group, now, stored)))
    }

    private mutating func admit<Failure>(
        _ group: [Submission], _ now: Timestamp,
        _ stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) -> [Outcome] {
        if let known = try outcome(ofKnown: group[0].keyed, stored) { return [known] }
        let members = group.map {
            SegmentBuilder.GroupMember(
                $0.transaction, keyed: $0.keyed, trace: $0.trace, time: clock.tick(now: now))
        }
        var fit = builder.append(group: members)
        if fit == .needsEmptySegment {
            sealOpenSegment()
            fit = builder.append(group: members)
        }
        guard fit == .appended else { return [.groupTooLarge] }
        let first = builder.nextSequence - UInt64(group.count)
        if let keyed = group[0].keyed { remember(keyed, first, members[0].time) }
        transactions += Int64(group.count)
        return members.enumerated().map { index, member in
            for posting in member.transaction.postings { apply(posting) }
            return .accepted(place(first + UInt64(index)), time: member.time)
        }
    }

    /// What a request gets whose key came before; nil for a new one.
    private func outcome<Failure>(
        ofKnown keyed: KeyedRequest?, _ stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) -> Outcome? {
        guard let keyed else { return nil }
        let here = keys[keyed.key]
        guard let known = here == nil ? try stored(keyed.key) : here else { return nil }
        return known.digest == keyed.digest ? .replayed(known.place) : .mismatched(known.place)
    }

    private mutating func admit<Failure>(
        _ submission: Submission, _ now: Timestamp,
        _ stored: (IdempotencyKey) throws(Failure) -> KeyRecord?
    ) throws(Failure) -> Outcome {
        if let known = try outcome(ofKnown: submission.keyed, stored) { return known }
        if !builder.hasRoom(submission.transaction, submission.keyed, submission.trace) {
            sealOpenSegment()
        }
        let sequence = builder.nextSequence
        let time = clock.tick(now: now)
        builder.append(
            submission.transaction, keyed: submission.keyed, trace: submission.trace, time: time)
        for posting in submission.transaction.postings { apply(posting) }
        transactions += 1
        if let keyed = submission.keyed { remember(keyed, sequence, time) }
        return .accepted(place(sequence), time: time)
    }

    private mutating func apply(_ posting: Posting) {
        balances.apply(
            source: balances.intern(posting.source),
            destination: balances.intern(posting.destination),
            asset: balances.intern(posting.asset), units: posting.amount.units)
    }

    private mutating func remember(
        _ keyed: KeyedRequest, _ sequence: UInt64, _ time: HybridTimestamp
    ) {
        keys[keyed.key] = KeyRecord(place: place(sequence), digest: keyed.digest, time: time)
    }

    private func place(_ sequence: UInt64) -> EventPlace {
        EventPlace(stream: stream, sequence: sequence)
    }

    private mutating func sealOpenSegment() {
        let (segment, hash) = builder.seal(hasher)
        sealed.append(SealedSegment(segment: segment, hash: hash))
    }

    /// Ends the open segment and hands over everything that is not yet durable.
    ///
    /// - Returns: what one transaction of the store must write; empty where only repeated requests
    /// wait, for which `settled` suffices.
    package mutating func seal() -> [SealedSegment] {
        if !builder.isEmpty { sealOpenSegment() }
        defer { sealed.removeAll(keepingCapacity: true) }
        return sealed
    }

    /// The store has made everything sealed durable: the answers may go out.
    package mutating func persisted(_ segments: [SealedSegment], _: Durable) -> [(
        Waiter, [Outcome]
    )] {
        if let last = segments.last { head = last.end }
        return settled()
    }

    /// Nothing new was to be written: what waits repeats what has long been durable.
    ///
    /// - Precondition: nothing admitted is still unwritten.
    package mutating func settled() -> [(Waiter, [Outcome])] {
        precondition(builder.isEmpty && sealed.isEmpty, "an answer before its event is durable")
        precondition(
            head.sequence + 1 == builder.nextSequence, "an answer before its event is durable")
        defer { answers.removeAll(keepingCapacity: true) }
        return answers.map { ($0.waiter, $0.outcomes) }
    }

    /// The write failed: these were promised nothing. The machine is spent, and is to be made anew
    /// from the store.
    package mutating func abandon() -> [Waiter] {
        defer { answers.removeAll() }
        return answers.map(\.waiter)
    }

    /// What a checkpoint writes, together with what was sealed last: the folds' pages that changed
    /// since the one before, and the keys since then, which are the store's from now on.
    package mutating func takeCheckpoint() -> (
        changedPages: [Int], keys: [IdempotencyKey: KeyRecord]
    ) {
        defer { keys.removeAll(keepingCapacity: true) }
        return (balances.takeChangedPages(), keys)
    }

    /// Promises that whatever is recorded from now on has a later time than the one returned. What
    /// is promised must be durable before it is said, or a clock that was set back could break it
    /// after a new start.
    ///
    /// - Returns: nil where something is recorded behind `acknowledged`, or waits to be.
    package mutating func promiseTime(
        acknowledged: UInt64, now: Timestamp
    ) -> HybridTimestamp? {
        guard builder.isEmpty, sealed.isEmpty, head.sequence == acknowledged else { return nil }
        return clock.tick(now: now)
    }

    /// The clock of the hub stood there: whatever is recorded from now on is later.
    package mutating func observe(_ time: HybridTimestamp) {
        clock.observe(time)
    }

    package mutating func saw(_ seen: Seen) {
        builder.saw(seen)
    }

    /// The folder goes on in another stream, which is durable: what is admitted from now on is
    /// recorded there.
    ///
    /// - Parameter place: where the new stream begins.
    /// - Precondition: nothing admitted is still unwritten. Write it first: it stays in the stream
    ///   that it was admitted to.
    package mutating func draw(_ place: SegmentBuilder.Place) {
        precondition(builder.isEmpty && sealed.isEmpty, "events between two streams")
        precondition(
            head.sequence + 1 == builder.nextSequence, "events that are sealed and not durable")
        precondition(place.firstSequence == 1, "a stream begins with event 1")
        stream = place.stream
        head = ChainPoint(sequence: 0, hash: place.previous)
        builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
    }
}
