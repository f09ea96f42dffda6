import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct OutboxTests {
    private let end = StreamEnd(.rolledBack, detail: "a copy", at: Timestamp(microseconds: 1))

    // MARK: Whom it believes

    @Test func `a welcome without its hub's signature, or of another ledger, changes nothing`()
        throws
    {
        let stream = try TestStream(1, events: 3)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream])
        world.connect()
        let hello = try #require(world.hello(of: stream))
        let welcome = hub.welcome(hello)
        world.receive(
            Frame(kind: .welcome, session: 0, body: welcome.body, signature: nil))
        world.receive(
            Frame(
                kind: .welcome, session: 0, body: welcome.body,
                signature: ToySigner(8).sign(welcome.signedContent(PlainSHA256()))))
        world.receive(try TestHub(2, ledger: "other").welcome(hello))
        #expect(world.outbox.hub == nil && world.errands.isEmpty && world.notes.count == 3)
        world.receive(welcome)
        #expect(world.outbox.hub?.tag == hub.tag && world.errands.count == 2)
    }

    @Test func `a welcome that answers an altered greeting changes nothing`() throws {
        let stream = try TestStream(1, events: 0)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream])
        world.connect()
        let hello = try #require(world.hello(of: stream))
        var altered = hello
        altered.lastSession = .max - 1
        world.receive(hub.welcome(altered))
        #expect(world.outbox.hub == nil && world.errands.isEmpty)
        world.receive(hub.welcome(hello))
        #expect(world.outbox.hub?.tag == hub.tag)
    }

    @Test func `an acknowledgement that the hub has not signed releases nothing`() throws {
        let stream = try TestStream(1, events: 3)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream])
        world.connect()
        world.open(stream, hub)
        #expect(world.events(of: stream) == [1, 2, 3])
        let ack = hub.ack(stream, 3, session: 1)
        world.receive(Frame(kind: .ack, session: 1, body: ack.body))
        world.receive(try TestHub(1, key: 8).ack(stream, 3, session: 1))
        #expect(world.outbox.writing.backlog == 3)
        world.receive(ack)
        #expect(world.outbox.writing.backlog == 0)
    }

    @Test func `what the hub's clock says is followed, and never goes back`() throws {
        let stream = try TestStream(1, events: 2)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream])
        world.connect()
        world.open(stream, hub)
        world.receive(hub.ack(stream, 1, session: 1, clock: 70))
        world.receive(hub.ack(stream, 2, session: 1, clock: 60))
        let clocks = world.errands.compactMap { errand -> UInt64? in
            if case .keep(let kept) = errand { kept.clock.rawValue } else { nil }
        }
        #expect(clocks == [70, 60])
    }

    // MARK: Streams that end

    @Test func `a copy testifies, another stream is drawn, and the copy's is sent to its end`()
        throws
    {
        let old = try TestStream(1, events: 3)
        let new = try TestStream(2, events: 0)
        let hub = try TestHub(1)
        let world = try OutboxWorld([old])
        world.connect()
        let hello = try #require(world.hello(of: old))
        let later = ChainPoint(sequence: 9, hash: .zero)
        world.receive(hub.welcome(hello, leaves: [later], announced: later))
        world.answerOpenings()
        #expect(world.proofs.last?.passesAnnounced == false)
        #expect(world.ends.map(\.stream) == [old.tag] && world.ends[0].end.cause == .rolledBack)
        #expect(world.parcels.isEmpty, "nothing more of it before another is drawn")
        world.forget()
        world.draw(new, end)
        #expect(world.outbox.writing.tag == new.tag)
        #expect(world.hello(of: new) != nil && world.hello(of: old) == nil)
        #expect(world.hello(of: new)?.otherStreams == [old.tag])
        world.open(new, hub)
        world.pass(200_000)
        #expect(world.hello(of: old)?.lastSession == 1)
        world.open(old, hub, standing: .rolledBack)
        #expect(world.events(of: old) == [1, 2, 3])
        world.receive(hub.ack(old, 3, session: 2))
        world.pass(200_000)
        let finished = world.errands.contains {
            if case .finish(old.tag, hub.tag) = $0 { true } else { false }
        }
        let last = world.messages.compactMap { message -> Watermark? in
            if case .watermark(let watermark) = message { watermark } else { nil }
        }.last { $0.stream == old.tag }
        #expect(finished && last?.through == Watermark.endOfStream)
        #expect(last?.acknowledged == old.head)
    }

    @Test func `whatever a hub says, another stream is not drawn again at once`() throws {
        let first = try TestStream(1, events: 1)
        let second = try TestStream(2, events: 0)
        let hub = try TestHub(1)
        let world = try OutboxWorld([first])
        world.connect()
        world.receive(hub.welcome(try #require(world.hello(of: first)), standing: .closed))
        #expect(world.ends.map(\.stream) == [first.tag])
        world.draw(second, end)
        world.forget()
        world.connect()
        world.receive(hub.welcome(try #require(world.hello(of: second)), standing: .closed))
        #expect(world.ends.isEmpty)
        world.pass(2 * AgentLimits().drawDelay)
        #expect(world.ends.first?.stream == second.tag)
    }

    @Test func `acknowledgements go to their streams, also where session numbers are the same`()
        throws
    {
        let old = try TestStream(1, events: 2)
        let new = try TestStream(2, events: 4)
        let hub = try TestHub(1)
        let world = try OutboxWorld([old, new], records: [old.record(end: end), new.record()])
        world.connect()
        world.open(new, hub)
        world.pass(100_000)
        world.open(old, hub)
        world.receive(hub.ack(old, 2, session: 1))
        #expect(world.outbox.streams.map(\.backlog) == [0, 4])
        world.receive(hub.ack(new, 4, session: 1))
        #expect(world.outbox.streams.map(\.backlog) == [0, 0])
        let receipts = world.errands.flatMap { errand -> [Receipt] in
            if case .keep(let kept) = errand { kept.receipts } else { [] }
        }
        #expect(receipts.map(\.stream) == [old.tag, new.tag])
        #expect(receipts.map(\.through) == [old.head, new.head])
    }

    // MARK: Former streams

    @Test
    func
        `former streams are sent a few at a time, the oldest first, behind the one that is written`()
        throws
    {
        let former = try (1...5).map { try TestStream($0, events: 2) }
        let writing = try TestStream(9, events: 1)
        let hub = try TestHub(1)
        let records = former.map { $0.record(end: end) } + [writing.record()]
        let world = try OutboxWorld(former + [writing], records: records)
        world.connect()
        world.pass(300_000)
        #expect(world.hellos.allSatisfy { $0.genesis == writing.genesis })
        world.open(writing, hub)
        var order: [StreamTag] = []
        for _ in 0..<10 {
            world.pass(100_000)
            let greeted = former.filter { stream in
                world.hello(of: stream) != nil && !order.contains(stream.tag)
            }
            #expect(greeted.count <= AgentLimits().drainingStreamsMax)
            for stream in greeted {
                world.open(stream, hub)
                world.receive(hub.ack(stream, 2, session: 1))
                order.append(stream.tag)
            }
        }
        #expect(order == former.map(\.tag))
        #expect(world.outbox.streams.map(\.backlog).dropLast().allSatisfy { $0 == 0 })
        // Another connection asks anew: the hub may be a copy of itself.
        world.forget()
        world.connect()
        world.open(writing, hub)
        world.pass(100_000)
        #expect(world.hello(of: former[0]) != nil)
    }

    @Test func `a former stream of which nothing is kept is not greeted again, but by another hub`()
        throws
    {
        let hub = try TestHub(1)
        let old = try TestStream(1, events: 2)
        let new = try TestStream(2, events: 0)
        var pruned = old.record(acknowledged: 2, lastSession: 3, end: end, finishedFor: hub.tag)
        pruned.keptBehind = old.head
        let known = HubRecord(tag: hub.tag, genesis: hub.genesis)
        let world = try OutboxWorld([old, new], records: [pruned, new.record()], hubs: [known])
        world.connect()
        world.open(new, hub)
        world.pass(500_000)
        #expect(world.hello(of: old) == nil)
        let later = try TestHub(2, parent: hub)
        world.connect()
        world.open(new, later)
        world.pass(500_000)
        let hello = world.hello(of: old)
        #expect(hello?.oldestRetained == 3 && hello?.retainedBehind == old.head.hash)
    }

    @Test func `when the transport has room again, the stream that is written goes first`() throws {
        let old = try TestStream(1, events: 9)
        let new = try TestStream(2, events: 9)
        let hub = try TestHub(1)
        let world = try OutboxWorld([old, new], records: [old.record(end: end), new.record()])
        world.connect()
        world.transportTakes = false
        world.open(new, hub)
        world.pass(100_000)
        world.open(old, hub)
        #expect(world.parcels.isEmpty)
        world.transportTakes = true
        world.delivered()
        #expect(world.parcels.first?.stream == new.tag)
        #expect(
            world.parcels.filter { $0.stream == old.tag }.count
                <= AgentLimits().formerMessagesInFlightMax)
    }

    // MARK: Snapshots

    private func snapshot(
        _ hub: TestHub, of stream: TestStream, through: UInt64, number: UInt64, clock: UInt64
    ) throws -> Message {
        let included = [AccountSnapshot.Included(stream: stream.tag, through: through)]
        return .accountSnapshot(
            AccountSnapshot(
                hub: hub.tag, position: 5, takenAt: Timestamp(microseconds: 1),
                clock: HybridTimestamp(rawValue: clock), included: included, number: number,
                roundStart: 1,
                accounts: [
                    AccountSnapshot.Account(address: try AccountAddress("till:1"), balances: [])
                ]))
    }

    @Test func `what the hub says of accounts counts once it has all of every former stream`()
        throws
    {
        let old = try TestStream(1, events: 2)
        let new = try TestStream(2, events: 0)
        let hub = try TestHub(1)
        let world = try OutboxWorld([old, new], records: [old.record(end: end), new.record()])
        world.connect()
        world.open(new, hub)
        func taken() -> [UInt64] {
            world.errands.compactMap { errand in
                if case .take(let snapshot, _) = errand { snapshot.number } else { nil }
            }
        }
        let first = try snapshot(hub, of: new, through: 0, number: 1, clock: 10)
        world.receive(hub.signed(first, session: 1))
        world.pass(100_000)
        world.open(old, hub)
        world.receive(hub.ack(old, 2, session: 1, clock: 20))
        world.pass(100_000)
        let late = try snapshot(hub, of: new, through: 0, number: 2, clock: 15)
        world.receive(hub.signed(late, session: 1))
        #expect(taken().isEmpty)
        let ofOther = try snapshot(hub, of: old, through: 2, number: 3, clock: 30)
        world.receive(hub.signed(ofOther, session: 1))
        #expect(taken().isEmpty, "of another stream's session")
        let good = try snapshot(hub, of: new, through: 0, number: 3, clock: 30)
        world.receive(hub.signed(good, session: 1))
        #expect(taken() == [3])
    }
}
