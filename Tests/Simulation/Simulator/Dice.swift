import TestSupport

/// All randomness of a run, by name.
///
/// Every decision draws from a sequence of its own, found by what it decides and for whom. So a run
/// in which one fault is left out still has the same clients asking the same things, and the same
/// fate for the same message of a link: what the minimiser takes away changes little else.
struct Dice: Sendable {
    /// What a sequence is for. The numbers are part of what a seed means.
    enum Purpose: UInt64 {
        case plan = 1
        case message = 2
        case operation = 3
        case misfortune = 4
        case node = 5
        case client = 6
        case link = 7
        case disk = 8
        case adversary = 9
        case check = 10
        case writer = 11
    }

    let seed: UInt64

    func sequence(_ purpose: Purpose, _ first: Int = 0, _ second: Int = 0) -> SplitMix64 {
        var state = Dice.mixed(seed &+ 0x51_7C_C1_B7_27_22_0A_95)
        state = Dice.mixed(state ^ purpose.rawValue &* 0x9E37_79B9_7F4A_7C15)
        state = Dice.mixed(state ^ UInt64(bitPattern: Int64(first)) &* 0xD1B5_4A32_D192_ED03)
        state = Dice.mixed(state ^ UInt64(bitPattern: Int64(second)) &* 0x8CB9_2BA7_2F3D_8DD7)
        return SplitMix64(seed: state)
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SplitMix64 {
    /// One of them.
    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// A number of microseconds from `least` to `most`, every order of magnitude as likely as any
    /// other: faults of moments and faults of days are both worth having.
    mutating func logarithmic(_ least: Int64, _ most: Int64) -> Int64 {
        precondition(0 < least && least <= most, "from \(least) to \(most)")
        let doublings = 63 - (most / least).leadingZeroBitCount
        let low = least << Int64(below(doublings + 1))
        return between(low, min(most, 2 * low))
    }

    mutating func between(_ least: Int64, _ most: Int64) -> Int64 {
        least + Int64(next() % UInt64(most - least + 1))
    }
}
