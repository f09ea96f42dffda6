/// The state of the market while its day is made up: what is on cards, on shelves and in tills, so that
/// what happens next is something that could happen.
///
/// It exists for realism only. What the ledger must say is the oracle's business, which never asks it.
struct Market: Sendable {
    /// An operation without its number and time.
    struct Entry: Sendable {
        /// The index of the till that records it.
        var till: Int
        var postings: [Posting]
        var reference: String
        var metadata: [String: String]
    }

    /// A sale that may still be brought back.
    struct Receipt: Sendable {
        var reference: String
        var postings: [Posting]
        var cash: Int64
        /// The customer's index, and what the card paid; nil where all was cash.
        var card: (customer: Int, amount: Int64)?
        /// Article indices with what was taken of each.
        var goods: [(article: Int, amount: Int64)]
    }

    static let euro = "EUR/2"
    static let bank = "bank:market"
    static let world = "world"
    /// What each till starts with, in cents.
    static let float: Int64 = 250_00
    /// A till remembers this many of its receipts for refunds.
    static let receiptsMax = 32

    let tills: [Till]
    let trades: [Trade]
    var cards: [Int64]
    var stock: [[Int64]]
    var owed: [Int64]
    var cash: [Int64]
    var receipts: [[Receipt]]
    /// How many receipts each till has written.
    var written: [Int]

    init(day: MarketDay) {
        tills = day.tills
        trades = (0..<day.stores).map { Trade.all[$0 % Trade.all.count] }
        cards = Array(repeating: 0, count: day.customers)
        stock = trades.map { Array(repeating: 0, count: $0.articles.count) }
        owed = Array(repeating: 0, count: day.stores)
        cash = Array(repeating: 0, count: tills.count)
        receipts = Array(repeating: [], count: tills.count)
        written = Array(repeating: 0, count: tills.count)
    }

    /// The bank, the floats, the deliveries and the cards, before the first customer.
    mutating func opening(_ random: inout SplitMix64) -> [Entry] {
        var entries = [fundBank()]
        for till in tills.indices { entries.append(handOutFloat(till: till)) }
        for store in trades.indices {
            for article in trades[store].articles.indices {
                entries.append(deliver(article, till: till(ofStore: store)))
            }
        }
        for customer in cards.indices {
            entries.append(topUp(customer, till: customer % tills.count, &random))
        }
        return entries
    }

    /// Somebody comes to a till. A shelf that runs low is filled first, by a supplier.
    mutating func visit(till: Int, _ random: inout SplitMix64) -> Entry {
        let store = tills[till].store
        for (index, article) in trades[store].articles.enumerated()
        where stock[store][index] < article.quantity.upperBound {
            return deliver(index, till: till)
        }
        if random.once(in: 40), let refund = refund(till: till, &random) { return refund }
        return sale(till: till, &random)
    }

    /// All cash to the bank, and what is owed to the suppliers.
    mutating func closing() -> [Entry] {
        tills.indices.map { bankCash(till: $0) }
            + trades.indices.map { paySuppliers(store: $0, till: till(ofStore: $0)) }
    }

    func account(_ store: Int, _ name: String) -> String {
        "stores:\(Till.storeNumber(store)):\(name)"
    }

    func customerAccount(_ customer: Int) -> String { "customers:\(1_001 + customer)" }

    func supplierAccount(_ store: Int, _ article: Int) -> String {
        "suppliers:\(Till.storeNumber(store))-\(article + 1)"
    }

    private func till(ofStore store: Int) -> Int { store * (tills.count / trades.count) }
}
