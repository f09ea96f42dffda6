import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct PoisonedEventTests {
    private func names(_ definitions: [Definition]) -> (UInt32) -> Definition? {
        { Int($0) < definitions.count ? definitions[Int($0)] : nil }
    }

    /// Reads a segment both ways, expects that they agree, and returns what was read.
    private func readBothWays(_ segment: Segment, _ definitions: [Definition], _ seed: UInt64)
        -> [ReadEvent]
    {
        let name = names(definitions)
        var batch = PostingBatch()
        batch.read(segment)
        let items = Dictionary(uniqueKeysWithValues: batch.items.map { ($0.sequence, $0) })
        let setAside = Dictionary(uniqueKeysWithValues: batch.setAside.map { ($0.sequence, $0) })
        let read = segment.events(name: name)
        #expect(read.map(\.sequence) == Array(segment.header.sequences), "seed \(seed)")
        #expect(items.count + setAside.count == read.count, "seed \(seed)")
        for event in read {
            switch event {
            case .event(let event):
                guard let item = items[event.sequence] else {
                    #expect(
                        Bool(false), "seed \(seed): only one reader takes event \(event.sequence)")
                    continue
                }
                let postings = batch.entries[item.range].map { posting($0, name) }
                #expect(postings == event.transaction.postings, "seed \(seed)")
                let scope: Definition? =
                    item.scope == PostingBatch.Item.noScope ? nil : name(item.scope)
                #expect(scope == event.keyed.map { .text($0.key.scope) }, "seed \(seed)")
            case .unknown(let sequence, _):
                #expect(setAside[sequence] == event, "seed \(seed)")
            case .poisoned(let sequence, _):
                guard items[sequence] != nil else { continue }
                // Its own names, or those of another in its group.
                let isUnnamed = group(of: sequence, in: batch).contains {
                    !isNamed(batch, $0, name)
                }
                #expect(
                    isUnnamed, "seed \(seed): only one reader sets event \(sequence) aside")
            }
        }
        return read
    }

    private func group(of sequence: UInt64, in batch: PostingBatch) -> [PostingBatch.Item] {
        var group: [PostingBatch.Item] = []
        for item in batch.items {
            group.append(item)
            if item.continuesGroup { continue }
            if group.contains(where: { $0.sequence == sequence }) { return group }
            group = []
        }
        return []
    }

    private func posting(_ entry: PostingBatch.Entry, _ name: (UInt32) -> Definition?) -> Posting? {
        guard case .account(let source)? = name(entry.source),
            case .account(let destination)? = name(entry.destination),
            case .asset(let asset)? = name(entry.asset), let amount = try? Amount(entry.units)
        else { return nil }
        return Posting(source: source, destination: destination, asset: asset, amount: amount)
    }

    /// Whether all of an event's numbers stand for names of the right kind: what the batch leaves
    /// to its caller.
    private func isNamed(
        _ batch: PostingBatch, _ item: PostingBatch.Item, _ name: (UInt32) -> Definition?
    ) -> Bool {
        guard batch.entries[item.range].allSatisfy({ posting($0, name) != nil }) else {
            return false
        }
        guard item.scope != PostingBatch.Item.noScope else { return true }
        if case .text? = name(item.scope) { return true }
        return false
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `both readers agree on every segment that is whole`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<20 {
            let (segment, definitions, events) = try random.segment(eventsMax: 20)
            #expect(
                readBothWays(segment, definitions, seed) == events.map { .event($0) },
                "seed \(seed)")
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `both readers agree on every damaged segment`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var poisoned = 0
        for _ in 0..<30 {
            let (segment, definitions, _) = try random.segment(eventsMax: 6)
            for _ in 0..<80 {
                var parts = SegmentBytes(segment)
                random.damage(&parts.events, in: 0..<parts.events.count)
                guard let damaged = try? Segment(decoding: parts.assembled()) else { continue }
                let read = readBothWays(damaged, definitions, seed)
                poisoned += read.count { if case .poisoned = $0 { true } else { false } }
            }
        }
        #expect(poisoned > 0, "seed \(seed): the damage harms nothing")
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `an event whose content is damaged harms none but those of its group, and all of these`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let (segment, definitions, events) = try random.segment(eventsMax: 12)
        for _ in 0..<40 {
            var parts = SegmentBytes(segment)
            let victim = random.below(events.count)
            let range = parts.eventRanges()[victim]
            for _ in 0...random.below(3) {
                parts.events[range.lowerBound + random.below(range.count)] = UInt8(
                    random.below(256))
            }
            let damaged = try Segment(decoding: parts.assembled())
            let read = readBothWays(damaged, definitions, seed)
            let group = group(of: victim, in: parts)
            let isHarmed = if case .event = read[victim] { false } else { true }
            for (index, event) in events.enumerated() where index != victim {
                if group.contains(index), isHarmed {
                    #expect(
                        isBroken(read[index], by: victim, of: events), "seed \(seed), \(index)")
                } else if !group.contains(index) || group.upperBound <= events.count {
                    #expect(read[index] == .event(event), "seed \(seed), event \(index)")
                }
            }
        }
    }

    /// The events of a group by their tags, which the damage may have changed, too.
    private func group(of index: Int, in parts: SegmentBytes) -> Range<Int> {
        let continues = parts.eventRanges().map { parts.events[$0.lowerBound] & 0x80 != 0 }
        var start = index
        while start > 0, continues[start - 1] { start -= 1 }
        var end = index
        while end < continues.count, continues[end] { end += 1 }
        // One past the segment's end: a group that has none.
        return start..<end + 1
    }

    private func isBroken(_ event: ReadEvent, by victim: Int, of events: [Event]) -> Bool {
        guard case .poisoned(_, let error) = event else { return false }
        return error.reason == .brokenGroup(sequence: events[victim].sequence)
    }

    @Test func `an event of a kind that this version does not know is set aside, with its number`()
        throws
    {
        var random = SplitMix64(seed: 3)
        let (segment, definitions, events) = try random.segment(eventsMax: 9)
        for kind in UInt8(0)..<64 where kind != TransactionKind.transfer.rawValue {
            var parts = SegmentBytes(segment)
            let range = parts.eventRanges()[0]
            // Standing for itself, or first of a group: then the others of it have no effect either.
            parts.events[range.lowerBound] = kind | 0x40
            for place in range.dropFirst() { parts.events[place] = 0xFF }
            let read = readBothWays(try Segment(decoding: parts.assembled()), definitions, 3)
            #expect(read.first == .unknown(sequence: segment.header.firstSequence, kind: kind))
            #expect(Array(read.dropFirst()) == events.dropFirst().map { .event($0) })
            guard events.count > 1 else { continue }
            parts.events[range.lowerBound] = kind | 0xC0
            let group = readBothWays(try Segment(decoding: parts.assembled()), definitions, 3)
            #expect(group.first == .unknown(sequence: segment.header.firstSequence, kind: kind))
            #expect(isBroken(group[1], by: 0, of: events))
        }
    }

    @Test
    func `an event as short as a tag may be of an unknown kind, and one without a tag is poisoned`()
        throws
    {
        var random = SplitMix64(seed: 3)
        let (segment, definitions, _) = try random.segment(eventsMax: 1)
        var parts = SegmentBytes(segment)
        parts.events = [1, 0x7F]
        #expect(
            readBothWays(try Segment(decoding: parts.assembled()), definitions, 3)
                == [.unknown(sequence: segment.header.firstSequence, kind: 0x3F)])
        parts.events = [0, 0]
        let read = readBothWays(try Segment(decoding: parts.assembled()), definitions, 3)
        guard case .poisoned(_, let error)? = read.first else {
            return #expect(Bool(false), "\(read)")
        }
        #expect(error.reason == .truncated)
    }

    @Test func `behind a length that lies nothing can be read, and nothing before it is harmed`()
        throws
    {
        var random = SplitMix64(seed: 2)
        var (segment, definitions, events) = try random.segment(eventsMax: 40)
        while events.count < 5 || events[2].continuesGroup {
            (segment, definitions, events) = try random.segment(eventsMax: 40)
        }
        var parts = SegmentBytes(segment)
        let start = parts.eventRanges()[2].upperBound
        parts.events.replaceSubrange(start..<start + 1, with: [0xFF, 0xFF, 0x03])
        let read = readBothWays(try Segment(decoding: parts.assembled()), definitions, 2)
        #expect(Array(read.prefix(3)) == events.prefix(3).map { .event($0) })
        for event in read.dropFirst(3) {
            guard case .poisoned(_, let error) = event else {
                return #expect(Bool(false), "\(event)")
            }
            let expected = WireError.Reason.tooLong(what: "an event", length: 65_535, limit: 61_440)
            #expect(error.reason == expected)
        }
    }

    @Test func `fields of later versions are passed over, and the event stands`() throws {
        var random = SplitMix64(seed: 8)
        let (segment, definitions, events) = try random.segment(eventsMax: 1)
        var parts = SegmentBytes(segment)
        let range = parts.eventRanges()[0]
        var content = Array(parts.events[range])
        let fields = 1 + SegmentBytes.littleEndian(UInt8(0)).count
        content[fields] |= 0x80
        content += [2, 0x11, 3, 0xAA, 0xBB, 0xCC, 0x92, 0x01, 0]
        parts.events = varint(content.count) + content
        let read = readBothWays(try Segment(decoding: parts.assembled()), definitions, 8)
        #expect(read == [.event(events[0])])
        content[content.count - 1] = 1
        parts.events = varint(content.count) + content
        let damaged = readBothWays(try Segment(decoding: parts.assembled()), definitions, 8)
        guard case .poisoned? = damaged.first else { return #expect(Bool(false), "\(damaged)") }
    }

    @Test func `a trace or span id of zeros poisons its event, and no other`() throws {
        var random = SplitMix64(seed: 8)
        let place = SegmentBuilder.Place(
            stream: random.streamTag(), firstSequence: 1, previous: .zero, seen: .nothing,
            dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        let transaction = try Transaction(postings: [try random.posting()])
        let trace = TraceContext(
            traceID: [UInt8](repeating: 0xA5, count: 16),
            spanID: [UInt8](repeating: 0x5A, count: 8),
            flags: 1)
        for tick in 0..<3 as Range<UInt64> {
            let time = HybridTimestamp(rawValue: tick)
            builder.append(transaction, keyed: nil, trace: trace, time: time)
        }
        let segment = builder.seal(PlainSHA256()).segment
        let definitions = try segment.definitions()
        let whole = readBothWays(segment, definitions, 8)
        for (id, count) in [(UInt8(0xA5), 16), (0x5A, 8)] {
            var parts = SegmentBytes(segment)
            let content = parts.eventRanges()[1]
            let start = try #require(parts.events[content].firstIndex(of: id))
            #expect(parts.events[start..<start + count].allSatisfy { $0 == id })
            for index in start..<start + count - 1 { parts.events[index] = 0 }
            let kept = readBothWays(try Segment(decoding: parts.assembled()), definitions, 8)
            guard case .event = kept[1] else { return #expect(Bool(false), "\(kept[1])") }
            parts.events[start + count - 1] = 0
            let damaged = try Segment(decoding: parts.assembled())
            let read = readBothWays(damaged, definitions, 8)
            #expect(read[0] == whole[0] && read[2] == whole[2])
            guard case .poisoned(2, let error) = read[1] else {
                return #expect(Bool(false), "\(read[1])")
            }
            #expect(error.reason == .invalid(what: "a trace or span id of zeros"))
            var batch = PostingBatch()
            batch.read(damaged)
            #expect(batch.items.map(\.sequence) == [1, 3])
            #expect(batch.setAside == [read[1]])
        }
    }

    private func varint(_ value: Int) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
    }

    @Test func `a number written longer than it need be poisons its event`() throws {
        var random = SplitMix64(seed: 8)
        let (segment, definitions, _) = try random.segment(eventsMax: 1)
        var parts = SegmentBytes(segment)
        let range = parts.eventRanges()[0]
        var content = Array(parts.events[range])
        #expect(content[1] == 0, "the first event's time is its segment's")
        content.replaceSubrange(1..<2, with: [0x80, 0x00])
        parts.events = varint(content.count) + content
        let read = readBothWays(try Segment(decoding: parts.assembled()), definitions, 8)
        guard case .poisoned(_, let error)? = read.first else {
            return #expect(Bool(false), "\(read)")
        }
        #expect(error.reason == .invalid(what: "a number written longer than it need be"))
    }

    @Test
    func
        `definitions that are not what the header says are refused, and the events are still counted`()
        throws
    {
        var random = SplitMix64(seed: 9)
        let (segment, _, _) = try random.segment(eventsMax: 5)
        var parts = SegmentBytes(segment)
        parts.definitions[0] = 9
        let damaged = try Segment(decoding: parts.assembled())
        #expect(throws: WireError.self) { try damaged.definitions() }
        let read = damaged.events { _ in nil }
        #expect(read.allSatisfy { if case .poisoned = $0 { true } else { false } })
        #expect(read.count == Int(segment.header.count))
    }
}
