import LedgerCore
import SyncProtocol

/// A writer of one agent's stream, without a session and without a disk: its segments, and the
/// events as they must read back.
package struct SegmentWriter {
    package let genesis: Genesis
    package let hash: Hash256
    private var builder: SegmentBuilder
    private var now: Timestamp
    private let hasher: any ContentHasher

    package var tag: StreamTag { StreamTag(genesisHash: hash) }

    /// Writers' clocks differ by hours.
    package init(
        agent: String, _ hasher: any ContentHasher, _ random: inout SplitMix64
    ) throws {
        self.hasher = hasher
        genesis = Genesis(
            writer: .agent, ledger: "test", agent: try AgentID(agent),
            nonce: random.bytes(Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: random.bytes(PublicKey.byteCount)))
        hash = genesis.hash(hasher)
        builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash,
                seen: .nothing, dictionary: .empty), dictionary: StreamDictionary())
        now = Timestamp(
            microseconds: 1_760_000_000_000_000 + Int64(random.below(10)) * 3_600_000_000)
    }

    package func id(of event: Event) -> EventID {
        EventID(agent: genesis.agent, stream: tag, sequence: event.sequence)
    }

    /// The next segment of the stream, of those transactions that have room in it; some of its
    /// events within one microsecond.
    package mutating func seal(
        _ transactions: [Transaction], _ random: inout SplitMix64
    ) -> (segment: SealedSegment, events: [Event]) {
        var clock = HybridClock(latest: HybridTimestamp(now))
        var events: [Event] = []
        for transaction in transactions where builder.hasRoom(transaction, nil, nil) {
            now = now.advanced(
                byMicroseconds: random.oneIn(4) ? 0 : Int64(random.below(60_000_000)))
            let event = Event(
                sequence: builder.nextSequence, time: clock.tick(now: now),
                transaction: transaction)
            builder.append(transaction, keyed: nil, trace: nil, time: event.time)
            events.append(event)
        }
        now = clock.latest.time.advanced(byMicroseconds: 1)
        let (segment, hash) = builder.seal(hasher)
        return (SealedSegment(segment: segment, hash: hash), events)
    }
}
