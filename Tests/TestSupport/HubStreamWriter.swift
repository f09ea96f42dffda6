import LedgerCore
import SyncProtocol

/// A writer of a hub's own stream, without a hub.
package struct HubStreamWriter {
    package let genesis: Genesis
    package let hash: Hash256
    private var builder: SegmentBuilder
    private let hasher: any ContentHasher

    package init(_ genesis: Genesis, _ hasher: any ContentHasher) {
        self.genesis = genesis
        self.hasher = hasher
        hash = genesis.hash(hasher)
        builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash,
                seen: .nothing, dictionary: .empty), dictionary: StreamDictionary())
    }

    /// The next segment of the stream.
    ///
    /// - Precondition: at least one fact.
    package mutating func seal(_ facts: [HubFact]) -> SealedSegment {
        for fact in facts {
            builder.append(
                HubEvent.Content(fact), time: HybridTimestamp(rawValue: builder.nextSequence))
        }
        let (segment, hash) = builder.seal(hasher)
        return SealedSegment(segment: segment, hash: hash)
    }

    /// That these events have no effect, each by itself; nil for none.
    package mutating func quarantine(
        _ events: [ReadEvent], of sealed: SealedSegment
    ) -> SealedSegment? {
        guard !events.isEmpty else { return nil }
        return seal(
            events.map { event in
                let span = EventSpan(
                    stream: sealed.segment.header.stream, segment: sealed.hash,
                    sequences: event.sequence...event.sequence)
                return .quarantined(span, .unreadable)
            })
    }
}
