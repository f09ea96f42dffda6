import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

@Suite struct AdmissionTests {
    private static let start = Timestamp(microseconds: 1_760_000_000_000_000)

    private func origin(keys: [IdempotencyKey: KeyRecord] = [:]) -> AdmissionOrigin {
        let hash = PlainSHA256().sha256([], [1])
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash, seen: .nothing,
            dictionary: .empty)
        return AdmissionOrigin(
            place: place, dictionary: StreamDictionary(), balances: Balances(),
            latest: HybridTimestamp(rawValue: 0), keys: keys, transactions: 0)
    }

    private func admission() -> Admission<String> {
        Admission(origin(), hasher: PlainSHA256())
    }

    private func submission(_ units: Int64 = 1, key: String? = nil, body: UInt64 = 0) throws
        -> Submission
    {
        let posting = Posting(
            source: .world, destination: try AccountAddress("till:1"), asset: try Asset("EUR/2"),
            amount: try Amount(units))
        let keyed = try key.map {
            KeyedRequest(
                key: try IdempotencyKey(scope: "client", key: $0),
                digest: RequestDigest(high: 0, low: body))
        }
        return Submission(try Transaction(postings: [posting]), keyed: keyed)
    }

    private func submit(
        _ admission: inout Admission<String>, _ submissions: [Submission], _ waiter: String = "a",
        now: Timestamp = start
    ) {
        admission.submit(submissions, waiter: waiter, now: now) { _ in nil }
    }

    /// What one store transaction does.
    private func persist(_ admission: inout Admission<String>) -> [(String, [Outcome])] {
        let sealed = admission.seal()
        return admission.persisted(sealed, Durable(position: 1))
    }

    private func sequences(_ outcomes: [Outcome]) -> [UInt64] {
        outcomes.map {
            switch $0 {
            case .accepted(let place, _), .replayed(let place), .mismatched(let place):
                place.sequence
            case .groupTooLarge: 0
            }
        }
    }

    // MARK: Answers

    @Test func `every waiter is answered when its events are durable, in order and once`() throws {
        var admission = admission()
        submit(&admission, [try submission(), try submission()], "a")
        submit(&admission, [try submission()], "b")
        #expect(admission.hasWaiters && admission.head.sequence == 0)
        let sealed = admission.seal()
        #expect(sealed.map(\.end.sequence) == [3] && admission.head.sequence == 0)
        let answers = admission.persisted(sealed, Durable(position: 1))
        #expect(answers.map(\.0) == ["a", "b"])
        #expect(answers.map { sequences($0.1) } == [[1, 2], [3]])
        #expect(admission.head == sealed[0].end && !admission.hasWaiters)
        #expect(admission.settled().isEmpty)
    }

    @Test func `an answer before its event is sealed stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tests = AdmissionTests()
            var admission = tests.admission()
            tests.submit(&admission, [try tests.submission()])
            _ = admission.settled()
        }
    }

    @Test func `an answer before its event is durable stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tests = AdmissionTests()
            var admission = tests.admission()
            tests.submit(&admission, [try tests.submission()])
            _ = admission.seal()
            _ = admission.settled()
        }
    }

    @Test func `an answer when only a part was written stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tests = AdmissionTests()
            var admission = tests.admission()
            tests.submit(&admission, [try tests.submission()])
            _ = admission.seal()
            _ = admission.persisted([], Durable(position: 1))
        }
    }

    @Test func `a failed write leaves all waiters to be told, and answers none`() throws {
        var admission = admission()
        submit(&admission, [try submission()], "a")
        submit(&admission, [try submission()], "b")
        _ = admission.seal()
        submit(&admission, [try submission()], "c")
        #expect(admission.abandon() == ["a", "b", "c"])
        #expect(!admission.hasWaiters && admission.abandon() == [])
    }

    // MARK: Keys

    @Test
    func `the same request under its key is answered with its first event, wherever that stands`()
        throws
    {
        var admission = admission()
        submit(
            &admission,
            [try submission(key: "k"), try submission(key: "k"), try submission(key: "k", body: 1)])
        submit(&admission, [try submission(key: "k"), try submission(key: "other")], "b")
        let first = persist(&admission)
        let one = EventPlace(stream: admission.stream, sequence: 1)
        guard case .accepted(one, _) = first[0].1[0] else {
            return #expect(Bool(false), "\(first)")
        }
        #expect(first[0].1[1...] == [.replayed(one), .mismatched(one)])
        #expect(first[1].1[0] == .replayed(one) && sequences(first[1].1) == [1, 2])
        submit(&admission, [try submission(key: "k", body: 1), try submission(key: "k")])
        #expect(admission.seal().isEmpty)
        #expect(admission.settled()[0].1 == [.mismatched(one), .replayed(one)])
        #expect(admission.transactions == 2 && admission.nextSequence == 3)
    }

    @Test func `keys that a checkpoint took are asked of the store, and others are not`() throws {
        var admission = admission()
        submit(&admission, [try submission(key: "k"), try submission(key: "l")])
        let sealed = admission.seal()
        let taken = admission.takeCheckpoint()
        _ = admission.persisted(sealed, Durable(position: 1))
        #expect(Set(taken.keys.keys.map(\.key)) == ["k", "l"] && admission.keys.isEmpty)
        submit(&admission, [try submission(key: "m")])
        _ = persist(&admission)
        var asked: [String] = []
        let again = try ["k", "m", "n"].map { try submission(key: $0) }
        admission.submit(again, waiter: "a", now: AdmissionTests.start) { key in
            asked.append(key.key)
            return taken.keys[key]
        }
        #expect(asked == ["k", "n"])
        #expect(sequences(persist(&admission)[0].1) == [1, 3, 4])
    }

    @Test func `an error of the store reaches the caller`() throws {
        struct Unreadable: Error {}
        var admission = admission()
        let keyed = [try submission(key: "k")]
        var hasThrown = false
        do {
            try admission.submit(keyed, waiter: "a", now: AdmissionTests.start) { _ in
                throw Unreadable()
            }
        } catch { hasThrown = true }
        #expect(hasThrown)
    }

    // MARK: Segments and times

    @Test func `a full segment is sealed and the next begins behind it, without a gap`() throws {
        var admission = admission()
        let pairs = [MetadataPair(name: "n", value: String(repeating: "x", count: 4000))]
        let posting = try submission().transaction.postings[0]
        let large = Submission(try Transaction(postings: [posting], metadata: pairs))
        submit(&admission, Array(repeating: large, count: 40))
        #expect(admission.sealedCount >= 2)
        let sealed = admission.seal()
        var end = ChainPoint(sequence: 0, hash: PlainSHA256().sha256([], [1]))
        for one in sealed {
            #expect(one.segment.header.firstSequence == end.sequence + 1)
            #expect(one.segment.header.previous == end.hash)
            #expect(one.segment.bytes.count <= SegmentHeader.segmentBytesMax)
            #expect(one.hash == one.segment.hash(PlainSHA256()))
            end = one.end
        }
        #expect(sealed.count >= 3 && end.sequence == 40)
        let outcomes = admission.persisted(sealed, Durable(position: 1))[0].1
        #expect(sequences(outcomes) == Array(1...40))
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `times never go back, also where the wall clock does and over a restart`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        var latest = HybridTimestamp(rawValue: 0)
        var origin = origin()
        for _ in 0..<5 {
            origin.latest = latest
            var admission = Admission<String>(origin, hasher: PlainSHA256())
            for _ in 0..<10 {
                let wall = Timestamp(microseconds: Int64(random.below(1_000_000)))
                submit(&admission, [try submission(), try submission()], now: wall)
            }
            for case .accepted(_, let time) in persist(&admission).flatMap(\.1) {
                #expect(time > latest, "seed \(seed)")
                latest = time
            }
        }
    }

    @Test func `what the writer has seen stands in the segments after that`() throws {
        var admission = admission()
        let seen = Seen(hub: StreamTag(genesisHash: .zero), position: 7)
        submit(&admission, [try submission()])
        admission.saw(seen)
        let first = admission.seal()
        _ = admission.persisted(first, Durable(position: 1))
        submit(&admission, [try submission()])
        #expect(first[0].segment.header.seen == .nothing)
        #expect(admission.seal()[0].segment.header.seen == seen)
    }

    // MARK: Streams

    private func place(of number: UInt8) -> SegmentBuilder.Place {
        let hash = PlainSHA256().sha256([], [number])
        return SegmentBuilder.Place(
            stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash, seen: .nothing,
            dictionary: .empty)
    }

    @Test func `in another stream, keys and balances stay, and chain and names begin anew`() throws
    {
        var admission = admission()
        submit(&admission, [try submission(5, key: "k"), try submission(6)])
        let first = admission.seal()
        _ = admission.persisted(first, Durable(position: 1))
        let latest = first[0].segment.header.base
        let place = place(of: 2)
        admission.draw(place)
        #expect(admission.stream == place.stream && admission.nextSequence == 1)
        #expect(admission.head == ChainPoint(sequence: 0, hash: place.previous))
        submit(&admission, [try submission(5, key: "k"), try submission(7, key: "l")])
        let second = admission.seal()
        let header = second[0].segment.header
        #expect(header.stream == place.stream && header.previous == place.previous)
        #expect(header.firstSequence == 1 && header.definitionCountBefore == 0)
        #expect(header.base > latest)
        let before = EventPlace(stream: first[0].segment.header.stream, sequence: 1)
        let outcomes = admission.persisted(second, Durable(position: 2))[0].1
        #expect(outcomes[0] == .replayed(before))
        guard case .accepted(EventPlace(stream: place.stream, sequence: 1), _) = outcomes[1] else {
            return #expect(Bool(false), "\(outcomes)")
        }
        let till = admission.balances.sums(
            of: try AccountAddress("till:1"), in: try Asset("EUR/2"))
        #expect(till.input == 18 && admission.transactions == 3)
    }

    @Test func `another stream while events wait for the disk stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tests = AdmissionTests()
            var admission = tests.admission()
            tests.submit(&admission, [try tests.submission()])
            admission.draw(tests.place(of: 2))
        }
    }

    @Test func `another stream while sealed events are not durable stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let tests = AdmissionTests()
            var admission = tests.admission()
            tests.submit(&admission, [try tests.submission()])
            _ = admission.seal()
            admission.draw(tests.place(of: 2))
        }
    }

    // MARK: Balances

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `balances equal a dictionary of sums`(seed: UInt64) throws {
        struct Place: Hashable {
            let account: AccountAddress
            let asset: Asset
        }
        var random = SplitMix64(seed: seed)
        var admission = admission()
        var model: [Place: (input: Int128, output: Int128)] = [:]
        for _ in 0..<20 {
            let transactions = try (0..<1 + random.below(4)).map { _ in try random.transaction() }
            submit(&admission, transactions.map { Submission($0) })
            for posting in transactions.flatMap(\.postings) {
                let units = Int128(posting.amount.units)
                let from = Place(account: posting.source, asset: posting.asset)
                let to = Place(account: posting.destination, asset: posting.asset)
                model[from, default: (0, 0)].output += units
                model[to, default: (0, 0)].input += units
            }
            if random.oneIn(2) { _ = persist(&admission) }
        }
        let balances = admission.balances
        #expect(balances.cells.count == model.count, "seed \(seed)")
        for cell in balances.cells {
            let place = Place(
                account: balances.address(of: cell.account), asset: balances.asset(cell.asset))
            #expect(cell.input == model[place]?.input, "seed \(seed)")
            #expect(cell.output == model[place]?.output, "seed \(seed)")
        }
        #expect(balances.totals().allSatisfy { $0.input == $0.output }, "seed \(seed)")
    }
}
