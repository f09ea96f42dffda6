import LedgerCore
import SyncProtocol
import Testing

@Suite struct ConflictFoldTests {
    private let stream = StreamTag(genesisHash: ConflictFoldTests.hash(1))
    private let hub = StreamTag(genesisHash: ConflictFoldTests.hash(2))
    private let later = StreamTag(genesisHash: ConflictFoldTests.hash(3))

    private static func hash(_ byte: UInt8) -> Hash256 {
        Hash256([UInt8](repeating: byte &* 17, count: Hash256.byteCount))
    }

    private func event(
        _ number: UInt64, _ fact: HubFact, origin: HubEventID? = nil
    ) -> HubEvent {
        HubEvent(
            sequence: number, time: HybridTimestamp(Timestamp(microseconds: Int64(number))),
            content: HubEvent.Content(fact, origin: origin))
    }

    private func id(_ number: UInt64, of hub: StreamTag? = nil) -> HubEventID {
        HubEventID(hub: hub ?? self.hub, sequence: number)
    }

    private func span(_ sequences: ClosedRange<UInt64>, in segment: UInt8 = 9) -> EventSpan {
        EventSpan(
            stream: stream, segment: ConflictFoldTests.hash(segment), sequences: sequences)
    }

    @Test func `what a later hub repeats is one conflict, by either name`() throws {
        var fold = ConflictFold()
        let quarantined = HubFact.quarantined(span(4...6), .unreadable)
        fold.apply(event(7, quarantined), id(7))
        fold.apply(event(1, quarantined, origin: id(7)), id(1, of: later))
        #expect(fold.all.count == 1 && fold.quarantinedCount == 3)
        #expect(fold[id(1, of: later)] == fold[id(7)])
        fold.apply(event(2, .resolved(id(1, of: later))), id(2, of: later))
        #expect(fold[id(7)]?.resolution?.id == id(2, of: later))
    }

    @Test func `of a hub that is gone, only the repeated event is known, by either name`() throws {
        var fold = ConflictFold()
        fold.apply(
            event(1, .quarantined(span(4...6), .unreadable), origin: id(7)), id(1, of: later))
        #expect(fold[id(7)]?.id == id(1, of: later))
        fold.apply(event(2, .resolved(id(7))), id(2, of: later))
        #expect(fold.openCount == 0)
    }

    @Test func `a release of a part leaves the rest in quarantine, and the conflict open`() throws {
        var fold = ConflictFold()
        fold.apply(event(1, .quarantined(span(4...6), .unknownKind(9))), id(1))
        fold.apply(event(2, .released(span(5...5))), id(2))
        let conflict = try #require(fold[id(1)])
        #expect(conflict.isOpen && fold.withoutEffect(conflict) == [4...4, 6...6])
        fold.apply(event(3, .released(span(4...6))), id(3))
        #expect(fold[id(1)]?.resolution?.id == id(3) && fold.quarantinedCount == 0)
    }

    @Test func `a conflict that is settled without a release keeps its events without effect`()
        throws
    {
        var fold = ConflictFold()
        fold.apply(event(1, .quarantined(span(4...6), .unreadable)), id(1))
        fold.apply(event(2, .resolved(id(1))), id(2))
        #expect(fold.openCount == 0 && fold.quarantinedCount == 3)
        #expect(!fold.concerning(5, of: stream, in: nil).isEmpty)
        fold.apply(event(3, .released(span(4...6))), id(3))
        // The decision that came first stands in the record.
        #expect(fold[id(1)]?.resolution?.id == id(2) && fold.quarantinedCount == 0)
        #expect(fold.concerning(5, of: stream, in: nil).isEmpty)
    }

    @Test func `an event is in the conflicts of its own branch alone`() throws {
        var fold = ConflictFold()
        fold.apply(event(1, .quarantined(span(4...6, in: 9), .unreadable)), id(1))
        #expect(fold.concerning(5, of: stream, in: ConflictFoldTests.hash(9)).count == 1)
        #expect(fold.concerning(5, of: stream, in: ConflictFoldTests.hash(8)).isEmpty)
        #expect(fold.concerning(7, of: stream, in: ConflictFoldTests.hash(9)).isEmpty)
        #expect(fold.concerning(5, of: hub, in: nil).isEmpty)
    }

    @Test func `segments of one clock are one conflict until it is settled`() {
        var fold = ConflictFold()
        for number in 1...3 as ClosedRange<UInt64> {
            fold.apply(
                event(number, .restamped(span(number...number), offset: 60_000_000)), id(number))
        }
        #expect(fold.all.count == 1 && fold.all[0].repeats == 2)
        fold.apply(event(4, .resolved(id(1))), id(4))
        fold.apply(event(5, .restamped(span(5...5), offset: 60_000_000)), id(5))
        #expect(fold.all.count == 2 && fold.openCount == 1)
    }
}
