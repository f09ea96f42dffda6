import LedgerCore
import SyncProtocol
import TestSupport

/// A data folder, or a copy of one: a value, so that copying it is what copying a folder is.
struct CopiedWriter {
    let genesis: Genesis
    let start: ChainPoint
    private(set) var segments: [SealedSegment] = []
    var lastSession: UInt64 = 0
    private var builder: SegmentBuilder
    private let hasher = PlainSHA256()

    init(_ random: inout SplitMix64) throws {
        genesis = Genesis(
            writer: .agent, ledger: "test", agent: try AgentID("till-1"),
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: ToySigner(1).publicKey)
        start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: StreamTag(genesisHash: start.hash), firstSequence: 1, previous: start.hash,
                seen: .nothing, dictionary: .empty), dictionary: StreamDictionary())
    }

    var head: ChainPoint { segments.last?.end ?? start }

    func has(_ point: ChainPoint) -> Bool {
        point == start || segments.contains { $0.end == point }
    }

    /// One to three events in a segment. Accounts are drawn anew, so that two copies number theirs
    /// differently.
    mutating func write(_ random: inout SplitMix64) throws {
        for _ in 0...random.below(3) {
            let accounts = try ["a", "b", "c", "d", "e", "f"].map { try AccountAddress("s:\($0)") }
            let posting = Posting(
                source: accounts[random.below(6)], destination: accounts[random.below(6)],
                asset: try Asset("EUR/2"), amount: try Amount(Int64(1 + random.below(100))))
            builder.append(
                try Transaction(postings: [posting]), keyed: nil, trace: nil,
                time: HybridTimestamp(rawValue: builder.nextSequence))
        }
        let (segment, hash) = builder.seal(hasher)
        segments.append(SealedSegment(segment: segment, hash: hash))
    }
}
