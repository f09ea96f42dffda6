import LedgerCore
import SyncProtocol

extension GroupCommit {
    // MARK: Another stream

    /// Whether the store may draw a stream now: one must, and nothing that was admitted waits.
    package func mayDraw(now: SteadyTime) -> Bool {
        guard ending != nil, !isSpent, !admission.hasWaiters else { return false }
        return drawAgainAt.map { now >= $0 } ?? true
    }

    /// The store has drawn it: what is admitted from now on is recorded there.
    package mutating func drew(_ record: StreamRecord) -> [Effect] {
        let end = ending?.end
        admission.draw(
            SegmentBuilder.Place(
                stream: record.tag, firstSequence: 1, previous: record.head.hash, seen: seen,
                dictionary: .empty))
        tail = OwnTail(head: 0, byteCountMax: limits.ownTailBytesMax)
        return drawn(record, end)
    }

    mutating func drawn(_ record: StreamRecord, _ end: StreamEnd?) -> [Effect] {
        ending = nil
        drawAgainAt = nil
        lastDraw = (record, end)
        acknowledged[record.tag] = record.acknowledged
        return [.report(.drawn(record, behind: end))]
    }

    /// It could not; whether it did all the same is known when the folds are loaded anew.
    package mutating func couldNotDraw(now: SteadyTime) {
        isSpent = true
        drawAgainAt = now.advanced(byMicroseconds: limits.drawDelay)
    }
}
