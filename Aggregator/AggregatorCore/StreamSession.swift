import LedgerCore
import SyncProtocol

/// The aggregator's half of a sync session: what of a stream to merge, what to acknowledge, what to
/// ask for.
///
/// **Overview.** One machine a stream. It answers greetings with what is committed, believes
/// nothing before the proof, lets only the continuation of the chain through to the merge, keeps
/// what came early, and acknowledges with the store's token.
///
/// **Function.** Feed it messages and the store's answers; perform the actions in their order.
/// `merge` actions of many streams may share one transaction; `persisted` follows when it is
/// durable.
///
/// **Implementation.** What is durable of the stream (`Record`) is apart from the session under
/// way, which a restart forgets; a challenge stands beside the open session until it is proved.
/// Hasher and verifier are injected.
///
/// **Invariants.** `committed ≤ merged`; an acknowledgement never exceeds `committed`; a stream
/// that is not open merges nothing; a segment merges only behind the one whose hash it names.
package struct StreamSession {
    package enum Action: Hashable, Sendable {
        case sendWelcome(Welcome)
        /// Apply and write these, then say `persisted`.
        case merge([SealedSegment])
        /// Write the record together with whatever is merged, then say `persisted`.
        case persistRecord
        /// Write the record before long, with whatever else is written; then say `persisted`.
        case persistWatermark
        case sendAck(session: UInt64, ChainPoint)
        case sendNeeds(session: UInt64, Needs)
        case sendNeedsDefinitions(session: UInt64, NeedsDefinitions)
        /// Look up the hash of the stored segment that begins with this event, then say `compared`.
        case compare(firstSequence: UInt64, hash: Hash256)
        /// The stream may not go on: recorded, shown, and told to the agent with its next greeting.
        case stop(Standing)
        /// The agent no longer has these events, and neither have we: to be shown and logged. What
        /// follows them cannot be merged.
        case lack(ClosedRange<UInt64>)
        case drop(Drop)
    }

    /// Why a message had no effect. Counted by name.
    package enum Drop: String, Hashable, Sendable, CaseIterable {
        case notInSession = "not_in_session"
        case badSignature = "bad_signature"
        case foreignStream = "foreign_stream"
        case brokenSegment = "broken_segment"
        case duplicate = "duplicate"
        case tooEarly = "too_early"
        case streamStopped = "stream_stopped"
        case badDictionary = "bad_dictionary"
        /// A watermark that covers what this aggregator has not committed.
        case watermarkAhead = "watermark_ahead"
        case staleWatermark = "stale_watermark"
    }

    /// What is durable of a stream beside its segments.
    package struct Record: Hashable, Sendable {
        package var provedSession: UInt64
        /// The highest head that the stream's key has signed for.
        package var announced: ChainPoint
        package var standing: Standing
        /// The stream has nothing, and will have nothing, up to this time that is not committed
        /// here; 0 for nothing said yet. It never goes back.
        package var watermark: HybridTimestamp

        package init(
            provedSession: UInt64 = 0, announced: ChainPoint, standing: Standing = .open,
            watermark: HybridTimestamp = HybridTimestamp(rawValue: 0)
        ) {
            self.provedSession = provedSession
            self.announced = announced
            self.standing = standing
            self.watermark = watermark
        }
    }

    /// A greeting that was answered and not yet proved. A session that is open goes on meanwhile:
    /// the greeting may be one of yesterday, delivered late.
    private struct Challenge {
        let bytes: [UInt8]
        /// Of the hello, which the proof signs.
        let greeting: Hash256
        let session: UInt64
        let lastSession: UInt64
        let oldestRetained: UInt64
    }

    private struct Open {
        let session: UInt64
        /// The first event that the agent still has.
        let oldestRetained: UInt64
        /// An answer is due with the next commit, although nothing may be new.
        var owesAck = false
        /// Where a gap was found, and when to ask for what is missing.
        var gap: Gap?
    }

    private struct Gap {
        /// The last event before it.
        let after: UInt64
        let foundAt: ClockReading
        let askAt: SteadyTime
    }

    package let genesis: Genesis
    package let stream: StreamTag
    package private(set) var record: Record
    /// The end of what has been handed to the merge.
    package private(set) var merged: ChainPoint
    /// The end of what the store has made durable.
    package private(set) var committed: ChainPoint
    /// The watermark that the store has made durable: what may be told.
    package private(set) var watermark: HybridTimestamp
    package private(set) var dictionary: DictionaryState
    private var challenge: Challenge?
    private var open: Open?
    /// The hashes of what is merged and not yet committed, by first event.
    private var uncommitted: [UInt64: Hash256] = [:]
    private var early: [UInt64: SealedSegment] = [:]
    private var earlyBytes = 0
    private let limits: AggregatorLimits
    private let hasher: any ContentHasher
    private let verifier: any SignatureVerifier

    package init(
        genesis: Genesis, committed: ChainPoint, dictionary: DictionaryState, record: Record,
        limits: AggregatorLimits, hasher: any ContentHasher, verifier: any SignatureVerifier
    ) {
        self.genesis = genesis
        stream = StreamTag(genesisHash: genesis.hash(hasher))
        merged = committed
        self.committed = committed
        self.dictionary = dictionary
        self.record = record
        watermark = record.watermark
        self.limits = limits
        self.hasher = hasher
        self.verifier = verifier
    }

    /// The session that is proved, if any.
    package var provedSession: UInt64? { open?.session }

    /// What is missing here and pruned at the agent, so that nobody can bring it: this ledger was
    /// restored from a backup older than the agent's retention. Nil where nothing is, and where no
    /// session is proved.
    package var lacking: ClosedRange<UInt64>? {
        guard let open, merged.sequence + 1 < open.oldestRetained else { return nil }
        return merged.sequence + 1...open.oldestRetained - 1
    }

    // MARK: The handshake

    /// An agent greets. Nothing is concluded from it: it may be of yesterday. It is answered with
    /// what is known.
    package mutating func greeted(
        _ hello: Hello, credit: Credit, hub: Seen, hubGenesis: Genesis, now: Timestamp,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let proved = max(record.provedSession, hello.lastSession)
        guard proved < UInt64.max else { return [.drop(.notInSession)] }
        let greeting = hello.digest(hasher)
        let challenge = challenge(
            for: greeting,
            (0..<Welcome.challengeByteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
        self.challenge = Challenge(
            bytes: challenge, greeting: greeting, session: proved + 1,
            lastSession: hello.lastSession, oldestRetained: hello.oldestRetained)
        let welcome = Welcome(
            nonce: hello.nonce, challenge: challenge, session: proved + 1,
            standing: record.standing,
            leaves: committed.sequence > 0 ? [committed] : [], announced: record.announced,
            credit: credit, hub: hub,
            hubGenesis: hubGenesis, sentAt: now)
        return [.sendWelcome(welcome)]
    }

    /// A greeting that the broker delivers twice is challenged once: the agent answers the first
    /// welcome.
    private func challenge(for greeting: Hash256, _ fresh: [UInt8]) -> [UInt8] {
        guard let challenge, challenge.greeting == greeting else { return fresh }
        return challenge.bytes
    }

    /// The agent proves that it holds the stream's key now. From here on its words count, and those
    /// of its greeting.
    package mutating func proved(_ proof: Proof, session: UInt64, signature: Signature?) -> [Action]
    {
        guard let challenge, session == challenge.session else { return [.drop(.notInSession)] }
        let content = proof.signedContent(
            challenge: challenge.bytes, greeting: challenge.greeting, session: session)
        guard let signature, verifier.isValid(signature, for: content, by: genesis.publicKey) else {
            return [.drop(.badSignature)]
        }
        guard record.standing == .open else { return [.drop(.streamStopped)] }
        let known = record.announced
        if challenge.lastSession < record.provedSession || proof.head.sequence < known.sequence {
            return stop(.rolledBack)
        }
        if !proof.passesAnnounced { return stop(.forked) }
        if proof.head.sequence == known.sequence, proof.head.hash != known.hash {
            return stop(.forked)
        }
        record.provedSession = session
        record.announced = proof.head
        self.challenge = nil
        open = Open(
            session: session, oldestRetained: challenge.oldestRetained, owesAck: true)
        return [.persistRecord] + (lacking.map { [.lack($0)] } ?? [])
    }

    private mutating func stop(_ standing: Standing) -> [Action] {
        record.standing = standing
        open = nil
        challenge = nil
        early.removeAll()
        earlyBytes = 0
        return [.stop(standing), .persistRecord]
    }

    // MARK: Segments

    /// Segments arrive. Those that continue the chain merge; those that came early wait; the rest
    /// is dropped or looked at.
    package mutating func received(
        _ message: SegmentsMessage, session: UInt64, signature: Signature?, now: ClockReading
    ) -> [Action] {
        guard record.standing == .open else { return [.drop(.streamStopped)] }
        guard open?.session == session else { return [.drop(.notInSession)] }
        let segments: [SealedSegment]
        switch verified(message, session, signature) {
        case .success(let verified): segments = verified
        case .failure(let failure): return [.drop(failure.drop)]
        }
        var actions: [Action] = []
        for segment in segments { take(segment, &actions) }
        keepLastComparison(&actions)
        takeEarly(&actions)
        noteGap(now)
        return joined(actions)
    }

    private struct Refusal: Error {
        let drop: Drop
    }

    /// Every segment whole, of this stream, chained to the one before it, and the last one signed
    /// for.
    private func verified(
        _ message: SegmentsMessage, _ session: UInt64, _ signature: Signature?
    ) -> Result<[SealedSegment], Refusal> {
        var segments: [SealedSegment] = []
        segments.reserveCapacity(message.segments.count)
        for bytes in message.segments {
            guard let segment = try? Segment(decoding: bytes) else {
                return .failure(Refusal(drop: .brokenSegment))
            }
            guard segment.header.stream == stream else {
                return .failure(Refusal(drop: .foreignStream))
            }
            if let before = segments.last, !before.end.precedes(segment) {
                return .failure(Refusal(drop: .brokenSegment))
            }
            segments.append(SealedSegment(segment: segment, hash: segment.hash(hasher)))
        }
        guard let last = segments.last, let signature else {
            return .failure(Refusal(drop: .badSignature))
        }
        let content = SegmentsMessage.signedContent(
            session: session, stream: stream, lastHash: last.hash)
        guard verifier.isValid(signature, for: content, by: genesis.publicKey) else {
            return .failure(Refusal(drop: .badSignature))
        }
        return .success(segments)
    }

    private mutating func take(_ sealed: SealedSegment, _ actions: inout [Action]) {
        guard record.standing == .open else { return }
        let header = sealed.segment.header
        if let hash = uncommitted[header.firstSequence] {
            actions += hash == sealed.hash ? [.drop(.duplicate)] : stop(.forked)
        } else if header.firstSequence <= merged.sequence {
            actions.append(.compare(firstSequence: header.firstSequence, hash: sealed.hash))
        } else if header.firstSequence > merged.sequence + 1 {
            keep(sealed, &actions)
        } else if header.previous != merged.hash {
            // Signed by the stream's key, next in number, behind another segment than ours: two
            // writers.
            actions += stop(.forked)
        } else {
            merge(sealed, &actions)
        }
    }

    private mutating func merge(_ sealed: SealedSegment, _ actions: inout [Action]) {
        let header = sealed.segment.header
        guard passesAnnounced(sealed) else {
            actions += stop(.forked)
            return
        }
        guard header.definitionCountBefore == dictionary.count else {
            let needs = NeedsDefinitions(
                stream: stream, segment: sealed.hash, first: dictionary.count,
                through: header.definitionCountBefore)
            if let open, needs.first < needs.through {
                return actions.append(.sendNeedsDefinitions(session: open.session, needs))
            }
            return actions.append(.drop(.badDictionary))
        }
        let advanced = dictionary.advanced(
            by: Int(header.definitionCount), encoded: sealed.segment.definitionBytes, hasher)
        guard advanced == header.dictionary, advanced.count <= limits.definitionsPerStreamMax else {
            return actions.append(.drop(.badDictionary))
        }
        dictionary = advanced
        merged = sealed.end
        if merged.sequence > record.announced.sequence { record.announced = merged }
        uncommitted[header.firstSequence] = sealed.hash
        open?.owesAck = true
        actions.append(.merge([sealed]))
    }

    /// Whether the chain, with this segment, still passes through the head that the stream has
    /// announced. Segments are never cut anew, so one that spans the announced place without ending
    /// there is of another chain.
    private func passesAnnounced(_ sealed: SealedSegment) -> Bool {
        let header = sealed.segment.header
        guard header.sequences.contains(record.announced.sequence) else { return true }
        return sealed.end == record.announced
    }

    private mutating func keep(_ sealed: SealedSegment, _ actions: inout [Action]) {
        let first = sealed.segment.header.firstSequence
        if let waiting = early[first] {
            // Signed by the stream's key, beginning with the same event and not the same: two
            // writers.
            actions += waiting.hash == sealed.hash ? [.drop(.duplicate)] : stop(.forked)
            return
        }
        let size = sealed.segment.bytes.count
        guard early.count < limits.earlySegmentsMax, earlyBytes + size <= limits.earlyBytesMax
        else {
            return actions.append(.drop(.tooEarly))
        }
        early[first] = sealed
        earlyBytes += size
    }

    private mutating func takeEarly(_ actions: inout [Action]) {
        while let next = removeEarly(merged.sequence + 1) {
            let before = merged
            take(next, &actions)
            if merged == before { break }
        }
        // What came in the meantime behind its predecessors, and is not waited for any more.
        for first in early.keys.sorted() where first <= merged.sequence {
            if let passed = removeEarly(first) { take(passed, &actions) }
        }
    }

    private mutating func removeEarly(_ first: UInt64) -> SealedSegment? {
        guard let found = early.removeValue(forKey: first) else { return nil }
        earlyBytes -= found.segment.bytes.count
        return found
    }

    /// A gap is asked for when it outlives the broker's reordering; another one, further on, has
    /// its own time.
    private mutating func noteGap(_ now: ClockReading) {
        if early.isEmpty {
            open?.gap = nil
        } else if open?.gap?.after != merged.sequence {
            let askAt = now.steady.advanced(byMicroseconds: limits.reorderWindow)
            open?.gap = Gap(after: merged.sequence, foundAt: now, askAt: askAt)
        }
    }

    /// Of the segments of one message only the last that is stored is compared: the chain makes
    /// that a comparison of all before it, and one acknowledgement answers them all.
    private func keepLastComparison(_ actions: inout [Action]) {
        guard let last = actions.lastIndex(where: \.isComparison) else { return }
        let comparison = actions[last]
        actions.removeAll(where: \.isComparison)
        actions.append(comparison)
    }

    /// One `merge` for the run of segments that a message brought.
    private func joined(_ actions: [Action]) -> [Action] {
        var run: [SealedSegment] = []
        var rest: [Action] = []
        for action in actions {
            if case .merge(let segments) = action { run += segments } else { rest.append(action) }
        }
        return run.isEmpty ? rest : [.merge(run)] + rest
    }

    /// The store's word on a segment that begins where we already are.
    ///
    /// - Parameter stored: the hash of the segment that begins with the event; nil where none does.
    package mutating func compared(hash: Hash256, stored: Hash256?) -> [Action] {
        guard record.standing == .open else { return [] }
        if hash == stored {
            // The agent did not know that we have it: say so again.
            return [.drop(.duplicate)]
                + (open.map { [.sendAck(session: $0.session, committed)] } ?? [])
        }
        return stop(.forked)
    }

    // MARK: Watermarks

    /// The agent says up to when all is acknowledged. It counts in its own session only: another
    /// aggregator, or this one before it was restored, may have been meant.
    package mutating func watermarked(_ said: Watermark, _ frame: Frame) -> [Action] {
        guard record.standing == .open else { return [.drop(.streamStopped)] }
        guard let open, open.session == frame.session else { return [.drop(.notInSession)] }
        let content = frame.signedContent(hasher)
        guard let signature = frame.signature,
            verifier.isValid(signature, for: content, by: genesis.publicKey)
        else { return [.drop(.badSignature)] }
        guard said.acknowledged.sequence <= committed.sequence else {
            return [.drop(.watermarkAhead)]
        }
        guard said.through > record.watermark else { return [.drop(.staleWatermark)] }
        record.watermark = said.through
        return [.persistWatermark]
    }

    // MARK: The store and the clock

    /// Everything merged so far, and the record, is durable.
    package mutating func persisted(_: Durable) -> [Action] {
        committed = merged
        watermark = record.watermark
        uncommitted.removeAll(keepingCapacity: true)
        guard let open, open.owesAck else { return [] }
        self.open?.owesAck = false
        return [.sendAck(session: open.session, committed)]
    }

    /// Time has passed. A gap that outlived the broker's reordering is asked for.
    package mutating func tick(now: SteadyTime) -> [Action] {
        // What the agent has pruned is not asked for: it would be for ever.
        guard let open, lacking == nil, let gap = open.gap, now >= gap.askAt else { return [] }
        let askAt = now.advanced(byMicroseconds: limits.needsRepeat)
        self.open?.gap = Gap(after: gap.after, foundAt: gap.foundAt, askAt: askAt)
        let next = early.min { $0.key < $1.key }?.value
        let needed = Needs.Gap(after: merged, missing: next?.segment.header.previous)
        return [.sendNeeds(session: open.session, Needs(stream: stream, gaps: [needed]))]
    }
}

extension StreamSession {
    /// What lies between here and what came early, as far as it has been asked for: the ranges, and
    /// which segment shows that each exists.
    package func missing(now: SteadyTime) -> [MissingRange] {
        guard let gap = open?.gap,
            now.microseconds(since: gap.foundAt.steady) >= limits.reorderWindow
        else { return [] }
        var ranges: [MissingRange] = []
        var next = merged.sequence + 1
        for first in early.keys.sorted() {
            guard let header = early[first]?.segment.header else { continue }
            if first > next {
                ranges.append(
                    MissingRange(
                        first: next, last: first - 1, since: gap.foundAt.wall,
                        evidence: .successor(first: first, names: header.previous)))
            }
            next = max(next, header.lastSequence + 1)
        }
        return ranges
    }

    /// The last event that is here, merged or early.
    package var highestReceived: UInt64 {
        early.values.reduce(merged.sequence) { max($0, $1.segment.header.lastSequence) }
    }
}

extension ChainPoint {
    /// Whether the segment is the next one behind this place.
    fileprivate func precedes(_ segment: Segment) -> Bool {
        segment.header.firstSequence == sequence + 1 && segment.header.previous == hash
    }
}

extension StreamSession.Action {
    fileprivate var isComparison: Bool {
        if case .compare = self { true } else { false }
    }
}
