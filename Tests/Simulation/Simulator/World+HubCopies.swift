import TestSupport

/// The aggregator's folder is put back, and lost.
extension World {
    func putBackHub(_ image: AggregatorContents, isMarked: Bool) {
        aggregator.disk.replace(with: image)
    }

    func loseHub(_ random: inout SplitMix64) {
        halt(0)
        after(random.logarithmic(10_000, 60 * Plan.second), 0, .start)
    }
}
