import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

@Suite struct GroupAdmissionTests {
    private static let now = Timestamp(microseconds: 1_760_000_000_000_000)

    private func admission(_ keys: [IdempotencyKey: KeyRecord] = [:]) -> Admission<String> {
        let hash = PlainSHA256().sha256([], [1])
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash, seen: .nothing,
            dictionary: .empty)
        return Admission(
            AdmissionOrigin(
                place: place, dictionary: StreamDictionary(), balances: Balances(),
                latest: HybridTimestamp(rawValue: 0), keys: keys, transactions: 0),
            hasher: PlainSHA256())
    }

    private func keyed(_ key: String, _ body: UInt64 = 0) throws -> KeyedRequest {
        KeyedRequest(
            key: try IdempotencyKey(scope: "till-1", key: key),
            digest: RequestDigest(high: 0, low: body))
    }

    private func group(
        _ count: Int, _ keyed: KeyedRequest? = nil, reference: Int = 0
    ) throws -> [Submission] {
        try (0..<count).map { index in
            let posting = Posting(
                source: .world, destination: try AccountAddress("till:\(index)"),
                asset: try Asset("EUR/2"), amount: try Amount(1))
            let transaction = try Transaction(
                postings: [posting],
                reference: reference > 0 ? String(repeating: "r", count: reference) : nil)
            return Submission(transaction, keyed: index == 0 ? keyed : nil)
        }
    }

    private func submit(_ admission: inout Admission<String>, _ group: [Submission]) {
        admission.submit(group: group, waiter: "a", now: Self.now) { _ in nil }
    }

    private func persist(_ admission: inout Admission<String>) -> [Outcome] {
        let sealed = admission.seal()
        return admission.persisted(sealed, Durable(position: 1)).flatMap(\.1)
    }

    private func sequences(_ outcomes: [Outcome]) -> [UInt64] {
        outcomes.compactMap { outcome in
            if case .accepted(let place, _) = outcome { place.sequence } else { nil }
        }
    }

    @Test func `a group is accepted with a number for each of it, and repeated as a whole`() throws
    {
        var admission = admission()
        submit(&admission, try group(3, keyed("day-1")))
        #expect(sequences(persist(&admission)) == [1, 2, 3])
        submit(&admission, try group(3, keyed("day-1")))
        let first = EventPlace(stream: admission.stream, sequence: 1)
        #expect(admission.settled().flatMap(\.1) == [.replayed(first)])
        submit(&admission, try group(2, keyed("day-1", 7)))
        #expect(admission.settled().flatMap(\.1) == [.mismatched(first)])
        #expect(admission.transactions == 3 && admission.nextSequence == 4)
    }

    @Test func `what the store knows of a group's key answers for the group`() throws {
        let keyed = try keyed("day-1")
        var admission = admission()
        let place = EventPlace(stream: StreamTag(genesisHash: .zero), sequence: 77)
        admission.submit(group: try group(2, keyed), waiter: "a", now: Self.now) { _ in
            KeyRecord(place: place, digest: keyed.digest)
        }
        #expect(admission.settled().flatMap(\.1) == [.replayed(place)])
    }

    @Test func `a group that is too large leaves nothing behind, and its key stays free`() throws {
        var admission = admission()
        submit(&admission, try group(300, keyed("day-1"), reference: 200))
        #expect(admission.settled().flatMap(\.1) == [.groupTooLarge])
        #expect(admission.balances.cells.isEmpty && admission.transactions == 0)
        #expect(admission.nextSequence == 1)
        submit(&admission, try group(2, keyed("day-1")))
        #expect(sequences(persist(&admission)) == [1, 2])
        #expect(admission.balances.totals().map(\.input) == [2])
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `groups and single ones share segments, and no group is ever cut`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var admission = admission()
        var expected: [UInt64] = []
        var next: UInt64 = 1
        for _ in 0..<20 {
            let count = 1 + random.below(60)
            let reference = random.below(256)
            if random.oneIn(2) {
                submit(&admission, try group(count, reference: reference))
                // The last of each group ends it.
                expected += (1..<UInt64(count)).map { next + $0 - 1 }
            } else {
                let singles = try group(count, reference: reference)
                admission.submit(singles, waiter: "b", now: Self.now) { _ in nil }
            }
            next += UInt64(count)
        }
        var definitions: [Definition] = []
        var continuing: [UInt64] = []
        var read = 0
        let sealed = admission.seal()
        for segment in sealed.map(\.segment) {
            definitions += try segment.definitions()
            let names = definitions
            for case .event(let event) in segment.events(name: { names[Int($0)] }) {
                read += 1
                if event.continuesGroup { continuing.append(event.sequence) }
            }
        }
        let outcomes = admission.persisted(sealed, Durable(position: 1)).flatMap(\.1)
        #expect(sequences(outcomes) == Array(1..<next), "seed \(seed)")
        #expect(continuing == expected, "seed \(seed)")
        #expect(read == Int(next - 1), "seed \(seed): a group was cut, or an event poisoned")
    }

    @Test func `a group's digest is its own: not that of its items, of another order, or of less`()
        throws
    {
        let forms = try (1...3).map { units in
            RequestForm(postings: [
                Posting(
                    source: .world, destination: try AccountAddress("a"), asset: try Asset("EUR/2"),
                    amount: try Amount(Int64(units)))
            ])
        }
        let hasher = PlainSHA256()
        let digests =
            [forms, forms.reversed(), Array(forms.dropLast()), [forms[0]]].map {
                RequestForm.digest(ofGroup: $0, hasher)
            } + [forms[0].digest(hasher)]
        #expect(Set(digests).count == 5)
        #expect(RequestForm.digest(ofGroup: forms, hasher) == digests[0])
    }
}
