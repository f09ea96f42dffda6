/// The nonces and challenges of a ``SmallWorld``, each a number in place of random bytes.
///
/// A name that nothing refers to any more is as good as one that never was, so the lowest of those is
/// given again: worlds that differ only in which names were drawn before are one state.
struct FreshNames: Hashable {
    private var bits: UInt64 = 0

    init(_ names: [UInt8] = []) {
        for name in names { bits |= 1 << UInt64(name) }
    }

    mutating func formUnion(_ other: FreshNames) { bits |= other.bits }

    /// The lowest that is not among these, from 1 on.
    var next: UInt8 {
        let name = (~bits & ~1).trailingZeroBitCount
        precondition(name < 64, "a small world has fewer than 63 names in use")
        return UInt8(name)
    }

    /// As if every byte drawn was that name.
    struct Generator: RandomNumberGenerator {
        let name: UInt8

        mutating func next() -> UInt64 { UInt64(name) &* 0x0101_0101_0101_0101 }
    }
}
