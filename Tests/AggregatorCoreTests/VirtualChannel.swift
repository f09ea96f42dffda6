import LedgerCore
import TestSupport

/// Everything that is still to happen in a virtual world, in the order of its times.
struct VirtualChannel<Item> {
    private struct Entry {
        let at: SteadyTime
        let order: Int
        let item: Item
    }

    private var entries: [Entry] = []
    private var order = 0

    var next: SteadyTime? { entries.first?.at }
    var last: SteadyTime? { entries.last?.at }

    mutating func add(_ item: Item, at: SteadyTime) {
        let place = entries.firstIndex { $0.at > at } ?? entries.endIndex
        entries.insert(Entry(at: at, order: order, item: item), at: place)
        order += 1
    }

    /// What is due.
    mutating func take(now: SteadyTime) -> Item? {
        guard let first = entries.first, first.at <= now else { return nil }
        return entries.removeFirst().item
    }
}

/// What a network and its broker do to a message.
struct Weather {
    var lossOneIn: UInt64
    var duplicateOneIn: UInt64
    var damageOneIn: UInt64
    var lateOneIn: UInt64
    /// Of most messages, in microseconds.
    var delayMax: Int
    /// Of those that come late.
    var lateMax: Int

    static let calm = Weather(
        lossOneIn: .max, duplicateOneIn: .max, damageOneIn: .max, lateOneIn: .max, delayMax: 20_000,
        lateMax: 1)

    static func rough(_ random: inout SplitMix64) -> Weather {
        Weather(
            lossOneIn: [4, 10, 50, .max][random.below(4)],
            duplicateOneIn: [1, 4, 20, .max][random.below(4)],
            damageOneIn: [20, 100, .max][random.below(3)],
            lateOneIn: [5, 30, .max][random.below(3)],
            delayMax: [5_000, 50_000, 400_000][random.below(3)], lateMax: 20_000_000)
    }

    /// The copies of a message that arrive, each with its delay.
    func copies(_ bytes: [UInt8], _ random: inout SplitMix64) -> [(bytes: [UInt8], delay: Int64)] {
        let count = random.oneIn(lossOneIn) ? 0 : random.oneIn(duplicateOneIn) ? 2 : 1
        return (0..<count).map { _ in
            var copy = bytes
            if random.oneIn(damageOneIn) {
                copy[random.below(copy.count)] ^= 1 << UInt8(random.below(8))
            }
            let range = random.oneIn(lateOneIn) ? lateMax : delayMax
            return (copy, Int64(random.below(range) + 1))
        }
    }
}
