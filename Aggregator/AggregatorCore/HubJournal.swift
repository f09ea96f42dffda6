import LedgerCore
import SyncProtocol

/// The hub's own stream, as it is written.
///
/// **Overview.** Events are appended as the hub decides; `take` hands out the segments that the next
/// commit writes. What a failed commit took is gone: the journal is made anew from the store.
struct HubJournal {
    let genesis: Genesis
    let tag: StreamTag
    /// The end of what was taken.
    private(set) var end: ChainPoint
    private var builder: SegmentBuilder
    private var sealed: [SealedSegment] = []
    private let hasher: any ContentHasher

    /// - Parameter end: where the stream ends; its genesis where it is new.
    init(_ genesis: Genesis, end: ChainPoint?, _ hasher: any ContentHasher) {
        let hash = genesis.hash(hasher)
        let end = end ?? ChainPoint(sequence: 0, hash: hash)
        self.genesis = genesis
        self.end = end
        self.hasher = hasher
        tag = StreamTag(genesisHash: hash)
        builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: tag, firstSequence: end.sequence + 1, previous: end.hash, seen: .nothing,
                dictionary: .empty), dictionary: StreamDictionary())
    }

    var isEmpty: Bool { sealed.isEmpty && builder.isEmpty }

    mutating func append(_ content: HubEvent.Content, time: HybridTimestamp) -> HubEvent {
        if !builder.hasRoomForHubEvent { seal() }
        return builder.append(content, time: time)
    }

    private mutating func seal() {
        let (segment, hash) = builder.seal(hasher)
        sealed.append(SealedSegment(segment: segment, hash: hash))
    }

    /// What was appended since the last time.
    mutating func take() -> [SealedSegment] {
        if !builder.isEmpty { seal() }
        defer { sealed = [] }
        if let last = sealed.last { end = last.end }
        return sealed
    }
}
