import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What former hubs had placed, told to the one that follows them, through a transport with little room.
@Suite struct OutboxReturnsTests {
    private let stream: TestStream
    private let hub: TestHub
    private let later: TestHub
    private let world: OutboxWorld

    init() throws {
        stream = try TestStream(1, events: 4)
        hub = try TestHub(1)
        later = try TestHub(2, parent: hub)
        world = try OutboxWorld(
            [stream], records: [stream.record(acknowledged: 3, lastSession: 1)],
            hubs: [HubRecord(tag: hub.tag, genesis: hub.genesis)])
        world.returns = [
            Returns(
                stream: stream.tag, former: hub.genesis,
                runs: [Returns.Run(sequences: 1...3, position: 5)], events: [])
        ]
    }

    private var placements: [ClosedRange<UInt64>] {
        world.asked.compactMap {
            if case .placements(_, _, let range, _) = $0 { range } else { nil }
        }
    }

    private var returned: Int { world.sent.count { $0.kind == Frame.Kind.returns.rawValue } }

    @Test func `what is tried again is returned once, so that segments have the transport's room`()
        throws
    {
        world.transportTakes = false
        world.connect()
        world.open(stream, later)
        #expect(placements == [1...1] && world.parcels.isEmpty)
        // The room that a returned message takes and gives back is when segments are tried again.
        let before = returned
        for _ in 0..<5 {
            world.delivered()
            world.pass(200_000)
        }
        #expect(placements == [1...1] && returned == before, "it would take the room each time")
        world.transportTakes = true
        world.delivered()
        #expect(world.events(of: stream) == [1, 2, 3, 4])
        #expect(placements == [1...1, 2...2, 3...3])
    }

    @Test func `each session returns anew: the one before may have been heard by nobody`() throws {
        world.transportTakes = false
        world.connect()
        world.open(stream, later)
        world.forget()
        world.connect()
        world.open(stream, later)
        #expect(placements == [1...1])
    }
}
