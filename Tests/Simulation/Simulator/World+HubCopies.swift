import TestSupport

/// The aggregator's folder is put back, lost, and rots.
extension World {
    func putBackHub(_ image: AggregatorContents, isMarked: Bool) {
        mark(isMarked ? .hubRestoredMarked : .hubRestoredByHand)
        var image = image
        image.isRestored = isMarked
        exchangeHub(for: image)
    }

    /// The aggregator's disk is exchanged for an empty one. Its key was on it, or was kept elsewhere.
    func loseHub(_ random: inout SplitMix64) {
        halt(0)
        mark(.hubLost)
        note { "hub has a new disk" }
        let isKeyKept = random.oneIn(2)
        let key = isKeyKept ? aggregator.contents.key : 1_000_000 + UInt64(watch.formerHubs.count)
        exchangeHub(for: aggregator.newContents(key: key))
        after(random.logarithmic(10_000, 60 * Plan.second), 0, .start)
    }

    private func exchangeHub(for contents: AggregatorContents) {
        let before = aggregator.contents
        watch.formerHubs.formUnion(before.hubTags)
        watch.checkedThrough = contents.log.count
        aggregator.rotten = nil
        aggregator.disk.replace(with: contents)
        for sealed in before.log { loseIfLast(sealed) }
    }

    /// A page of the log cannot be read any more. What needs it fails, until somebody sees it and puts
    /// the newest copy back; where there is none, the log is lost.
    func rotHub(_ random: inout SplitMix64) {
        guard !aggregator.contents.log.isEmpty, aggregator.rotten == nil else { return }
        let sealed = random.pick(aggregator.contents.log)
        aggregator.rotten = sealed.segment.header.stream
        note { "hub: \(sealed.segment.header.sequences) of \(sealed.segment.header.stream) rot" }
        after(random.logarithmic(100_000, 20 * Plan.second), .world(.hubReplaced))
    }

    func replaceHub() {
        guard aggregator.rotten != nil else { return }
        var random = dice.sequence(.misfortune, FaultKind.aggregatorBitRot.number, steps)
        guard !hubImages.isEmpty else { return loseHub(&random) }
        putBack(0, image: hubImages.count - 1, isMarked: random.oneIn(2))
    }
}
