import LedgerCore
import SyncProtocol

/// A stream of this folder, as a start finds it.
package struct StreamRecord: Hashable, Sendable {
    package let tag: StreamTag
    package let genesis: Genesis
    /// The hash that its chain begins with.
    package let genesisHash: Hash256
    /// The end of its durable chain.
    package var head: ChainPoint
    /// The last event that any hub ever acknowledged; 0 for none.
    package var acknowledged: UInt64
    /// The highest session number that was made ready to be proved.
    package var lastSession: UInt64
    /// Where what is kept begins: behind this place, which is the genesis while all is.
    package var keptBehind: ChainPoint
    /// What the segments behind the acknowledged take, in bytes.
    package var bytesBehind: UInt64
    /// Nil for the stream that is written.
    package var end: StreamEnd?
    /// How far the last hub that acknowledged had come, and where the last of it stands in its log.
    package var confirmed: ChainPoint?
    package var confirmedAt: LogPlace?
    /// The hub that has all of it and was told that no more will come; nil for none.
    package var finishedFor: StreamTag?

    /// - Parameter head: nil for a stream that has no event yet.
    package init(
        genesis: Genesis, genesisHash: Hash256, head: ChainPoint? = nil, acknowledged: UInt64 = 0,
        lastSession: UInt64 = 0, keptBehind: ChainPoint? = nil, bytesBehind: UInt64 = 0,
        end: StreamEnd? = nil, confirmed: ChainPoint? = nil, confirmedAt: LogPlace? = nil,
        finishedFor: StreamTag? = nil
    ) {
        let head = head ?? ChainPoint(sequence: 0, hash: genesisHash)
        precondition(acknowledged <= head.sequence, "acknowledged beyond the head")
        tag = StreamTag(genesisHash: genesisHash)
        self.genesis = genesis
        self.genesisHash = genesisHash
        self.head = head
        self.acknowledged = acknowledged
        self.lastSession = lastSession
        self.keptBehind = keptBehind ?? ChainPoint(sequence: 0, hash: genesisHash)
        self.bytesBehind = bytesBehind
        self.end = end
        self.confirmed = confirmed
        self.confirmedAt = confirmedAt
        self.finishedFor = finishedFor
    }
}
