import LedgerCore
import SyncProtocol

/// A stream of this folder, as a start finds it.
package struct StreamRecord: Hashable, Sendable {
    package let tag: StreamTag
    package let genesis: Genesis
    /// The end of its durable chain.
    package var head: ChainPoint
    /// The last event that any hub ever acknowledged; 0 for none.
    package var acknowledged: UInt64
    /// The highest session number that was made ready to be proved.
    package var lastSession: UInt64
    /// The first event that is kept; one beyond the head where none is.
    package var oldestRetained: UInt64
    /// What the segments behind the acknowledged take, in bytes.
    package var bytesBehind: UInt64
    /// Nil for the stream that is written.
    package var end: StreamEnd?

    package init(
        tag: StreamTag, genesis: Genesis, head: ChainPoint, acknowledged: UInt64 = 0,
        lastSession: UInt64 = 0, oldestRetained: UInt64 = 1, bytesBehind: UInt64 = 0,
        end: StreamEnd? = nil
    ) {
        precondition(acknowledged <= head.sequence, "acknowledged beyond the head")
        self.tag = tag
        self.genesis = genesis
        self.head = head
        self.acknowledged = acknowledged
        self.lastSession = lastSession
        self.oldestRetained = oldestRetained
        self.bytesBehind = bytesBehind
        self.end = end
    }
}
