/// A day at a market, as the stream of operations that its tills record.
///
/// **Overview.** In the morning the bank hands out cash floats, suppliers deliver, customers charge their
/// cards. All day they buy, for cash, by card or both; tip; bring things back; charge cars by the
/// kilowatt-hour. In the evening each till's cash goes to the bank and the suppliers are paid.
///
/// **What holds at the end**, whatever the seed: every till and every payable is at zero, no card and
/// no stock is below it, and each asset sums to zero over all accounts. The tests say so.
///
/// **Implementation.** The stream is lazy: memory does not grow with the number of visits.
package struct MarketDay: Sendable {
    package var seed: UInt64
    package var stores: Int
    package var tillsPerStore: Int
    package var customers: Int
    /// How often a customer (or, when the shelves are empty, a supplier) comes to a till.
    package var visits: Int

    /// The date of every market day: a run must not depend on when it runs.
    package static let date = "2026-11-20"

    /// The time of day of the first operation, 05:30, and one after the last, 19:00.
    package static let start: Duration = .seconds(5 * 3_600 + 1_800)
    package static let end: Duration = .seconds(19 * 3_600)

    package init(
        seed: UInt64, stores: Int = 5, tillsPerStore: Int = 1, customers: Int = 300,
        visits: Int = 12_000
    ) {
        precondition((1...899).contains(stores), "a market has 1 to 899 stores, not \(stores)")
        precondition((1...99).contains(tillsPerStore), "\(tillsPerStore) tills in one store")
        precondition(customers > 0 && visits >= 0, "a market without customers")
        self.seed = seed
        self.stores = stores
        self.tillsPerStore = tillsPerStore
        self.customers = customers
        self.visits = visits
    }

    /// The names of the tills, each fit to be the id of an agent.
    package var nodes: [String] { tills.map(\.node) }

    /// How many operations the stream has.
    package var count: Int {
        let articles = (0..<stores).map { Trade.all[$0 % Trade.all.count].articles.count }
        let opening = 1 + tills.count + articles.reduce(0, +) + customers
        let closing = tills.count + stores
        return opening + visits + closing
    }

    var tills: [Till] {
        (0..<stores).flatMap { store in
            (1...tillsPerStore).map { Till(store: store, number: $0) }
        }
    }

    /// When an operation of a market day happened, as RFC 3339 with microseconds, in UTC.
    package static func timestamp(at time: Duration) -> String {
        let (seconds, attoseconds) = time.components
        let clock = [seconds / 3_600, seconds / 60 % 60, seconds % 60].map { padded($0, to: 2) }
        let micros = padded(attoseconds / 1_000_000_000_000, to: 6)
        return "\(date)T\(clock.joined(separator: ":")).\(micros)Z"
    }
}

extension MarketDay: Sequence {
    package func makeIterator() -> Iterator { Iterator(day: self) }
}

/// A till of a store.
struct Till: Hashable, Sendable {
    /// The store's index in the market.
    var store: Int
    /// The till's number in its store, from 1.
    var number: Int

    /// Three digits, so that names line up: `stores:042`.
    var storeNumber: String { Self.storeNumber(store) }
    var node: String { "till-\(storeNumber)-\(number)" }
    var account: String { "stores:\(storeNumber):till:\(number)" }

    static func storeNumber(_ store: Int) -> String { padded(Int64(store * 7 % 899 + 42), to: 3) }
}

/// The number with zeros before it. Without Foundation there is no format string.
func padded(_ number: Int64, to width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
