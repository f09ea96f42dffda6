import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Hubs that are followed and left, and what they tell.
@Suite struct OutboxHubTests {
    private let end = StreamEnd(.closed, detail: "", at: Timestamp(microseconds: 1))

    private func known(_ hub: TestHub, _ last: SignedHubEvent? = nil) -> HubRecord {
        HubRecord(tag: hub.tag, genesis: hub.genesis, last: last)
    }

    @Test func `another hub is followed at once, and every stream is offered to it anew`() throws {
        let old = try TestStream(1, events: 2)
        let new = try TestStream(2, events: 3)
        let hub = try TestHub(1)
        let later = try TestHub(2, parent: hub)
        let place = LogPlace(hub: hub.tag, position: 7)
        let seen = try hub.event(6, previous: 0, .approved(old.tag))
        let world = try OutboxWorld(
            [old, new],
            records: [
                old.record(acknowledged: 2, lastSession: 4, end: end, finishedFor: hub.tag),
                new.record(acknowledged: 3, lastSession: 5, confirmedAt: place),
            ], hubs: [known(hub, seen)])
        world.connect()
        let hello = try #require(world.hello(of: new))
        #expect(hello.seen == Seen(hub: hub.tag, position: 6))
        #expect(hello.seenEvent == seen.digest(PlainSHA256()))
        #expect(hello.acknowledgedAt == place && hello.acknowledged == new.head)
        world.open(new, later)
        let followed = world.errands.compactMap { errand -> HubRecord? in
            if case .follow(let hub) = errand { hub } else { nil }
        }
        #expect(followed.first == known(later) && world.outbox.seen.hub == later.tag)
        #expect(world.events(of: new) == [1, 2, 3], "also what another hub had acknowledged")
        world.pass(100_000)
        world.open(old, later)
        #expect(world.events(of: old) == [1, 2])
        // An acknowledgement of the one before is late, and of no account.
        world.receive(hub.ack(new, 3, session: 6))
        #expect(world.outbox.writing.session.held == nil)
        world.receive(
            later.ack(new, 3, session: 6, runs: [Ack.Run(firstSequence: 1, position: 40)]))
        let kept = world.errands.compactMap { errand -> Acknowledged? in
            if case .keep(let kept) = errand { kept } else { nil }
        }
        #expect(kept.count == 1 && kept[0].receipts.isEmpty)
        let placed = Placement(sequences: 1...3, at: LogPlace(hub: later.tag, position: 40))
        #expect(kept[0].placements == [placed])
    }

    @Test func `what a former hub placed is told to the next before the segments`() throws {
        let stream = try TestStream(1, events: 4)
        let hub = try TestHub(1)
        let later = try TestHub(2, parent: hub)
        let world = try OutboxWorld(
            [stream], records: [stream.record(acknowledged: 3, lastSession: 1)],
            hubs: [known(hub)])
        world.returns = [
            Returns(
                stream: stream.tag, former: hub.genesis,
                runs: [Returns.Run(sequences: 1...3, position: 5)], events: [])
        ]
        world.connect()
        world.open(stream, later)
        let kinds = world.sent.suffix(9).map(\.kind)
        let returns = Frame.Kind.returns.rawValue
        let segments = Frame.Kind.segments.rawValue
        // One for the hub's events behind the proof, and one for each segment that was placed.
        #expect(
            kinds == [Frame.Kind.proof.rawValue, returns] + [returns, segments, returns, segments]
                + [returns, segments, segments])
        let placements = world.asked.compactMap { question -> ClosedRange<UInt64>? in
            if case .placements(_, _, let range, _) = question { range } else { nil }
        }
        #expect(placements == [1...1, 2...2, 3...3])
    }

    @Test func `a hub that was left is not believed again, and somebody is told`() throws {
        let stream = try TestStream(1, events: 2)
        let hub = try TestHub(1)
        let later = try TestHub(2, parent: hub)
        let world = try OutboxWorld([stream], hubs: [known(hub), known(later)])
        world.connect()
        world.receive(hub.welcome(try #require(world.hello(of: stream))))
        #expect(world.outbox.strayHub == hub.tag && world.errands.isEmpty)
        let isTold = world.notes.contains {
            if case .stray(hub.tag) = $0 { true } else { false }
        }
        #expect(isTold)
        // The later one lives: nothing comes of it.
        world.open(stream, later)
        #expect(world.proofs.last?.hasLeft == false && world.events(of: stream) == [1, 2])
    }

    @Test func `where only a hub that was left answers, it hears so, and nothing is sent to it`()
        throws
    {
        let stream = try TestStream(1, events: 2)
        let hub = try TestHub(1)
        let later = try TestHub(2, parent: hub)
        let world = try OutboxWorld([stream], hubs: [known(hub), known(later)])
        world.connect()
        world.receive(hub.welcome(try #require(world.hello(of: stream))))
        world.pass(AgentLimits().greetingDelayBase + 100_000)
        world.answerOpenings()
        #expect(world.proofs.map(\.hasLeft) == [true] && world.parcels.isEmpty)
        #expect(world.hello(of: stream)?.lastSession == 1)
        // So it has drawn another stream, which is followed.
        let third = try TestHub(3, parent: hub)
        world.open(stream, third)
        #expect(world.outbox.hub?.tag == third.tag && world.events(of: stream) == [1, 2])
    }

    @Test
    func `a hub that was left and comes up hears so, also from an agent with nothing to send`()
        throws
    {
        let stream = try TestStream(1, events: 2)
        let hub = try TestHub(1)
        let later = try TestHub(2, key: 8, parent: hub)
        let world = try OutboxWorld([stream], hubs: [known(hub), known(later)])
        world.connect()
        world.open(stream, later, leaves: [2])
        let greetings = world.hellos.count
        let notice = Message.hub(
            HubNotice(isUp: true, hub: Seen(hub: hub.tag, position: 3), at: world.now.wall))
        // Anybody can say that a hub is up that is not.
        world.receive(later.signed(notice))
        world.pass(AgentLimits().resumeDelayMax + 100_000)
        #expect(world.hellos.count == greetings && world.outbox.strayHub == nil)

        world.receive(hub.signed(notice))
        #expect(world.outbox.strayHub == hub.tag)
        world.pass(AgentLimits().resumeDelayMax + 100_000)
        #expect(world.hellos.count > greetings)
        world.receive(hub.welcome(try #require(world.hello(of: stream))))
        world.pass(AgentLimits().greetingDelayBase + 100_000)
        world.answerOpenings()
        #expect(world.proofs.map(\.hasLeft) == [false, true])
    }

    @Test func `hub events are kept in their order, without a gap, and each once`() throws {
        let stream = try TestStream(1, events: 0)
        let hub = try TestHub(1)
        let fact = HubFact.approved(stream.tag)
        let four = try hub.event(4, previous: 0, fact)
        let world = try OutboxWorld([stream], hubs: [known(hub, four)])
        world.connect()
        world.open(stream, hub)
        let six = try hub.event(6, previous: 4, fact)
        let nine = try hub.event(9, previous: 6, fact)
        let twelve = try hub.event(12, previous: 9, fact)
        func kept() -> [UInt64] {
            world.errands.flatMap { errand -> [UInt64] in
                if case .keepEvents(let events) = errand {
                    events.map(\.event.sequence)
                } else {
                    []
                }
            }
        }
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [nine]))))
        #expect(kept().isEmpty, "one is missing")
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [six, nine]))))
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [six, nine, twelve]))))
        #expect(kept() == [6, 9, 12] && world.outbox.seen.position == 4, "not durable yet")
        world.report(.seen(known(hub, twelve)))
        #expect(world.outbox.seen == Seen(hub: hub.tag, position: 12))
        // What was not kept is told again, and taken again.
        let next = try hub.event(13, previous: 12, fact)
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [next]))))
        world.connect()
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [next]))))
        #expect(kept() == [6, 9, 12, 13, 13])
    }

    @Test func `hub events for others, or not signed by the hub, are not kept`() throws {
        let stream = try TestStream(1, events: 0)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream], hubs: [known(hub)])
        world.connect()
        world.open(stream, hub)
        world.forget()
        let fact = HubFact.approved(stream.tag)
        let foreign = try hub.event(1, previous: 0, fact, to: "till-2")
        let forged = try TestHub(1, key: 3).event(1, previous: 0, fact)
        let content = SignedHubEvent(forged.event, hub: hub.tag, signer: ToySigner(3))
        for event in [foreign, content] {
            world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [event]))))
        }
        #expect(world.errands.isEmpty && world.notes.count == 2)
    }

    @Test(arguments: [Standing.forked, .closed, .lost])
    func `a stream that the hub closes while it is written ends at once`(standing: Standing) throws
    {
        let stream = try TestStream(1, events: 1)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream], hubs: [known(hub)])
        world.connect()
        world.open(stream, hub)
        let fact: HubFact =
            standing == .lost
            ? .declaredLost(stream.tag) : .closed(stream.tag, standing, evidence: nil)
        let told = try hub.event(1, previous: 0, fact)
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [told]))))
        #expect(world.ends.map(\.stream) == [stream.tag])
        #expect(world.ends.first?.end.cause == OutboxSession.Finding.standing(standing).cause)
    }

    @Test func `a stream that waits for an approval goes on when it comes`() throws {
        let stream = try TestStream(1, events: 1)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream], hubs: [known(hub)])
        world.connect()
        world.open(stream, hub, standing: .unapproved)
        #expect(world.outbox.writing.session.phase == .held(.standing(.unapproved)))
        world.forget()
        let told = try hub.event(1, previous: 0, .approved(stream.tag))
        world.receive(hub.signed(.hubEvents(HubEventsMessage(events: [told]))))
        #expect(world.hello(of: stream) != nil)
    }

    @Test func `what the disk has lost is said, and what is behind it is sent`() throws {
        let stream = try TestStream(1, events: 4)
        let hub = try TestHub(1)
        let world = try OutboxWorld([stream])
        world.unreadable = [EventPlace(stream: stream.tag, sequence: 2)]
        world.connect()
        world.open(stream, hub)
        #expect(world.events(of: stream) == [1, 3, 4])
        let said = world.messages.compactMap { message -> Unreadable? in
            if case .unreadable(let said) = message { said } else { nil }
        }
        #expect(
            said == [Unreadable(stream: stream.tag, behind: stream.point(1), end: stream.point(2))])
        world.receive(hub.ack(stream, 4, session: 1))
        #expect(world.outbox.writing.backlog == 0)
    }
}
