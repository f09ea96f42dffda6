import AggregatorCore
import LedgerCore
import SyncProtocol
import Testing

@Suite struct ConflictBookTests {
    private let hub = StreamTag(genesisHash: Hash256([UInt8](repeating: 1, count: 32)))

    private func stream(_ number: UInt64) -> StreamTag {
        StreamTag(genesisHash: Hash256([UInt8](repeating: UInt8(number) + 16, count: 32)))
    }

    /// Seven conflicts, every second of till-2; the third is settled by the eighth event.
    private func book() throws -> ConflictBook {
        var state = HubState()
        state.begin(hub)
        for number in 1...8 as ClosedRange<UInt64> {
            let agent = try AgentID(number % 2 == 0 ? "till-2" : "till-1")
            let fact =
                number == 8
                ? HubFact.resolved(HubEventID(hub: hub, sequence: 3))
                : HubFact.closed(
                    stream(number), number == 5 ? .rolledBack : .forked, evidence: nil)
            state.apply(
                HubEvent(
                    sequence: number, time: HybridTimestamp(rawValue: number << 20),
                    content: HubEvent.Content(
                        fact, address: HubEvent.Address(agent: agent, previous: number - 1))))
        }
        return ConflictBook(hub: try AgentID("hub"), state: state, agents: [])
    }

    @Test(arguments: [1, 2, 3, 6, 7, 8])
    func `pages lead through all of them, the latest first`(limit: Int) throws {
        let book = try book()
        var found: [UInt64] = []
        var before: EventID?
        repeat {
            let page = try #require(
                book.page(ConflictBook.Filter(), before: before, limit: limit))
            #expect(page.items.count <= limit)
            found += page.items.map(\.id.sequence)
            before = try page.next.map { try EventID($0) }
        } while before != nil
        #expect(found == [7, 6, 5, 4, 3, 2, 1])
    }

    @Test func `a filter admits what it says, also over pages`() throws {
        let book = try book()
        let open = ConflictBook.Filter(agent: try AgentID("till-1"), isOpen: true)
        let first = try #require(book.page(open, before: nil, limit: 2))
        #expect(first.items.map(\.id.sequence) == [7, 5])
        let next = try EventID(try #require(first.next))
        let rest = try #require(book.page(open, before: next, limit: 2))
        #expect(rest.items.map(\.id.sequence) == [1] && rest.next == nil)
        let settled = ConflictBook.Filter(isOpen: false)
        #expect(book.page(settled, before: nil, limit: 9)?.items.map(\.id.sequence) == [3])
        let gaps = ConflictBook.Filter(kind: .gapLost)
        #expect(book.page(gaps, before: nil, limit: 9)?.items.isEmpty == true)
        let quarantine = ConflictBook.Filter(isQuarantine: true)
        #expect(book.page(quarantine, before: nil, limit: 9)?.items.isEmpty == true)
    }

    @Test func `a name that is none of ours finds nothing, and is no cursor`() throws {
        let book = try book()
        #expect(book.conflict(try EventID("hub.\(hub).7"))?.conflict.kind == .fork)
        for name in ["hub.\(hub).8", "other.\(hub).7", "hub.00000000.7", "hub.\(hub).7~01234567"] {
            #expect(book.conflict(try EventID(name)) == nil, "\(name)")
        }
        for name in ["hub.\(hub).8", "other.\(hub).7", "hub.00000000.7"] {
            #expect(
                book.page(ConflictBook.Filter(), before: try EventID(name), limit: 1) == nil,
                "\(name)")
        }
    }
}
