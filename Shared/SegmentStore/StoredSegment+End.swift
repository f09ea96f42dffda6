import SyncProtocol

extension StoredSegment {
    /// Where its stream's chain ends with it.
    package var end: ChainPoint {
        ChainPoint(sequence: segment.header.lastSequence, hash: hash)
    }
}
