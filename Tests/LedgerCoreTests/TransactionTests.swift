import LedgerCore
import TestSupport
import Testing

@Suite struct TransactionTests {
    private func refusal(_ make: () throws(InvalidField) -> Void) -> String? {
        do throws(InvalidField) {
            try make()
            return nil
        } catch {
            return error.description
        }
    }

    private func posting() throws -> Posting {
        Posting(
            source: .world, destination: try AccountAddress("a"), asset: try Asset("EUR/2"),
            amount: try Amount(1))
    }

    @Test(arguments: [0, 65, 1000])
    func `a transaction without postings or with more than 64 is refused`(_ count: Int) throws {
        let postings = try [Posting](repeating: posting(), count: count)
        let message = refusal { () throws(InvalidField) in _ = try Transaction(postings: postings) }
        #expect(message == "postings: a transaction has 1 to 64 postings, not \(count)")
    }

    @Test(arguments: [1, 64])
    func `a transaction has 1 to 64 postings`(_ count: Int) throws {
        #expect(
            try Transaction(postings: [Posting](repeating: posting(), count: count)).postings.count
                == count)
    }

    @Test func `a reference has at most 255 bytes, not characters`() throws {
        let postings = [try posting()]
        _ = try Transaction(postings: postings, reference: String(repeating: "x", count: 255))
        let long = String(repeating: "é", count: 128)
        let message = refusal { () throws(InvalidField) in
            _ = try Transaction(postings: postings, reference: long)
        }
        #expect(message == "reference: a reference has at most 255 bytes, not 256")
    }

    @Test func `metadata has at most 16 pairs, 4096 bytes and no name twice`() throws {
        let postings = [try posting()]
        func refusal(_ pairs: [MetadataPair]) -> String? {
            self.refusal { () throws(InvalidField) in
                _ = try Transaction(postings: postings, metadata: pairs)
            }
        }
        let pairs = (0..<17).map { MetadataPair(name: "n\($0)", value: "") }
        #expect(refusal(Array(pairs.prefix(16))) == nil)
        #expect(refusal(pairs) == "metadata: metadata has at most 16 pairs, not 17")
        #expect(
            refusal([MetadataPair(name: "n", value: String(repeating: "v", count: 4095))]) == nil)
        #expect(
            refusal([MetadataPair(name: "n", value: String(repeating: "v", count: 4096))])
                == "metadata: metadata has at most 4096 bytes, names and values, not 4097")
        #expect(
            refusal([MetadataPair(name: "a", value: "1"), MetadataPair(name: "a", value: "2")])
                == "metadata: the name \"a\" stands twice")
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `metadata stands in the order of its names' bytes, however it came`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pairs = random.metadata()
        let shuffled = pairs.shuffled(using: &random)
        let one = try Transaction(postings: [posting()], metadata: pairs).metadata
        let other = try Transaction(postings: [posting()], metadata: shuffled).metadata
        #expect(one == other, "seed \(seed)")
        #expect(one.count == pairs.count, "seed \(seed)")
        for (pair, next) in zip(one, one.dropFirst()) {
            #expect(pair.name.utf8.lexicographicallyPrecedes(next.name.utf8), "seed \(seed)")
        }
    }

    @Test func `names that look alike and differ in their bytes are two names`() throws {
        let pairs = [
            MetadataPair(name: "\u{E9}", value: "1"), MetadataPair(name: "e\u{301}", value: "2"),
        ]
        #expect(
            try Transaction(postings: [posting()], metadata: pairs).metadata.map(\.value) == [
                "2", "1",
            ])
    }

    @Test func `a trace context leaves out a state that is too long`() {
        let id = [UInt8](repeating: 1, count: 16)
        let span = [UInt8](repeating: 2, count: 8)
        let kept = TraceContext(
            traceID: id, spanID: span, flags: 1, state: String(repeating: "s", count: 512))
        #expect(kept.state.utf8.count == 512)
        let cut = TraceContext(
            traceID: id, spanID: span, flags: 1, state: String(repeating: "s", count: 513))
        #expect(cut.state == "")
    }

    @Test(arguments: [
        (0, 16, 0, 8), (0, 16, 1, 8), (1, 16, 0, 8), (1, 15, 1, 8), (1, 17, 1, 8), (1, 16, 1, 7),
        (1, 16, 1, 9), (1, 0, 1, 0),
    ])
    func `a trace or span id of zeros or of another length stops the process`(
        _ trace: UInt8, _ traceCount: Int, _ span: UInt8, _ spanCount: Int
    ) async {
        let traceID = [UInt8](repeating: 0, count: max(0, traceCount - 1)) + [trace]
        let spanID = [UInt8](repeating: 0, count: max(0, spanCount - 1)) + [span]
        #expect(!TraceContext.areIDs(traceID, spanID))
        await #expect(processExitsWith: .failure) {
            [traceID = traceID as [UInt8], spanID = spanID as [UInt8]] in
            _ = TraceContext(traceID: traceID, spanID: spanID, flags: 0)
        }
    }

    @Test func `a trace and a span id need one bit each`() {
        let traceID = [0x80] + [UInt8](repeating: 0, count: 15)
        let spanID = [UInt8](repeating: 0, count: 7) + [1]
        #expect(TraceContext.areIDs(traceID, spanID))
        let context = TraceContext(traceID: traceID, spanID: spanID, flags: 0)
        #expect(context.traceID == traceID && context.spanID == spanID)
    }
}
