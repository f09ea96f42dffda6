import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// A stream's writer and the machine that listens to it.
struct SessionBench {
    let genesis: Genesis
    let start: ChainPoint
    var session: StreamSession
    var now = ClockReading(
        wall: Timestamp(microseconds: 0), steady: SteadyTime(microseconds: 0))
    var random = SplitMix64(seed: 1)
    var limits = AggregatorLimits()
    /// The stream's segments, one or two events each.
    var chain: [SealedSegment] = []
    private var builder: SegmentBuilder
    /// Of the last hello.
    private var greeting = Hash256.zero
    private let hasher = PlainSHA256()

    init(limits: AggregatorLimits = AggregatorLimits()) throws {
        self.limits = limits
        genesis = Genesis(
            writer: .agent, ledger: "l", agent: try AgentID("till-1"),
            nonce: [UInt8](repeating: 1, count: Genesis.nonceByteCount),
            publicKey: ToySigner(1).publicKey)
        start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: start.hash), firstSequence: 1, previous: start.hash,
            seen: .nothing, dictionary: .empty)
        builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        session = StreamSession(
            genesis: genesis, record: StreamSession.Record(announced: start), limits: limits,
            hasher: hasher, verifier: ToyVerifier())
        for number in 1...8 as ClosedRange<Int64> { try append(number) }
    }

    mutating func append(_ number: Int64, eventCount: Int = 1) throws {
        let posting = Posting(
            source: .world, destination: try AccountAddress("till:\(number)"),
            asset: try Asset("EUR/2"), amount: try Amount(number))
        for _ in 0..<eventCount {
            builder.append(
                try Transaction(postings: [posting]), keyed: nil, trace: nil,
                time: HybridTimestamp(rawValue: builder.nextSequence))
        }
        let (segment, hash) = builder.seal(hasher)
        chain.append(SealedSegment(segment: segment, hash: hash))
    }

    /// Another segment behind the first `count`, as a second writer of the same key makes it.
    func branch(behind count: Int, eventCount: Int = 1) throws -> SealedSegment {
        var other = try SessionBench()
        let place = SegmentBuilder.Place(
            stream: session.stream, firstSequence: UInt64(count) + 1, previous: end(count).hash,
            seen: .nothing,
            dictionary: count == 0 ? .empty : chain[count - 1].segment.header.dictionary)
        var dictionary = StreamDictionary()
        for sealed in chain[..<count] {
            for definition in try sealed.segment.definitions() { dictionary.restore(definition) }
        }
        other.builder = SegmentBuilder(place: place, dictionary: dictionary)
        try other.append(77, eventCount: eventCount)
        return other.chain[other.chain.count - 1]
    }

    func end(_ count: Int) -> ChainPoint { count == 0 ? start : chain[count - 1].end }

    // MARK: Events

    mutating func greet(
        lastSession: UInt64 = 0, nonce: UInt8 = 1, oldestRetained: UInt64 = 1
    ) -> [StreamSession.Action] {
        let hello = Hello(
            nonce: [UInt8](repeating: nonce, count: Hello.nonceByteCount), lastSession: lastSession,
            head: end(8), acknowledged: start, seen: .nothing, oldestRetained: oldestRetained,
            softwareVersion: "", genesis: genesis)
        greeting = hello.digest(hasher)
        return session.greeted(
            hello, credit: Credit(bytes: 1, messages: 1), hub: .nothing, hubGenesis: genesis,
            now: now.wall, &random)
    }

    mutating func welcome(
        lastSession: UInt64 = 0, nonce: UInt8 = 1, oldestRetained: UInt64 = 1
    ) throws -> Welcome {
        let actions = greet(
            lastSession: lastSession, nonce: nonce, oldestRetained: oldestRetained)
        guard case .sendWelcome(let welcome)? = actions.first, actions.count == 1 else {
            throw InvalidValue("\(actions) is no welcome")
        }
        return welcome
    }

    mutating func prove(
        _ welcome: Welcome, session number: UInt64? = nil, head: ChainPoint? = nil,
        passesAnnounced: Bool = true, signer: ToySigner = ToySigner(1)
    ) -> [StreamSession.Action] {
        let number = number ?? welcome.session
        let head = head ?? end(8)
        let proof = Proof(
            stream: session.stream, head: head, passesAnnounced: passesAnnounced)
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: greeting, session: number)
        return session.proved(
            proof, session: number, signature: signer.sign(content), hub: hub, now: now.wall)
    }

    /// What is durable of the hub.
    var hub: StreamSession.HubPlace {
        StreamSession.HubPlace(
            tag: StreamTag(genesisHash: genesis.hash(hasher)), events: 10, position: 100)
    }

    /// Greeted, proved and recorded.
    mutating func open(lastSession: UInt64 = 0, head: ChainPoint? = nil) throws {
        let welcome = try welcome(lastSession: lastSession)
        #expect(prove(welcome, head: head) == [.persistRecord])
        #expect(persist() == [.sendAck(session: welcome.session, session.committed)])
    }

    mutating func receive(
        _ segments: [SealedSegment], session number: UInt64 = 1, signer: ToySigner = ToySigner(1)
    ) -> [StreamSession.Action] {
        let message = SegmentsMessage(
            stream: session.stream, sentAt: now.wall, attempt: 1,
            segments: segments.map(\.segment.bytes)
        )
        let content = SegmentsMessage.signedContent(
            session: number, stream: session.stream, sentAt: message.sentAt,
            lastHash: segments[segments.count - 1].hash)
        return session.received(
            message, session: number, signature: signer.sign(content), now: now)
    }

    /// The segments of these numbers, counted from 1.
    mutating func receive(_ numbers: ClosedRange<Int>) -> [StreamSession.Action] {
        receive(Array(chain[numbers.lowerBound - 1..<numbers.upperBound]))
    }

    mutating func persist() -> [StreamSession.Action] { session.persisted(Durable(position: 1)) }

    mutating func tick(after microseconds: Int64) -> [StreamSession.Action] {
        now = now.advanced(byMicroseconds: microseconds)
        return session.tick(now: now)
    }

    func names(_ count: Int) -> DictionaryState {
        count == 0 ? .empty : chain[count - 1].segment.header.dictionary
    }

    func merge(_ numbers: ClosedRange<Int>) -> StreamSession.Action {
        .merge(
            SegmentRun(
                before: names(numbers.lowerBound - 1),
                segments: Array(chain[numbers.lowerBound - 1..<numbers.upperBound])))
    }

    /// A branch that begins behind the first `count` segments, which the store has.
    func mergeBranch(_ segments: [SealedSegment], behind count: Int, repeated: Int)
        -> StreamSession.Action
    {
        .merge(
            SegmentRun(
                before: names(count), segments: segments, beginsBranch: true, repeated: repeated))
    }

    /// Segments that continue an end of the tree.
    func merged(_ segments: [SealedSegment], behind count: Int) -> StreamSession.Action {
        .merge(SegmentRun(before: names(count), segments: segments))
    }

    func lookUp(_ run: [SealedSegment]) -> StreamSession.Action { .lookUp(LookUp(run)) }

    /// The answer of a store that has the first `stored` segments of the chain, and `others`.
    mutating func answer(stored: Int, others: [SealedSegment] = [], to lookUp: LookUp)
        -> [StreamSession.Action]
    {
        let there = chain[..<stored] + others
        let answer = lookUp.answer { place in
            there.first { $0.hash == place.hash }?.segment.header.dictionary
        } end: { point in
            point == start ? .empty : there.first { $0.end == point }?.segment.header.dictionary
        }
        return session.found(answer, now: now)
    }

    func needs(after count: Int, missing: Int) -> StreamSession.Action {
        let gap = Needs.Gap(after: end(count), missing: end(missing).hash)
        return .sendNeeds(session: 1, Needs(stream: session.stream, gaps: [gap]))
    }
}

extension SessionBench {
    /// A segment of another stream.
    static func foreignSegment() throws -> SealedSegment {
        var other = try SessionBench()
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: .zero), firstSequence: 1, previous: .zero,
            seen: .nothing, dictionary: .empty)
        other.builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        try other.append(1)
        return other.chain[other.chain.count - 1]
    }
}
