import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// A stream's writer and the machine that listens to it.
private struct Bench {
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
        var other = try Bench()
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
            session: number, stream: session.stream, lastHash: segments[segments.count - 1].hash)
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

@Suite struct StreamSessionTests {
    // MARK: The handshake

    @Test func `a greeting is answered with what is committed, and nothing is concluded from it`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        let before = bench.session.record
        let welcome = try bench.welcome(lastSession: 1)
        #expect(welcome.leaves == [] && welcome.session == 2, "merged, and not committed")
        _ = bench.persist()
        #expect(try bench.welcome(lastSession: 1).leaves == [bench.end(3)])
        #expect(bench.session.record == before && bench.session.provedSession == 1)
        #expect(try bench.welcome(lastSession: 9).session == 10)
        #expect(bench.greet(lastSession: .max) == [.drop(.notInSession)])
    }

    @Test func `nothing is merged before the proof`() throws {
        var bench = try Bench()
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        _ = try bench.welcome()
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        #expect(bench.session.provedSession == nil && bench.persist() == [])
    }

    @Test
    func `a proof by another key, over another challenge or for another session opens nothing`()
        throws
    {
        var bench = try Bench()
        let old = try bench.welcome(nonce: 1)
        let welcome = try bench.welcome(nonce: 2)
        #expect(bench.prove(welcome, signer: ToySigner(2)) == [.drop(.badSignature)])
        #expect(bench.prove(old) == [.drop(.badSignature)])
        #expect(bench.prove(welcome, session: 2) == [.drop(.notInSession)])
        let unsigned = bench.session.proved(
            Proof(stream: bench.session.stream, head: bench.end(8)), session: 1, signature: nil,
            hub: bench.hub,
            now: bench.now.wall)
        #expect(unsigned == [.drop(.badSignature)])
        #expect(bench.prove(welcome) == [.persistRecord])
        #expect(bench.prove(welcome) == [.drop(.notInSession)], "a second copy")
    }

    @Test func `a greeting that comes twice is challenged once`() throws {
        var bench = try Bench()
        let first = try bench.welcome()
        let second = try bench.welcome()
        #expect(first == second)
        #expect(bench.prove(first) == [.persistRecord])
        #expect(try bench.welcome().challenge != first.challenge, "it is proved")
    }

    @Test func `a greeting of yesterday does not disturb the open session`() throws {
        var bench = try Bench()
        try bench.open()
        _ = try bench.welcome(lastSession: 0, nonce: 9)
        #expect(bench.receive(1...1) == [bench.merge(1...1)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(1))])
    }

    @Test func `a new session ends the one before`() throws {
        var bench = try Bench()
        try bench.open()
        try bench.open(lastSession: 1)
        #expect(bench.receive(1...1) == [.drop(.notInSession)])
        #expect(bench.receive([bench.chain[0]], session: 2) == [bench.merge(1...1)])
    }

    // MARK: Segments

    @Test func `what continues the chain merges, and is acknowledged once it is committed, once`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        #expect(bench.receive(1...2) == [bench.merge(1...2)])
        #expect(bench.receive(3...3) == [bench.merge(3...3)])
        #expect(bench.session.merged == bench.end(3) && bench.session.committed == bench.start)
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(3))])
        #expect(bench.persist() == [] && bench.session.committed == bench.end(3))
    }

    @Test
    func `a message that is broken, of another stream or signed by another key is dropped whole`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        #expect(bench.receive([bench.chain[0]], signer: ToySigner(2)) == [.drop(.badSignature)])
        #expect(bench.receive([bench.chain[0]], session: 2) == [.drop(.notInSession)])
        #expect(bench.receive([bench.chain[0], bench.chain[2]]) == [.drop(.brokenSegment)])
        #expect(bench.receive([try Bench.foreignSegment()]) == [.drop(.foreignStream)])
        var bytes = bench.chain[0].segment.bytes
        bytes[bytes.count - 1] ^= 1
        let message = SegmentsMessage(
            stream: bench.session.stream, sentAt: bench.now.wall, attempt: 1, segments: [bytes])
        let broken = bench.session.received(message, session: 1, signature: nil, now: bench.now)
        #expect(broken == [.drop(.brokenSegment)])
        #expect(bench.receive(1...1) == [bench.merge(1...1)])
    }

    @Test func `what came early waits, and merges behind what it waited for`() throws {
        var bench = try Bench()
        try bench.open()
        #expect(bench.receive(3...3) == [] && bench.receive(5...5) == [])
        #expect(bench.receive(3...3) == [.drop(.duplicate)])
        #expect(bench.receive(1...2) == [bench.merge(1...3)])
        #expect(bench.receive(4...4) == [bench.merge(4...5)])
        #expect(bench.tick(after: 10_000_000) == [])
    }

    @Test func `no more waits than may`() throws {
        var limits = AggregatorLimits()
        limits.earlySegmentsMax = 2
        var bench = try Bench(limits: limits)
        try bench.open()
        #expect(bench.receive(2...3) == [] && bench.receive(5...5) == [.drop(.tooEarly)])
        #expect(bench.receive(1...1) == [bench.merge(1...3)])
        #expect(bench.receive(5...6) == [] && bench.receive(4...4) == [bench.merge(4...6)])
        limits.earlySegmentsMax = 256
        limits.earlyBytesMax = bench.chain[1].segment.bytes.count
        bench = try Bench(limits: limits)
        try bench.open()
        #expect(bench.receive(2...2) == [] && bench.receive(3...3) == [.drop(.tooEarly)])
    }

    @Test
    func
        `a gap is asked for when it outlives the reordering, and once more later`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...1)
        _ = bench.receive(3...3)
        #expect(bench.tick(after: bench.limits.reorderWindow - 1) == [])
        #expect(bench.tick(after: 1) == [bench.needs(after: 1, missing: 2)])
        #expect(bench.tick(after: bench.limits.needsRepeat - 1) == [])
        #expect(bench.tick(after: 1) == [bench.needs(after: 1, missing: 2)])
        _ = bench.receive(2...2)
        #expect(bench.tick(after: 60_000_000) == [])
    }

    @Test func `every gap has the time that reordering takes`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(2...2)
        _ = bench.tick(after: bench.limits.reorderWindow - 1)
        _ = bench.receive(4...4)
        _ = bench.receive(1...1)
        #expect(bench.tick(after: 1) == [], "that one is filled, the next just found")
        #expect(
            bench.tick(after: bench.limits.reorderWindow) == [bench.needs(after: 2, missing: 3)])
    }

    @Test func `what waited and came again with its predecessors is waited for no longer`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(2...3)
        #expect(bench.receive(1...4) == [bench.merge(1...4)])
        #expect(bench.tick(after: 60_000_000) == [])
    }

    // MARK: Duplicates

    @Test func `a duplicate within one commit merges once and is covered by its acknowledgement`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        #expect(bench.receive(2...3) == [.drop(.duplicate)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(3))])
    }

    @Test
    func `a duplicate of what is committed is acknowledged again, at once where it is the end`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        #expect(
            bench.receive(1...3) == [.drop(.duplicate), .sendAck(session: 1, bench.end(3))])
        #expect(bench.receive(1...4) == [.drop(.duplicate), bench.merge(4...4)])
        #expect(bench.persist() == [.sendAck(session: 1, bench.end(4))])
    }

    @Test func `what lies inside the tree is looked up, when nothing is pending`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        #expect(bench.receive(1...2) == [])
        let run = Array(bench.chain[..<2])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(3)), bench.lookUp(run)])
        #expect(
            bench.answer(stored: 3, to: LookUp(run)) == [
                .drop(.duplicate), .sendAck(session: 1, bench.end(3)),
            ])
        #expect(bench.session.record.standing == .open)
    }

    @Test func `what could not be looked up is dropped, and looked up when it comes again`() throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        let run = [bench.chain[0]]
        #expect(bench.receive(1...1) == [bench.lookUp(run)])
        #expect(bench.receive(2...2) == [], "one at a time")
        #expect(
            bench.session.found(nil, now: bench.now)
                == [.drop(.notLookedUp), bench.lookUp([bench.chain[1]])])
        _ = bench.answer(stored: 3, to: LookUp([bench.chain[1]]))
        #expect(bench.receive(1...1) == [bench.lookUp(run)])
    }

    // MARK: Two writers

    @Test func `a segment behind one that has another child is a fork, and both branches go on`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive([foreign]) == [bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), bench.mergeBranch([foreign], behind: 1, repeated: 1),
            ])
        #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
        #expect(Set(bench.session.leaves) == [bench.end(2), foreign.end])
        // The other copy of the folder goes on, in a session of its own.
        let welcome = try bench.welcome(lastSession: 1)
        #expect(welcome.standing == .forked && welcome.session == 2)
        #expect(Set(welcome.leaves) == [bench.end(2), foreign.end])
        #expect(bench.prove(welcome) == [.persistRecord])
        #expect(bench.persist() == [], "it has not been seen which branch is this copy's")
        let next = bench.receive([bench.chain[2]], session: 2)
        #expect(next == [bench.merge(3...3)])
        #expect(bench.persist() == [.sendAck(session: 2, bench.end(3))])
        #expect(Set(bench.session.leaves) == [bench.end(3), foreign.end])
    }

    @Test func `the ends of the branches have one order, in whichever they grew`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        _ = bench.receive([foreign])
        _ = bench.answer(stored: 2, to: LookUp([foreign]))
        _ = bench.persist()
        let level = [bench.end(2), foreign.end].sorted {
            $0.hash.bytes.lexicographicallyPrecedes($1.hash.bytes)
        }
        #expect(bench.session.leaves == level)
        _ = bench.receive(3...3)
        _ = bench.persist()
        #expect(bench.session.leaves == [foreign.end, bench.end(3)], "the furthest last")
        // As a start reads them, in any order.
        for ends in [bench.session.ends, bench.session.ends.reversed()] {
            let started = StreamSession(
                genesis: bench.genesis, ends: ends, record: bench.session.record,
                limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
            #expect(started.leaves == bench.session.leaves)
        }
    }

    @Test func `of a message that forks inside, the part that is stored is not merged again`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...4)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 2)
        let run = Array(bench.chain[..<2]) + [foreign]
        #expect(bench.receive(run) == [bench.lookUp(run)])
        #expect(
            bench.answer(stored: 4, to: LookUp(run)) == [
                .close(.forked), .drop(.duplicate),
                bench.mergeBranch([foreign], behind: 2, repeated: 1),
            ])
    }

    @Test func `a different segment within one commit is a fork when the commit is done`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...2)
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive([foreign]) == [])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(2)), bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), bench.mergeBranch([foreign], behind: 1, repeated: 1),
            ])
    }

    @Test func `two that wait for one parent are a fork, and both merge when it comes`() throws {
        var bench = try Bench()
        try bench.open()
        let foreign = try bench.branch(behind: 1)
        #expect(bench.receive(2...2) == [])
        #expect(bench.receive([foreign]) == [.close(.forked)])
        #expect(bench.receive(1...1) == [bench.merge(1...2)])
        #expect(
            bench.persist() == [.sendAck(session: 1, bench.end(2)), bench.lookUp([foreign])])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                bench.mergeBranch([foreign], behind: 1, repeated: 1)
            ])
        #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
    }

    @Test func `a segment whose parent is another chain's is a fork, and waits for its parent`()
        throws
    {
        var bench = try Bench()
        try bench.open(head: bench.end(0))
        let foreign = try bench.branch(behind: 0)
        #expect(bench.receive([foreign]) == [bench.merged([foreign], behind: 0)])
        #expect(bench.receive(2...2) == [.close(.forked)])
        _ = bench.persist()
        #expect(bench.receive(1...1) == [bench.lookUp([bench.chain[0]])])
        #expect(
            bench.answer(stored: 0, others: [foreign], to: LookUp([bench.chain[0]])) == [
                bench.mergeBranch(Array(bench.chain[..<2]), behind: 0, repeated: 1)
            ])
    }

    @Test func `a segment that begins inside one of ours is a fork, and waits for its parent`()
        throws
    {
        var bench = try Bench()
        try bench.open(head: bench.end(0))
        let long = try bench.branch(behind: 0, eventCount: 3)
        _ = bench.receive([long])
        _ = bench.persist()
        let run = [bench.chain[1]]
        #expect(bench.receive(2...2) == [bench.lookUp(run)])
        #expect(bench.answer(stored: 0, others: [long], to: LookUp(run)) == [.close(.forked)])
        #expect(bench.receive(1...1) == [bench.lookUp([bench.chain[0]])])
        #expect(
            bench.answer(stored: 0, others: [long], to: LookUp([bench.chain[0]])) == [
                bench.mergeBranch(Array(bench.chain[..<2]), behind: 0, repeated: 2)
            ])
    }

    @Test func `a chain that misses the head that was announced is a fork, and merges`() throws {
        for eventCount in 1...2 {
            var bench = try Bench()
            try bench.open(head: bench.end(1))
            let foreign = try bench.branch(behind: 0, eventCount: eventCount)
            #expect(
                bench.receive([foreign]) == [
                    .close(.forked), bench.merged([foreign], behind: 0),
                ])
            #expect(bench.persist() == [.sendAck(session: 1, foreign.end)])
        }
    }

    @Test func `a proof of another head at the announced place is a fork`() throws {
        var bench = try Bench()
        try bench.open()
        let other = ChainPoint(sequence: 8, hash: .zero)
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: other)
        #expect(closed == [.close(.forked), .persistRecord])
    }

    @Test func `branches that number their names differently go on from their own`() throws {
        var bench = try Bench()
        try bench.open(head: bench.end(0))
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 2)
        #expect(bench.receive(3...3) == [bench.merge(3...3)])
        _ = bench.persist()
        _ = bench.receive([foreign])
        _ = bench.answer(stored: 3, to: LookUp([foreign]))
        #expect(bench.receive(4...4) == [bench.merge(4...4)])
        #expect(foreign.segment.header.dictionary != bench.names(3))
    }

    @Test func `a stream has no more branches than may be kept`() throws {
        var limits = AggregatorLimits()
        limits.branchesPerStreamMax = 1
        var bench = try Bench(limits: limits)
        try bench.open()
        _ = bench.receive(1...2)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 1)
        _ = bench.receive([foreign])
        #expect(
            bench.answer(stored: 2, to: LookUp([foreign])) == [
                .close(.forked), .drop(.tooManyBranches),
            ])
    }

    @Test func `a closed stream names its furthest ends, and those of the greeting first`() throws {
        var ends: [BranchEnd] = []
        var bench = try Bench()
        for number in 1...40 as ClosedRange<UInt64> {
            let hash = PlainSHA256().sha256([], [UInt8(number)])
            ends.append(
                BranchEnd(point: ChainPoint(sequence: number, hash: hash), dictionary: .empty))
        }
        ends.append(BranchEnd(point: bench.end(8), dictionary: bench.names(8)))
        bench.session = StreamSession(
            genesis: bench.genesis, ends: ends,
            record: StreamSession.Record(announced: ends[39].point, standing: .forked),
            limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
        let leaves = try bench.welcome().leaves
        #expect(leaves.count == Welcome.leavesMax && leaves[0] == bench.end(8))
        #expect(leaves.dropFirst().map(\.sequence) == (26...40).reversed())
    }

    // MARK: Copies

    @Test func `a session's number below one already proved is a copy's, which goes on closed`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        try bench.open(lastSession: 1)
        let closed = bench.prove(try bench.welcome(lastSession: 1))
        #expect(closed == [.close(.rolledBack), .persistRecord])
        #expect(bench.session.provedSession == 3 && bench.session.record.provedSession == 3)
        #expect(bench.receive([bench.chain[0]], session: 3) == [bench.merge(1...1)])
        #expect(bench.persist() == [.sendAck(session: 3, bench.end(1))])
        #expect(try bench.welcome(lastSession: 2).session == 4, "numbers go on rising")
    }

    @Test func `an agent that proves its chain lacks the announced head is a copy's, and drains`()
        throws
    {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...3)
        _ = bench.persist()
        let foreign = try bench.branch(behind: 3)
        let closed = bench.prove(
            try bench.welcome(lastSession: 1), head: foreign.end, passesAnnounced: false)
        #expect(closed == [.close(.rolledBack), .persistRecord])
        #expect(bench.persist() == [])
        #expect(bench.receive([foreign], session: 2) == [bench.merged([foreign], behind: 3)])
        #expect(bench.persist() == [.sendAck(session: 2, foreign.end)])
    }

    @Test func `a copy that has nothing of its own is told how far its own chain is here`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...5)
        _ = bench.persist()
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: bench.end(3))
        #expect(closed == [.close(.rolledBack), .persistRecord, .lookUp(LookUp(bench.end(3)))])
        #expect(bench.persist() == [], "asked, and not yet answered")
        #expect(
            bench.answer(stored: 5, to: LookUp(bench.end(3)))
                == [.sendAck(session: 2, bench.end(3))])
        // And one that has, is not.
        let other = bench.prove(
            try bench.welcome(lastSession: 2), head: ChainPoint(sequence: 4, hash: .zero))
        let lookUp = LookUp(ChainPoint(sequence: 4, hash: .zero))
        #expect(other == [.persistRecord, .lookUp(lookUp)])
        _ = bench.persist()
        #expect(bench.answer(stored: 5, to: lookUp) == [])
    }

    @Test func `a head below the one announced, or below what was merged, is a copy's`() throws {
        var bench = try Bench()
        try bench.open()
        let closed = bench.prove(try bench.welcome(lastSession: 1), head: bench.end(7))
        #expect(closed == [.close(.rolledBack), .persistRecord])
        var merging = try Bench()
        try merging.open(head: merging.end(1))
        _ = merging.receive(1...5)
        let behind = merging.prove(try merging.welcome(lastSession: 1), head: merging.end(4))
        #expect(behind == [.close(.rolledBack), .persistRecord])
    }

    @Test func `of a stream that is refused, nothing is taken`() throws {
        var bench = try Bench()
        bench.session = StreamSession(
            genesis: bench.genesis,
            record: StreamSession.Record(announced: bench.start, standing: .refused),
            limits: bench.limits, hasher: PlainSHA256(), verifier: ToyVerifier())
        let welcome = try bench.welcome()
        #expect(welcome.standing == .refused)
        #expect(bench.prove(welcome) == [.persistRecord, .drop(.streamStopped)])
        #expect(bench.receive(1...1) == [.drop(.streamStopped)])
    }

    // MARK: Dictionaries

    @Test func `a segment whose names are not what its header says merges nothing`() throws {
        var bench = try Bench()
        try bench.open()
        _ = bench.receive(1...1)
        var parts = SegmentBytes(bench.chain[1].segment)
        parts.definitions[3] ^= 1
        let damaged = try Segment(decoding: parts.assembled())
        let sealed = SealedSegment(segment: damaged, hash: damaged.hash(PlainSHA256()))
        #expect(bench.receive([sealed]) == [.drop(.badDictionary)])
        #expect(bench.receive(2...2) == [bench.merge(2...2)])
    }

    @Test func `a stream that defines more names than may be kept merges no more`() throws {
        var limits = AggregatorLimits()
        limits.definitionsPerStreamMax = 4
        var bench = try Bench(limits: limits)
        try bench.open()
        #expect(bench.receive(1...2) == [bench.merge(1...2)])
        #expect(bench.receive(3...3) == [.drop(.badDictionary)])
    }

    @Test func `names that a restored dictionary lacks are asked for`() throws {
        var bench = try Bench()
        bench.session = StreamSession(
            genesis: bench.genesis,
            ends: [BranchEnd(point: bench.end(2), dictionary: bench.names(1))],
            record: StreamSession.Record(announced: bench.end(2)), limits: bench.limits,
            hasher: PlainSHA256(), verifier: ToyVerifier())
        try bench.open()
        let needs = NeedsDefinitions(
            stream: bench.session.stream, segment: bench.end(3).hash, first: 3, through: 4)
        #expect(bench.receive(3...3) == [.sendNeedsDefinitions(session: 1, needs)])
    }
}

extension Bench {
    /// A segment of another stream.
    fileprivate static func foreignSegment() throws -> SealedSegment {
        var other = try Bench()
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: .zero), firstSequence: 1, previous: .zero,
            seen: .nothing, dictionary: .empty)
        other.builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        try other.append(1)
        return other.chain[other.chain.count - 1]
    }
}
