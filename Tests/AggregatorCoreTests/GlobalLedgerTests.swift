import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct GlobalLedgerTests {
    /// A stream's segments, made without a session.
    private struct Writer {
        let tag: StreamTag
        var builder: SegmentBuilder
        var segments: [Segment] = []
        var transactions: [Transaction] = []

        init(_ random: inout SplitMix64) {
            let hash = random.hash()
            tag = StreamTag(genesisHash: hash)
            builder = SegmentBuilder(
                place: SegmentBuilder.Place(
                    stream: tag, firstSequence: 1, previous: hash, seen: .nothing,
                    dictionary: .empty), dictionary: StreamDictionary())
        }

        mutating func append(_ transactions: [Transaction]) {
            for transaction in transactions {
                if !builder.hasRoom(transaction, nil, nil) { seal() }
                let time = HybridTimestamp(rawValue: builder.nextSequence)
                builder.append(transaction, keyed: nil, trace: nil, time: time)
                self.transactions.append(transaction)
            }
            seal()
        }

        /// Of one segment, all or none.
        mutating func append(group: [Transaction]) {
            for (index, transaction) in group.enumerated() {
                let time = HybridTimestamp(rawValue: builder.nextSequence)
                builder.append(
                    transaction, keyed: nil, trace: nil, time: time,
                    continuesGroup: index + 1 < group.count)
            }
        }

        mutating func seal() {
            if !builder.isEmpty { segments.append(builder.seal(CheapHasher()).segment) }
        }
    }

    /// Not a digest: the ledger looks at no hash of a segment.
    private struct CheapHasher: ContentHasher {
        func sha256(_ head: [UInt8], _ tail: [UInt8]) -> Hash256 { .zero }
    }

    private struct Place: Hashable {
        let account: AccountAddress
        let asset: Asset
    }

    private func small(_ random: inout SplitMix64) throws -> Transaction {
        try Transaction(postings: try (0..<1 + random.below(3)).map { _ in try random.posting() })
    }

    private func writers(_ random: inout SplitMix64) throws -> [Writer] {
        try (0..<2 + random.below(2)).map { _ in
            var writer = Writer(&random)
            for _ in 0..<1 + random.below(3) {
                writer.append(try (0..<1 + random.below(4)).map { _ in try small(&random) })
            }
            return writer
        }
    }

    /// All segments, each stream's in its order, the streams in any.
    private func interleaved(_ writers: [Writer], _ random: inout SplitMix64) -> [Segment] {
        var rest = writers.map { $0.segments[...] }
        var all: [Segment] = []
        while !rest.isEmpty {
            let choice = random.below(rest.count)
            if let next = rest[choice].popFirst() {
                all.append(next)
            } else {
                rest.remove(at: choice)
            }
        }
        return all
    }

    private func digest(_ ledger: GlobalLedger) -> Hash256 {
        Digests.state(ledger.balances, ledger.counts, PlainSHA256())
    }

    private func sums(_ balances: Balances) -> [Place: [Int128]] {
        let lines = balances.cells.map { cell in
            (
                Place(
                    account: balances.address(of: cell.account), asset: balances.asset(cell.asset)),
                [cell.input, cell.output]
            )
        }
        return Dictionary(uniqueKeysWithValues: lines)
    }

    private func model(_ transactions: [Transaction]) -> [Place: [Int128]] {
        var sums: [Place: [Int128]] = [:]
        for posting in transactions.flatMap(\.postings) {
            let units = Int128(posting.amount.units)
            sums[Place(account: posting.source, asset: posting.asset), default: [0, 0]][1] += units
            sums[Place(account: posting.destination, asset: posting.asset), default: [0, 0]][0] +=
                units
        }
        return sums
    }

    @Test
    func
        `any interleaving of streams gives one digest and the plain sums`()
        throws
    {
        for seed in 0..<1000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let writers = try writers(&random)
            var one = GlobalLedger()
            for segment in interleaved(writers, &random) { #expect(one.merge(segment).isEmpty) }
            var other = GlobalLedger()
            for segment in interleaved(writers, &random) { _ = other.merge(segment) }
            #expect(digest(one) == digest(other), "seed \(seed)")
            let transactions = writers.flatMap(\.transactions)
            #expect(sums(one.balances) == model(transactions), "seed \(seed)")
            let count = UInt64(transactions.count)
            #expect(one.counts == .init(transactions: count, events: count), "seed \(seed)")
        }
    }

    @Test func `a ledger that lacks one event has another digest`() throws {
        var random = SplitMix64(seed: 1)
        let writers = try writers(&random)
        var whole = GlobalLedger()
        var part = GlobalLedger()
        for segment in writers[0].segments { _ = whole.merge(segment) }
        for segment in writers[0].segments.dropLast() { _ = part.merge(segment) }
        #expect(digest(whole) != digest(part))
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `from a checkpoint and its names the ledger goes on as if it had never stopped`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let writers = try writers(&random)
        let segments = interleaved(writers, &random)
        var whole = GlobalLedger()
        for segment in segments { _ = whole.merge(segment) }
        let cut = random.below(segments.count)
        var before = GlobalLedger()
        for segment in segments[..<cut] { _ = before.merge(segment) }
        var after = GlobalLedger(balances: before.balances, counts: before.counts)
        for writer in writers {
            let known = segments[..<cut].filter { $0.header.stream == writer.tag }
            guard let last = known.last else { continue }
            after.restore(
                try known.flatMap { try $0.definitions() }, of: writer.tag,
                leadingTo: last.header.dictionary)
        }
        for segment in segments[cut...] { #expect(after.merge(segment).isEmpty, "seed \(seed)") }
        #expect(digest(after) == digest(whole), "seed \(seed)")
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `a poisoned event and one of an unknown kind move nothing, are counted, and harm no other`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var writer = Writer(&random)
        writer.append(try (0..<6).map { _ in try small(&random) })
        writer.append(try (0..<3).map { _ in try small(&random) })
        var parts = SegmentBytes(writer.segments[0])
        let ranges = parts.eventRanges()
        let poisoned = random.below(6)
        let unknown = (poisoned + 1 + random.below(5)) % 6
        // The shortest time is spelled too long; the other's kind is one that nobody knows.
        parts.events[ranges[poisoned].lowerBound + 1] = 0x80
        parts.events[ranges[poisoned].lowerBound + 2] = 0x00
        parts.events[ranges[unknown].lowerBound] = 0x40 | 0x3E
        var ledger = GlobalLedger()
        let setAside = ledger.merge(try Segment(decoding: parts.assembled()))
        #expect(
            setAside.map(\.sequence).sorted()
                == [poisoned, unknown].sorted().map { UInt64($0 + 1) })
        #expect(ledger.merge(writer.segments[1]).isEmpty)
        let sound = writer.transactions.enumerated().filter {
            ![poisoned, unknown].contains($0.offset)
        }
        #expect(sums(ledger.balances) == model(sound.map(\.element)), "seed \(seed)")
        #expect(ledger.counts == .init(transactions: 7, events: 9, setAside: 2), "seed \(seed)")
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `a group applies all or none, in any order of the streams, and an audit agrees`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var whole: [Transaction] = []
        var segments: [[Segment]] = []
        var harmed = 0
        for _ in 0..<2 {
            var writer = Writer(&random)
            var groups: [[Transaction]] = []
            for _ in 0..<2 + random.below(3) {
                let group = try (0..<1 + random.below(4)).map { _ in try small(&random) }
                writer.append(group: group)
                groups.append(group)
            }
            writer.seal()
            var parts = SegmentBytes(writer.segments[0])
            let victim = random.below(groups.count)
            let first = groups[..<victim].reduce(0) { $0 + $1.count }
            let event = parts.eventRanges()[first + random.below(groups[victim].count)]
            if random.oneIn(2) {
                // The time is spelled too long; what is behind it does not matter any more.
                parts.events[event.lowerBound + 1] = 0x80
                parts.events[event.lowerBound + 2] = 0x00
            } else if parts.events[event.lowerBound + 2] == 0 {
                // Its source is a number that nobody has: only whoever knows the names can tell.
                parts.events[event.lowerBound + 3] = 0x7F
            } else {
                parts.events[event.lowerBound] = parts.events[event.lowerBound] & 0x80 | 0x7E
            }
            harmed += groups[victim].count
            whole += groups.indices.filter { $0 != victim }.flatMap { groups[$0] }
            segments.append([try Segment(decoding: parts.assembled())])
        }
        var one = GlobalLedger()
        var other = GlobalLedger()
        let setAside = segments.flatMap { $0 }.flatMap { one.merge($0) }
        for segment in segments.reversed().flatMap({ $0 }) { _ = other.merge(segment) }
        #expect(digest(one) == digest(other), "seed \(seed)")
        #expect(setAside.count == harmed, "seed \(seed)")
        #expect(sums(one.balances).filter { $0.value != [0, 0] } == model(whole), "seed \(seed)")
        let all = UInt64(whole.count + harmed)
        #expect(
            one.counts
                == .init(
                    transactions: UInt64(whole.count), events: all, setAside: UInt64(harmed)),
            "seed \(seed)")
        // What reads events in full, as the audit and `verify` do, finds the same.
        let read = try segments.flatMap { $0 }.flatMap { segment in
            let names = try segment.definitions()
            return segment.events { Int($0) < names.count ? names[Int($0)] : nil }
        }
        let sound = read.compactMap { event in
            if case .event(let event) = event { event.transaction } else { nil }
        }
        #expect(model(sound) == model(whole), "seed \(seed)")
    }

    @Test func `names that cannot be read give their numbers to nobody else`() throws {
        var random = SplitMix64(seed: 5)
        func transaction(_ place: String, _ asset: String) throws -> Transaction {
            try Transaction(postings: [
                Posting(
                    source: try AccountAddress(place + ":1"),
                    destination: try AccountAddress(place + ":2"), asset: try Asset(asset),
                    amount: try Amount(5))
            ])
        }
        var writer = Writer(&random)
        for (place, asset) in [("a", "EUR/2"), ("b", "USD/2"), ("c", "KWH/3"), ("b", "USD/2")] {
            writer.append([try transaction(place, asset)])
        }
        var parts = SegmentBytes(writer.segments[0])
        // The first account's name begins with what no account may.
        parts.definitions[2] = UInt8(ascii: " ")
        var ledger = GlobalLedger()
        #expect(ledger.merge(try Segment(decoding: parts.assembled())).count == 1)
        for segment in writer.segments[1...] { #expect(ledger.merge(segment).isEmpty) }
        #expect(sums(ledger.balances) == model(Array(writer.transactions[1...])))
        #expect(ledger.counts == .init(transactions: 3, events: 4, setAside: 1))
        // Whoever pays with a name that was lost moves nothing.
        writer.append([try transaction("a", "USD/2")])
        #expect(ledger.merge(writer.segments[4]).count == 1)
    }

    @Test func `the digest of the facts depends on no order`() throws {
        var random = SplitMix64(seed: 6)
        let leaves = (0..<5).map { _ in
            (genesis: random.hash(), end: ChainPoint(sequence: random.next(), hash: random.hash()))
        }
        let digest = Digests.facts(leaves, PlainSHA256())
        #expect(Digests.facts(leaves.shuffled(using: &random), PlainSHA256()) == digest)
        #expect(Digests.facts(Array(leaves.dropLast()), PlainSHA256()) != digest)
    }
}
