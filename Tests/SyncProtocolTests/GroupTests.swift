import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct GroupTests {
    private static let place = SegmentBuilder.Place(
        stream: StreamTag(genesisHash: .zero), firstSequence: 1, previous: .zero, seen: .nothing,
        dictionary: .empty)

    private func builder() -> SegmentBuilder {
        SegmentBuilder(place: Self.place, dictionary: StreamDictionary())
    }

    private func member(
        _ time: UInt64, to account: String = "b", reference: Int = 0
    ) throws -> SegmentBuilder.GroupMember {
        let posting = Posting(
            source: try AccountAddress("a"), destination: try AccountAddress(account),
            asset: try Asset("EUR/2"), amount: try Amount(5))
        return SegmentBuilder.GroupMember(
            try Transaction(
                postings: [posting],
                reference: reference > 0 ? String(repeating: "r", count: reference) : nil),
            keyed: nil, trace: nil, time: HybridTimestamp(rawValue: time))
    }

    private func events(_ segment: Segment, _ definitions: [Definition]) -> [ReadEvent] {
        segment.events { Int($0) < definitions.count ? definitions[Int($0)] : nil }
    }

    private func batch(_ segment: Segment) -> PostingBatch {
        var batch = PostingBatch()
        batch.read(segment)
        return batch
    }

    @Test func `a group reads back as it was appended, its last event ending it`() throws {
        var builder = builder()
        #expect(builder.append(group: try (1...3).map { try member($0) }) == .appended)
        #expect(builder.append(group: [try member(4)]) == .appended)
        let segment = builder.seal(PlainSHA256()).segment
        let read = events(segment, builder.dictionary.definitions)
        let continues = read.map { event in
            if case .event(let event) = event { event.continuesGroup } else { nil as Bool? }
        }
        #expect(continues == [true, true, false, false])
        #expect(batch(segment).items.map(\.continuesGroup) == [true, true, false, false])
        #expect(batch(segment).hasGroups)
    }

    @Test func `a thousand plain transactions are a group, and fit`() throws {
        var builder = builder()
        let group = try (1...UInt64(SegmentHeader.groupEventsMax)).map {
            try member($0, to: "accounts:\($0 % 500)")
        }
        #expect(builder.append(group: group) == .appended)
        let segment = builder.seal(PlainSHA256()).segment
        #expect(Int(segment.header.count) == SegmentHeader.groupEventsMax)
        #expect(segment.bytes.count <= SegmentHeader.groupBytesMax + SegmentHeader.byteCount + 4)
    }

    @Test func `a group beyond its limit leaves the builder as it was, with its names`() throws {
        var builder = builder()
        #expect(builder.append(group: [try member(1)]) == .appended)
        let definitions = builder.dictionary.definitions
        let large = try (0..<250).map { try member(2, to: "new:\($0)", reference: 200) }
        #expect(builder.append(group: large) == .tooLarge)
        #expect(builder.nextSequence == 2 && builder.dictionary.definitions == definitions)
        #expect(builder.append(group: [try member(3, to: "other")]) == .appended)
        let segment = builder.seal(PlainSHA256()).segment
        var plain = self.builder()
        for member in [try member(1), try member(3, to: "other")] {
            plain.append(member.transaction, keyed: nil, trace: nil, time: member.time)
        }
        #expect(segment == plain.seal(PlainSHA256()).segment)
    }

    @Test func `the limit of a group is exact, and just below it a group fits`() throws {
        var size = 0
        for count in 200..<260 {
            var builder = builder()
            let group = try (0..<count).map { try member(1, to: "n:\($0)", reference: 200) }
            let fit = builder.append(group: group)
            guard fit == .appended else {
                #expect(fit == .tooLarge && size > SegmentHeader.groupBytesMax - 400)
                return
            }
            let header = builder.seal(PlainSHA256()).segment.header
            size = Int(header.definitionsByteCount + header.eventsByteCount)
            #expect(size <= SegmentHeader.groupBytesMax)
        }
        Issue.record("no group was too large")
    }

    @Test func `a group that the open segment has no room for goes whole into the next`() throws {
        var builder = builder()
        for tick in UInt64(1)...90 {
            let single = try member(tick, to: "s:\(tick)", reference: 200)
            builder.append(single.transaction, keyed: nil, trace: nil, time: single.time)
        }
        let group = try (0..<200).map { try member(91, to: "g:\($0)", reference: 200) }
        #expect(builder.append(group: group) == .needsEmptySegment)
        #expect(builder.nextSequence == 91)
        let first = builder.seal(PlainSHA256()).segment
        #expect(builder.append(group: group) == .appended)
        let second = builder.seal(PlainSHA256()).segment
        #expect(first.header.count == 90 && second.header.count == 200)
        let names = builder.dictionary.definitions
        #expect((events(first, names) + events(second, names)).allSatisfy(isSound))
    }

    private func isSound(_ event: ReadEvent) -> Bool {
        if case .event = event { true } else { false }
    }

    @Test func `a group that its segment does not end has no effect`() throws {
        var builder = builder()
        for tick in UInt64(1)...4 {
            let single = try member(tick)
            builder.append(
                single.transaction, keyed: nil, trace: nil, time: single.time,
                continuesGroup: tick > 2)
        }
        let segment = builder.seal(PlainSHA256()).segment
        let read = events(segment, builder.dictionary.definitions)
        #expect(read.map(isSound) == [true, true, false, false])
        for event in read[2...] {
            guard case .poisoned(_, let error) = event else { continue }
            #expect(error.reason == .brokenGroup(sequence: 4))
        }
        #expect(batch(segment).items.map(\.sequence) == [1, 2])
        #expect(batch(segment).entries.count == 2)
        #expect(batch(segment).setAside == Array(read[2...]))
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `one bad event takes its whole group, and nothing of another`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var builder = builder()
        var groups: [Range<Int>] = []
        var count = 0
        for _ in 0..<1 + random.below(6) {
            let size = 1 + random.below(4)
            let group = try (0..<size).map { try member(UInt64(count + $0)) }
            #expect(builder.append(group: group) == .appended)
            groups.append(count..<count + size)
            count += size
        }
        var parts = SegmentBytes(builder.seal(PlainSHA256()).segment)
        let victim = random.below(count)
        let range = parts.eventRanges()[victim]
        if random.oneIn(2) {
            parts.events[range.lowerBound] = parts.events[range.lowerBound] & 0x80 | 0x40 | 0x3E
        } else {
            // Fields that do not follow.
            parts.events[range.lowerBound + 2] = 0xFF
        }
        let damaged = try Segment(decoding: parts.assembled())
        let harmed = groups.first { $0.contains(victim) } ?? 0..<0
        let read = events(damaged, builder.dictionary.definitions)
        #expect(read.map(isSound) == (0..<count).map { !harmed.contains($0) }, "seed \(seed)")
        let batch = batch(damaged)
        #expect(
            batch.items.map(\.sequence)
                == (0..<count).filter { !harmed.contains($0) }.map { UInt64($0 + 1) },
            "seed \(seed)")
        #expect(
            batch.setAside.map(\.sequence).sorted() == harmed.map { UInt64($0 + 1) }, "seed \(seed)"
        )
        #expect(batch.entries.count == batch.items.count, "seed \(seed)")
    }
}
