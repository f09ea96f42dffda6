import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// Names that do not follow from those before them.
@Suite struct StreamNamesTests {
    @Test func `a segment whose names are not what its header says merges nothing`() throws {
        var bench = try SessionBench()
        try bench.open()
        _ = bench.receive(1...1)
        var parts = SegmentBytes(bench.chain[1].segment)
        parts.definitions[3] ^= 1
        let damaged = try Segment(decoding: parts.assembled())
        let sealed = SealedSegment(segment: damaged, hash: damaged.hash(PlainSHA256()))
        #expect(bench.receive([sealed]) == [.drop(.badDictionary)])
        #expect(bench.receive(2...2) == [bench.merge(2...2)])
    }

    @Test func `a stream that defines more names than may be kept merges no more`() throws {
        var limits = AggregatorLimits()
        limits.definitionsPerStreamMax = 4
        var bench = try SessionBench(limits: limits)
        try bench.open()
        #expect(bench.receive(1...2) == [bench.merge(1...2)])
        #expect(bench.receive(3...3) == [.drop(.badDictionary)])
    }

    @Test func `names that a restored dictionary lacks are asked for`() throws {
        var bench = try SessionBench()
        bench.session = StreamSession(
            genesis: bench.genesis,
            ends: [BranchEnd(point: bench.end(2), dictionary: bench.names(1))],
            record: StreamSession.Record(announced: bench.end(2)), limits: bench.limits,
            hasher: PlainSHA256(), verifier: ToyVerifier())
        try bench.open()
        let needs = NeedsDefinitions(
            stream: bench.session.stream, segment: bench.end(3).hash, first: 3, through: 4)
        #expect(bench.receive(3...3) == [.sendNeedsDefinitions(session: 1, needs)])
    }
}
