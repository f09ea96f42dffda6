import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct SegmentTests {
    private func names(_ definitions: [Definition]) -> (UInt32) -> Definition? {
        { Int($0) < definitions.count ? definitions[Int($0)] : nil }
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func `what the builder took reads back from the bytes alone`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let place = SegmentBuilder.Place(
            stream: random.streamTag(), firstSequence: 1 + random.next() % 1000,
            previous: random.hash(),
            seen: random.seen(), dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        var definitions: [Definition] = []
        var previous = place.previous
        var sequence = place.firstSequence
        for _ in 0..<4 {
            let events = try random.append(1 + random.below(20), to: &builder)
            let (sealed, hash) = builder.seal(PlainSHA256())
            let segment = try Segment(decoding: sealed.bytes)
            #expect(
                segment == sealed && segment.header.byteCount == segment.bytes.count, "seed \(seed)"
            )
            #expect(segment.header.previous == previous, "seed \(seed)")
            #expect(
                segment.header.stream == place.stream && segment.header.seen == place.seen,
                "seed \(seed)")
            #expect(
                segment.header.sequences == sequence...(sequence + UInt64(events.count) - 1),
                "seed \(seed)")
            #expect(segment.hash(PlainSHA256()) == hash, "seed \(seed)")
            #expect(hash == PlainSHA256().sha256(previous.bytes, segment.bytes), "seed \(seed)")
            #expect(Int(segment.header.definitionCountBefore) == definitions.count, "seed \(seed)")
            definitions += try segment.definitions()
            #expect(
                segment.events(name: names(definitions)) == events.map { .event($0) },
                "seed \(seed)")
            (previous, sequence) = (hash, sequence + UInt64(events.count))
        }
        #expect(definitions == builder.dictionary.definitions, "seed \(seed)")
    }

    @Test func `texts come back byte for byte, also those that only look alike`() throws {
        let texts = ["\u{E9}", "e\u{301}", "", "\0", "👩‍👩‍👧", "\u{FEFF}a"]
        var builder = try emptyBuilder()
        for (index, text) in texts.enumerated() {
            let keyed = KeyedRequest(
                key: try IdempotencyKey(scope: text, key: text + "k"),
                digest: RequestDigest(high: 1, low: 2))
            let pairs = [MetadataPair(name: text, value: text)]
            let transaction = try Transaction(
                postings: [posting()], reference: text, metadata: pairs)
            let time = HybridTimestamp(rawValue: UInt64(index))
            builder.append(transaction, keyed: keyed, trace: nil, time: time)
        }
        let segment = builder.seal(PlainSHA256()).segment
        for (read, text) in zip(segment.events(name: names(try segment.definitions())), texts) {
            guard case .event(let event) = read else { return #expect(Bool(false), "\(read)") }
            let found = [
                event.keyed?.key.scope, event.transaction.reference,
                event.transaction.metadata.first?.name,
            ]
            #expect(found.allSatisfy { $0.map { Array($0.utf8) } == Array(text.utf8) })
            #expect(event.keyed.map { Array($0.key.key.utf8) } == Array((text + "k").utf8))
        }
    }

    // MARK: Damage in transit

    @Test func `a segment with any one bit flipped is refused`() throws {
        var random = SplitMix64(seed: 11)
        let bytes = try random.segment(eventsMax: 6).segment.bytes
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: WireError.self, "bit \(bit)") { try Segment(decoding: damaged) }
        }
    }

    @Test func `a segment that ends too early or too late is refused`() throws {
        var random = SplitMix64(seed: 12)
        let bytes = try random.segment(eventsMax: 6).segment.bytes
        for count in 0..<bytes.count {
            #expect(throws: WireError.self, "\(count) bytes") {
                try Segment(decoding: Array(bytes.prefix(count)))
            }
        }
        #expect(throws: WireError.self) { try Segment(decoding: bytes + [0]) }
        #expect(throws: WireError.self) { try Segment(decoding: withChecksum(bytes + [0])) }
    }

    @Test(arguments: 0..<16 as Range<UInt64>)
    func `whatever a damaged segment with a right checksum says, nothing stops the process`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let (segment, definitions, _) = try random.segment(eventsMax: 8)
        var batch = PostingBatch()
        for round in 0..<1500 {
            var damaged = segment.bytes
            let header = random.oneIn(3)
            random.damage(&damaged, in: header ? 0..<SegmentHeader.byteCount : 0..<damaged.count)
            guard let found = try? Segment(decoding: withChecksum(damaged)) else { continue }
            let own = (try? found.definitions()) ?? []
            let known = round.isMultiple(of: 2) ? definitions : own
            #expect(
                found.events(name: names(known)).count == Int(found.header.count), "seed \(seed)")
            batch.read(found)
            #expect(
                batch.items.count + batch.setAside.count == Int(found.header.count), "seed \(seed)")
            _ = DictionaryState.empty.advanced(
                by: Int(found.header.definitionCount), encoded: found.definitionBytes, PlainSHA256()
            )
        }
    }

    @Test func `a header that says what cannot be is refused and says why`() throws {
        var random = SplitMix64(seed: 13)
        let segment = try random.segment(eventsMax: 3).segment
        func reason(_ offset: Int, _ value: [UInt8]) -> WireError.Reason? {
            var damaged = segment.bytes
            damaged.replaceSubrange(offset..<offset + value.count, with: value)
            do throws(WireError) {
                _ = try Segment(decoding: withChecksum(damaged))
                return nil
            } catch {
                return error.reason
            }
        }
        func u32(_ value: UInt32) -> [UInt8] { SegmentBytes.littleEndian(value) }
        func u64(_ value: UInt64) -> [UInt8] { SegmentBytes.littleEndian(value) }
        let limit = UInt64(SegmentHeader.segmentBytesMax)
        #expect(reason(0, [0]) == .badMagic)
        #expect(reason(4, [2]) == .unknownVersion(2))
        #expect(reason(5, [2]) == .invalid(what: "the header's flags"))
        #expect(reason(6, [117]) == .invalid(what: "the header's length"))
        #expect(reason(8, u64(1 << 40)) == .invalid(what: "the stream's tag"))
        #expect(reason(16, u64(0)) == .invalid(what: "the first sequence number"))
        #expect(reason(16, u64(.max)) == .invalid(what: "the first sequence number"))
        #expect(reason(24, u32(0)) == .invalid(what: "the number of events"))
        #expect(reason(24, u32(.max)) == .invalid(what: "the number of events"))
        #expect(reason(28, u32(.max)) == .invalid(what: "the number of definitions"))
        #expect(reason(88, u32(0)) == .invalid(what: "the number of definitions"))
        #expect(
            reason(92, u32(.max))
                == .tooLong(
                    what: "the length of the definitions", length: UInt64(UInt32.max), limit: limit)
        )
        #expect(
            reason(96, u32(.max))
                == .tooLong(
                    what: "the length of the events", length: UInt64(UInt32.max), limit: limit))
        #expect(
            reason(92, u32(60_000) + u32(60_000))
                == .tooLong(what: "the segment", length: 120_120, limit: limit))
    }

    // MARK: Sizes

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `a segment filled while there is room never exceeds 60 KiB and never misses a byte`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var builder = try emptyBuilder()
        for _ in 0..<4 {
            let events = try random.append(10_000, to: &builder)
            let segment = builder.seal(PlainSHA256()).segment
            #expect(segment.bytes.count <= SegmentHeader.segmentBytesMax, "seed \(seed)")
            #expect(
                try Segment(decoding: segment.bytes).header.count == UInt32(events.count),
                "seed \(seed)")
        }
    }

    @Test(arguments: 0..<400 as Range<UInt64>)
    func `an event never takes more than the room that was asked for`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let transaction =
            seed.isMultiple(of: 2) ? try random.transaction() : try allNamesNew(&random)
        let keyed = random.oneIn(2) ? try random.keyedRequest() : nil
        let trace = random.oneIn(2) ? random.traceContext() : nil
        let filler = try Transaction(
            postings: [posting()], reference: String(repeating: "x", count: random.below(200)))
        let time = HybridTimestamp(rawValue: 0)
        var filled = try emptyBuilder()
        var fillers = 0
        while filled.hasRoom(transaction, keyed, trace) {
            filled.append(filler, keyed: nil, trace: nil, time: time)
            fillers += 1
        }
        try #require(fillers > 0, "seed \(seed): an empty segment has no room for it")
        var builder = try emptyBuilder()
        for _ in 1..<fillers { builder.append(filler, keyed: nil, trace: nil, time: time) }
        #expect(builder.hasRoom(transaction, keyed, trace), "seed \(seed)")
        builder.append(
            transaction, keyed: keyed, trace: trace, time: HybridTimestamp(rawValue: .max))
        #expect(
            builder.seal(PlainSHA256()).segment.bytes.count <= SegmentHeader.segmentBytesMax,
            "seed \(seed)")
    }

    @Test func `the largest transaction of all has room in an empty segment, and fits`() throws {
        let trace = TraceContext(
            traceID: [UInt8](repeating: 255, count: 16), spanID: [UInt8](repeating: 255, count: 8),
            flags: 255,
            state: String(repeating: "s", count: 512))
        let longest = String(repeating: "r", count: 255)
        let keyed = KeyedRequest(
            key: try IdempotencyKey(scope: longest, key: longest),
            digest: RequestDigest(high: .max, low: .max))
        let postings = try (0..<64).map { index in
            let end = "\(100 + index)"
            return Posting(
                source: try AccountAddress(String(repeating: "s", count: 252) + end),
                destination: try AccountAddress(String(repeating: "d", count: 252) + end),
                asset: try Asset("A" + String(repeating: "B", count: 28) + end + "/18"),
                amount: try Amount(.max))
        }
        let pairs = (0..<16).map {
            MetadataPair(name: "n\(10 + $0)", value: String(repeating: "v", count: 253))
        }
        let agent = try AgentID(String(repeating: "z", count: 63))
        let related = EventID(
            agent: agent, stream: try StreamTag("zzzzzzzz"), sequence: .max, branch: "ffffffff")
        let transaction = try Transaction(
            postings: postings, reference: longest, metadata: pairs,
            occurredAt: Timestamp(microseconds: .max),
            related: related)
        var builder = try emptyBuilder()
        #expect(builder.hasRoom(transaction, keyed, trace))
        builder.append(transaction, keyed: keyed, trace: trace, time: HybridTimestamp(rawValue: 0))
        let segment = builder.seal(PlainSHA256()).segment
        let expected = Event(
            sequence: 1, time: HybridTimestamp(rawValue: 0), transaction: transaction, keyed: keyed,
            trace: trace)
        #expect(segment.events(name: names(try segment.definitions())) == [.event(expected)])
        print("bytes of the largest transaction, alone in a segment: \(segment.bytes.count)")
    }

    @Test
    func
        `a thousand transactions of one posting take at most 24 bytes each, one alone at most 160`()
        throws
    {
        var random = SplitMix64(seed: 1)
        var builder = try emptyBuilder()
        let accounts = try (0..<10_000).map {
            try AccountAddress("stores:\($0 / 100):till:\($0 % 100)")
        }
        var clock = HybridClock()
        var now = Timestamp(microseconds: 1_760_000_000_000_000)
        func append(_ count: Int, every microseconds: Int64, amountMax: Int) throws -> Int {
            for _ in 0..<count {
                let posting = Posting(
                    source: accounts[random.below(10_000)],
                    destination: accounts[random.below(10_000)],
                    asset: try Asset("EUR/2"),
                    amount: try Amount(Int64(1 + random.below(amountMax))))
                now = now.advanced(byMicroseconds: microseconds)
                let time = clock.tick(now: now)
                let transaction = try Transaction(postings: [posting])
                #expect(builder.hasRoom(transaction, nil, nil))
                builder.append(transaction, keyed: nil, trace: nil, time: time)
            }
            return builder.seal(PlainSHA256()).segment.bytes.count
        }
        for account in accounts {
            let posting = Posting(
                source: .world, destination: account, asset: try Asset("EUR/2"),
                amount: try Amount(1))
            let transaction = try Transaction(postings: [posting])
            if !builder.hasRoom(transaction, nil, nil) { _ = builder.seal(PlainSHA256()) }
            builder.append(transaction, keyed: nil, trace: nil, time: clock.tick(now: now))
        }
        _ = builder.seal(PlainSHA256())
        let fast = try append(1000, every: 2, amountMax: 100_000)
        let slow = try append(1000, every: 1000, amountMax: 10_000_000)
        let alone = try append(1, every: 1000, amountMax: 10_000_000)
        print(
            "bytes a transaction, 1,000 a segment: \(Double(fast) / 1000) in 2 ms, \(Double(slow) / 1000) in 1 s; alone: \(alone)"
        )
        #expect(fast <= 24_000)
        #expect(slow <= 24_000)
        #expect(alone <= 160)
    }

    // MARK: Definitions

    @Test func `a name is defined once, in the segment that first uses it`() throws {
        var builder = try emptyBuilder()
        let transaction = try Transaction(postings: [posting(), posting()])
        let keyed = KeyedRequest(
            key: try IdempotencyKey(scope: "s", key: "k"), digest: RequestDigest(high: 0, low: 0))
        builder.append(transaction, keyed: keyed, trace: nil, time: HybridTimestamp(rawValue: 1))
        builder.append(transaction, keyed: keyed, trace: nil, time: HybridTimestamp(rawValue: 2))
        let first = builder.seal(PlainSHA256()).segment
        builder.append(transaction, keyed: keyed, trace: nil, time: HybridTimestamp(rawValue: 3))
        let second = builder.seal(PlainSHA256()).segment
        let definitions: [Definition] = [
            .account(.world), .account(try AccountAddress("stores:1")), .asset(try Asset("EUR/2")),
            .text("s"),
        ]
        #expect(try first.definitions() == definitions)
        #expect(try second.definitions() == [])
        #expect(first.header.definitionCountBefore == 0 && first.header.dictionary.count == 4)
        #expect(
            second.header.definitionCountBefore == 4
                && second.header.dictionary == first.header.dictionary)
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `the rolling hash is one step a definition, whatever segments they came in`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        var builder = try emptyBuilder()
        var stepwise = DictionaryState.empty
        var encoded: [UInt8] = []
        for _ in 0..<4 {
            _ = try random.append(1 + random.below(4), to: &builder)
            let segment = builder.seal(PlainSHA256()).segment
            stepwise = stepwise.advanced(
                by: Int(segment.header.definitionCount), encoded: segment.definitionBytes,
                PlainSHA256())
            #expect(segment.header.dictionary == stepwise, "seed \(seed)")
            encoded += segment.definitionBytes
        }
        let count = builder.dictionary.count
        #expect(
            DictionaryState.empty.advanced(by: count, encoded: encoded, PlainSHA256()) == stepwise,
            "seed \(seed)")
        let fewer = DictionaryState.empty.advanced(by: count - 1, encoded: encoded, PlainSHA256())
        #expect(fewer != stepwise, "seed \(seed)")
        let place = encoded.count - 1
        encoded[place] ^= 1
        #expect(
            DictionaryState.empty.advanced(by: count, encoded: encoded, PlainSHA256()) != stepwise,
            "seed \(seed)")
    }

    @Test
    func `a dictionary restored from definitions gives the same numbers and defines nothing again`()
        throws
    {
        var random = SplitMix64(seed: 5)
        var builder = try emptyBuilder()
        _ = try random.append(20, to: &builder)
        let transaction = try random.transaction()
        let (sealed, hash) = builder.seal(PlainSHA256())
        var dictionary = StreamDictionary()
        for definition in try sealed.definitions() { dictionary.restore(definition) }
        let place = SegmentBuilder.Place(
            stream: sealed.header.stream, firstSequence: sealed.header.lastSequence + 1,
            previous: hash, seen: .nothing,
            dictionary: sealed.header.dictionary)
        var restored = SegmentBuilder(place: place, dictionary: dictionary)
        let time = HybridTimestamp(rawValue: 9)
        builder.append(transaction, keyed: nil, trace: nil, time: time)
        restored.append(transaction, keyed: nil, trace: nil, time: time)
        #expect(
            builder.seal(PlainSHA256()).segment.bytes == restored.seal(PlainSHA256()).segment.bytes)
    }

    @Test func `an event keeps what its writer had seen when it was admitted`() throws {
        var builder = try emptyBuilder()
        let tag = try StreamTag("k3f9qa2m")
        let transaction = try Transaction(postings: [posting()])
        builder.saw(Seen(hub: tag, position: 1))
        builder.append(transaction, keyed: nil, trace: nil, time: HybridTimestamp(rawValue: 1))
        builder.saw(Seen(hub: tag, position: 2))
        #expect(builder.seal(PlainSHA256()).segment.header.seen == Seen(hub: tag, position: 1))
        builder.append(transaction, keyed: nil, trace: nil, time: HybridTimestamp(rawValue: 2))
        #expect(builder.seal(PlainSHA256()).segment.header.seen == Seen(hub: tag, position: 2))
    }

    @Test func `a segment without events stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tag = try StreamTag("k3f9qa2m")
            let place = SegmentBuilder.Place(
                stream: tag, firstSequence: 1, previous: .zero, seen: .nothing, dictionary: .empty)
            var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
            _ = builder.seal(PlainSHA256())
        }
    }

    /// What takes the most beside its texts: short names, all new, and the largest amounts.
    private func allNamesNew(_ random: inout SplitMix64) throws -> Transaction {
        let postings = try (0...random.below(64)).map { index in
            Posting(
                source: try AccountAddress("s\(index)"),
                destination: try AccountAddress("d\(index)"),
                asset: try Asset("A\(index)"), amount: try Amount(.max))
        }
        return try Transaction(postings: postings)
    }

    private func emptyBuilder() throws -> SegmentBuilder {
        let place = SegmentBuilder.Place(
            stream: try StreamTag("k3f9qa2m"), firstSequence: 1, previous: .zero, seen: .nothing,
            dictionary: .empty)
        return SegmentBuilder(place: place, dictionary: StreamDictionary())
    }

    private func posting() throws -> Posting {
        Posting(
            source: .world, destination: try AccountAddress("stores:1"), asset: try Asset("EUR/2"),
            amount: try Amount(1250))
    }
}
