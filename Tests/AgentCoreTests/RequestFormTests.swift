import AgentCore
import LedgerCore
import TestSupport
import Testing

@Suite struct RequestFormTests {
    private func digest(_ form: RequestForm) -> RequestDigest { form.digest(PlainSHA256()) }

    private func time(_ text: String) -> RequestForm.SentTime {
        RequestForm.SentTime(time: Timestamp(microseconds: 1), text: text)
    }

    private func form(_ random: inout SplitMix64) throws -> RequestForm {
        let pairs = random.metadata()
        return RequestForm(
            kind: [.absent, .null, .value(.transfer)][random.below(3)],
            postings: try (0..<1 + random.below(3)).map { _ in try random.posting() },
            reference: member(random.text(bytesMax: 255), &random),
            metadata: member(pairs, &random),
            occurredAt: member(time("t\(random.below(9))"), &random),
            related: member(try random.eventID(), &random))
    }

    private func member<Value>(_ value: Value, _ random: inout SplitMix64) -> Member<Value> {
        [.absent, .null, .value(value)][random.below(3)]
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `the order in which metadata comes makes no difference`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var form = try form(&random)
        let before = digest(form)
        guard case .value(let pairs) = form.metadata else { return }
        form.metadata = .value(pairs.shuffled(using: &random))
        #expect(digest(form) == before, "seed \(seed)")
    }

    @Test func `left out, null and the value that would be filled in are three requests`() throws {
        var random = SplitMix64(seed: 1)
        let posting = try random.posting()
        let forms = [
            RequestForm(postings: [posting]), RequestForm(kind: .null, postings: [posting]),
            RequestForm(kind: .value(.transfer), postings: [posting]),
            RequestForm(postings: [posting], reference: .null),
            RequestForm(postings: [posting], reference: .value("")),
            RequestForm(postings: [posting], metadata: .null),
            RequestForm(postings: [posting], metadata: .value([])),
            RequestForm(postings: [posting], occurredAt: .null),
            RequestForm(postings: [posting], related: .null),
        ]
        #expect(Set(forms.map(digest)).count == forms.count)
    }

    @Test func `a part cannot move from one member into the next`() throws {
        var random = SplitMix64(seed: 2)
        let posting = try random.posting()
        let pairs = [("a", "bc"), ("ab", "c"), ("abc", "")].map {
            RequestForm(
                postings: [posting], metadata: .value([MetadataPair(name: $0.0, value: $0.1)]))
        }
        let one = RequestForm(postings: [posting, posting])
        let other = RequestForm(postings: [posting])
        #expect(Set((pairs + [one, other]).map(digest)).count == 5)
    }

    @Test func `a time is the text that came`() throws {
        var random = SplitMix64(seed: 3)
        let posting = try random.posting()
        let texts = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.0Z"]
        let forms = texts.map { RequestForm(postings: [posting], occurredAt: .value(time($0))) }
        #expect(Set(forms.map(digest)).count == 3)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `every single part that is changed makes another request`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let form = try form(&random)
        var changed: [RequestForm] = []
        func change(_ body: (inout RequestForm) throws -> Void) rethrows {
            var copy = form
            try body(&copy)
            if copy != form { changed.append(copy) }
        }
        let fresh = try self.form(&random)
        change { $0.kind = fresh.kind }
        change { $0.reference = fresh.reference }
        change { $0.occurredAt = fresh.occurredAt }
        change { $0.related = fresh.related }
        change { $0.postings.append(fresh.postings[0]) }
        change { $0.postings.reverse() }
        if case .value(let pairs) = form.metadata, !pairs.isEmpty {
            let place = random.below(pairs.count)
            let name = MetadataPair(name: pairs[place].name + "!", value: pairs[place].value)
            let value = MetadataPair(name: pairs[place].name, value: pairs[place].value + "!")
            change { $0.metadata = .value(pairs.replacing(place, by: name)) }
            change { $0.metadata = .value(pairs.replacing(place, by: value)) }
            change { $0.metadata = .value(Array(pairs.dropLast())) }
        }
        let place = random.below(form.postings.count)
        let (old, new) = (form.postings[place], fresh.postings[0])
        let postings = [
            Posting(
                source: new.source, destination: old.destination, asset: old.asset,
                amount: old.amount),
            Posting(
                source: old.source, destination: new.destination, asset: old.asset,
                amount: old.amount),
            Posting(
                source: old.source, destination: old.destination, asset: new.asset,
                amount: old.amount),
            Posting(
                source: old.source, destination: old.destination, asset: old.asset,
                amount: new.amount),
            Posting(
                source: old.destination, destination: old.source, asset: old.asset,
                amount: old.amount),
        ]
        for posting in postings { change { $0.postings[place] = posting } }
        #expect(changed.count > 2, "seed \(seed)")
        for other in changed { #expect(digest(other) != digest(form), "seed \(seed): \(other)") }
    }

    @Test func `what was left out is filled in for the transaction, and a broken part is named`()
        throws
    {
        var random = SplitMix64(seed: 4)
        let posting = try random.posting()
        let transaction = try RequestForm(postings: [posting], reference: .null).transaction()
        #expect(try transaction == Transaction(postings: [posting]))
        let long = RequestForm(
            postings: [posting], reference: .value(String(repeating: "x", count: 256)))
        #expect { try long.transaction() } throws: { ($0 as? InvalidField)?.path == "reference" }
    }
}

extension [MetadataPair] {
    fileprivate func replacing(_ place: Int, by pair: MetadataPair) -> [MetadataPair] {
        var copy = self
        copy[place] = pair
        return copy
    }
}
