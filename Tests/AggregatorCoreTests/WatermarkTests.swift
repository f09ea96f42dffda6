import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// A stream's session that has committed one segment of one event.
private struct Bench {
    let hasher = PlainSHA256()
    var session: StreamSession
    let end: ChainPoint

    init() throws {
        let genesis = Genesis(
            writer: .agent, ledger: "l", agent: try AgentID("till-1"),
            nonce: [UInt8](repeating: 1, count: Genesis.nonceByteCount),
            publicKey: ToySigner(1).publicKey)
        let start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        end = ChainPoint(sequence: 1, hash: hasher.sha256([], [1]))
        session = StreamSession(
            genesis: genesis, ends: [BranchEnd(point: end, dictionary: .empty)],
            record: StreamSession.Record(announced: end), limits: AggregatorLimits(),
            hasher: hasher, verifier: ToyVerifier())
        var random = SplitMix64(seed: 1)
        let hello = Hello(
            nonce: [UInt8](repeating: 1, count: Hello.nonceByteCount), lastSession: 0, head: end,
            acknowledged: start, seen: .nothing, oldestRetained: 1, softwareVersion: "",
            genesis: genesis)
        let actions = session.greeted(
            hello, credit: Credit(bytes: 1, messages: 1), hub: .nothing, hubGenesis: genesis,
            now: Timestamp(microseconds: 0), &random)
        guard case .sendWelcome(let welcome)? = actions.first else { return }
        let proof = Proof(stream: session.stream, head: end)
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: hello.digest(hasher), session: 1)
        let hub = StreamSession.HubPlace(tag: session.stream, events: 0, position: 0)
        _ = session.proved(
            proof, session: 1, signature: ToySigner(1).sign(content), hub: hub,
            now: Timestamp(microseconds: 0))
        _ = session.persisted(Durable(position: 1))
    }

    mutating func say(
        _ through: UInt64, acknowledged: UInt64 = 1, session number: UInt64 = 1,
        signer: ToySigner = ToySigner(1)
    ) -> [StreamSession.Action] {
        let watermark = Watermark(
            stream: session.stream,
            acknowledged: ChainPoint(sequence: acknowledged, hash: end.hash),
            through: HybridTimestamp(rawValue: through), sentAt: Timestamp(microseconds: 0))
        let message = Message.watermark(watermark)
        let content = message.framed(session: number).signedContent(hasher)
        return session.watermarked(
            watermark, message.framed(session: number, signature: signer.sign(content)))
    }
}

@Suite struct WatermarkTests {
    @Test func `a watermark is told when it is durable, and not before`() throws {
        var bench = try Bench()
        #expect(bench.session.watermark.rawValue == 0)
        #expect(bench.say(50) == [.persistWatermark])
        #expect(bench.session.record.watermark.rawValue == 50)
        #expect(bench.session.watermark.rawValue == 0)
        #expect(bench.session.persisted(Durable(position: 2)) == [])
        #expect(bench.session.watermark.rawValue == 50)
    }

    @Test func `it belongs to its session and its key, and covers only what is committed`() throws {
        var bench = try Bench()
        #expect(bench.say(50, session: 2) == [.drop(.notInSession)])
        #expect(bench.say(50, session: 0) == [.drop(.notInSession)])
        #expect(bench.say(50, signer: ToySigner(2)) == [.drop(.badSignature)])
        #expect(bench.say(50, acknowledged: 2) == [.drop(.watermarkAhead)])
        #expect(bench.session.record.watermark.rawValue == 0)
    }

    @Test func `it never goes back`() throws {
        var bench = try Bench()
        var greatest: UInt64 = 0
        var random = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let through = random.next() % 1000
            let isNew = through > greatest
            #expect(
                bench.say(through) == [isNew ? .persistWatermark : .drop(.staleWatermark)])
            greatest = max(greatest, through)
            #expect(bench.session.record.watermark.rawValue == greatest)
        }
    }
}

@Suite struct CompletenessTests {
    private static let now = Timestamp(microseconds: 1_760_000_000_000_000)
    private let limits = AggregatorLimits()

    /// - Parameter behind: how far its watermark lies behind now, in seconds; nil for none.
    private func agent(
        _ name: String, behind: Int64?, isOnline: Bool = true, standing: Standing = .open,
        merged: UInt64 = 10, backlog: UInt64 = 0, clockOffset: Int64? = nil
    ) throws -> AgentView {
        let watermark = behind.map {
            HybridTimestamp(Self.now.advanced(byMicroseconds: -$0 * 1_000_000))
        }
        let stream = AgentView.StreamView(
            tag: try StreamTag("k3f9qa2m"), announced: merged + backlog,
            merged: merged, standing: standing, session: 1, watermark: watermark)
        return AgentView(
            id: try AgentID(name), isOnline: isOnline, streams: [stream], softwareVersion: "",
            lastSeenAt: isOnline ? Self.now : nil, lastAckAt: nil, clockOffset: clockOffset,
            setAside: 0)
    }

    private func seconds(_ time: HybridTimestamp?) -> Int64? {
        time.map { Self.now.microseconds(since: $0.time) / 1_000_000 }
    }

    @Test func `a fleet in which all is well is complete through the least, and nobody is named`()
        throws
    {
        let agents = [
            try agent("a", behind: 1), try agent("b", behind: 9), try agent("c", behind: 4),
        ]
        let found = Completeness(of: agents, now: Self.now, limits: limits)
        #expect(seconds(found.through) == 9 && seconds(found.throughWithoutLaggards) == 9)
        #expect(found.laggards == [] && found.laggardCount == 0 && found.liveCount == 3)
    }

    @Test func `nothing is complete through a time that has not come`() throws {
        let found = Completeness(of: [try agent("a", behind: -3600)], now: Self.now, limits: limits)
        #expect(seconds(found.through) == 0 && seconds(found.throughWithoutLaggards) == 0)
    }

    @Test func `those that are behind are named with their causes, the furthest first`() throws {
        let agents = [
            try agent("a", behind: 1), try agent("b", behind: 7200, isOnline: false, backlog: 12),
            try agent("c", behind: nil), try agent("d", behind: 90, backlog: 3),
            try agent("e", behind: 80, clockOffset: -80_000_000),
            try agent("f", behind: 70), try agent("g", behind: 3600, standing: .forked),
        ]
        let found = Completeness(of: agents, now: Self.now, limits: limits)
        #expect(found.through == nil, "one has never said any")
        #expect(seconds(found.throughWithoutLaggards) == 1)
        #expect(found.laggards.map(\.agent.description) == ["c", "b", "g", "d", "e", "f"])
        #expect(
            found.laggards.map(\.cause) == [
                .silent, .offline(since: nil), .stopped(.forked), .backlog,
                .clock(behind: 80_000_000), .silent,
            ])
        #expect(found.laggards.map(\.backlog) == [0, 12, 0, 3, 0, 0])
    }

    @Test func `who is offline is named at once, and still counts with all that it said`() throws {
        let agents = [try agent("a", behind: 8), try agent("b", behind: 3, isOnline: false)]
        let found = Completeness(of: agents, now: Self.now, limits: limits)
        #expect(found.laggards.map(\.agent.description) == ["b"])
        #expect(seconds(found.through) == 8 && seconds(found.throughWithoutLaggards) == 8)
    }

    @Test(arguments: [Standing.refused, .lost])
    func `what is refused or declared lost holds nothing back, what was stopped else does`(
        standing: Standing
    ) throws {
        let gone = try agent(
            "gone", behind: 9000, isOnline: false, standing: standing, backlog: 3)
        let well = try agent("well", behind: 2)
        let found = Completeness(of: [gone, well], now: Self.now, limits: limits)
        #expect(seconds(found.through) == 2 && found.liveCount == 1 && found.laggards == [])
        let stopped = try agent("old", behind: 9000, isOnline: false, standing: .rolledBack)
        let held = Completeness(of: [stopped, well], now: Self.now, limits: limits)
        #expect(seconds(held.through) == 9000 && seconds(held.throughWithoutLaggards) == 2)
    }

    @Test func `a device whose former stream was declared lost is complete by the one it writes`()
        throws
    {
        let lost = try agent("till", behind: nil, standing: .lost, backlog: 3).streams[0]
        let new = AgentView.StreamView(
            tag: try StreamTag("a0000001"), announced: 4, merged: 4, standing: .open, session: 1,
            watermark: HybridTimestamp(Self.now.advanced(byMicroseconds: -5_000_000)))
        let till = AgentView(
            id: try AgentID("till"), isOnline: true, streams: [new, lost], softwareVersion: "",
            lastSeenAt: Self.now, lastAckAt: nil, clockOffset: nil, setAside: 0)
        let found = Completeness(of: [till], now: Self.now, limits: limits)
        #expect(seconds(found.through) == 5 && found.laggards == [])
    }

    @Test func `a device that was replaced is held back by its former stream, which is named`()
        throws
    {
        let former = try StreamTag("a0000001")
        let old = AgentView.StreamView(
            tag: former, announced: 10, merged: 10, standing: .open, session: 3,
            watermark: HybridTimestamp(Self.now.advanced(byMicroseconds: -6_000_000)),
            isCurrent: false)
        let new = try agent("till", behind: 2).streams
        let till = AgentView(
            id: try AgentID("till"), isOnline: true, streams: [old] + new, softwareVersion: "",
            lastSeenAt: Self.now, lastAckAt: nil, clockOffset: nil, setAside: 0)
        let found = Completeness(
            of: [till, try agent("well", behind: 4)], now: Self.now, limits: limits)
        #expect(seconds(found.through) == 6 && seconds(found.throughWithoutLaggards) == 4)
        #expect(found.laggards.map(\.cause) == [.replaced(former)])
    }

    @Test func `an agent that went before it said anything holds nothing back`() throws {
        let well = try agent("well", behind: 2)
        func found(with other: AgentView) -> Completeness {
            Completeness(of: [other, well], now: Self.now, limits: limits)
        }
        let gone = found(with: try agent("new", behind: nil, isOnline: false, merged: 0))
        #expect(seconds(gone.through) == 2 && gone.liveCount == 1 && gone.laggards == [])
        // It will say something.
        let here = found(with: try agent("new", behind: nil, merged: 0))
        #expect(here.through == nil && here.liveCount == 2)
        // It has announced an event.
        let owing = found(
            with: try agent("new", behind: nil, isOnline: false, merged: 0, backlog: 1))
        #expect(owing.through == nil && owing.laggards.map(\.agent.description) == ["new"])
        // It has said that there was none.
        let idle = found(with: try agent("new", behind: 7, isOnline: false, merged: 0))
        #expect(seconds(idle.through) == 7 && idle.liveCount == 2)
    }

    @Test func `of an empty fleet nothing is said, and many laggards are counted`() throws {
        let none = Completeness(of: [], now: Self.now, limits: limits)
        #expect(none.through == nil && none.throughWithoutLaggards == nil && none.liveCount == 0)
        let many = try (0..<50).map { try agent("till-\($0)", behind: 1000, isOnline: false) }
        let found = Completeness(of: many, now: Self.now, limits: limits)
        #expect(found.laggardCount == 50 && found.laggards.count == limits.laggardsNamedMax)
        #expect(found.throughWithoutLaggards == nil && seconds(found.through) == 1000)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `it is the least of all live agents, and grows with each of them`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var behind = (0..<1 + random.below(8)).map { _ in Int64(random.below(300)) }
        func found() throws -> Completeness {
            let agents = try behind.enumerated().map { try agent("a\($0)", behind: $1) }
            return Completeness(of: agents, now: Self.now, limits: limits)
        }
        var last = try found()
        for _ in 0..<20 {
            #expect(seconds(last.through) == behind.max(), "seed \(seed)")
            #expect(last.laggardCount == behind.count { $0 > 60 }, "seed \(seed)")
            let index = random.below(behind.count)
            behind[index] = Int64(random.below(Int(behind[index]) + 1))
            let next = try found()
            if let before = last.through, let after = next.through {
                #expect(after >= before, "seed \(seed)")
            }
            last = next
        }
    }
}
