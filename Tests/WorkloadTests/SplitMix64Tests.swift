import Testing
import Workload

@Suite struct SplitMix64Tests {
    /// The first numbers of seed 1234567 as in the reference implementation's published test vector.
    @Test func `the numbers are those of the reference implementation`() {
        var random = SplitMix64(seed: 1_234_567)
        let numbers = (0..<5).map { _ in random.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `draws stay in their range and reach both of its ends`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let draws = Set((0..<500).map { _ in random.within(-2...3) })
        #expect(draws == Set(-2...3), "seed \(seed)")
    }
}
