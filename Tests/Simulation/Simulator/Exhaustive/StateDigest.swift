/// What tells states apart: 128 bits, so that among some hundred million no two are taken for one by
/// chance. The hashing is Swift's, keyed anew by each process.
struct StateDigest: Hashable {
    private(set) var high: Int = 0
    private(set) var low: Int = 0

    static let zero = StateDigest()

    private init() {}

    init(_ feed: (inout Hasher) -> Void) {
        var first = Hasher()
        feed(&first)
        var second = first
        second.combine(0x5EED as UInt64)
        high = first.finalize()
        low = second.finalize()
    }

    /// Adds one of several that are in no order.
    mutating func add(_ other: StateDigest) {
        high &+= other.high
        low &+= other.low
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(high)
        hasher.combine(low)
    }
}
