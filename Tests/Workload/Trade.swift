/// Something that a store sells, counted in the smallest unit of its asset.
struct Article: Sendable {
    var asset: String
    /// How many smallest units the price is for: 1 for pieces, 1,000 for `KWH/3`.
    var unit: Int64
    /// In cents, for one `unit`.
    var price: Int64
    /// What one customer takes at a time.
    var quantity: ClosedRange<Int64>
    /// What a supplier delivers at a time.
    var lot: Int64

    /// In cents, rounded to the nearest, and at least one cent.
    func price(of amount: Int64) -> Int64 {
        max(1, (amount * price + unit / 2) / unit)
    }

    /// What the supplier asks for a lot: three fifths of what it sells for.
    var costOfLot: Int64 { price(of: lot) * 3 / 5 }

    static func pieces(_ asset: String, cents: Int64, upTo most: Int64, lot: Int64) -> Article {
        Article(asset: asset, unit: 1, price: cents, quantity: 1...most, lot: lot)
    }
}

/// A kind of store, with what it sells.
struct Trade: Sendable {
    var name: String
    var articles: [Article]
    /// Whether its customers tip.
    var tipped: Bool

    /// Stores take these in turn.
    static let all = [
        Trade(
            name: "bakery",
            articles: [
                .pieces("SKU-1101", cents: 480, upTo: 2, lot: 120),
                .pieces("SKU-1102", cents: 165, upTo: 6, lot: 240),
            ], tipped: false),
        Trade(
            name: "greengrocer",
            articles: [
                .pieces("SKU-2301", cents: 349, upTo: 4, lot: 160),
                .pieces("SKU-2302", cents: 219, upTo: 3, lot: 160),
                .pieces("SKU-2303", cents: 95, upTo: 8, lot: 300),
            ], tipped: false),
        Trade(
            name: "cheesemonger",
            articles: [.pieces("SKU-4201", cents: 1190, upTo: 2, lot: 60)], tipped: false),
        Trade(
            name: "coffee",
            articles: [
                .pieces("SKU-5701", cents: 320, upTo: 4, lot: 400),
                .pieces("SKU-5702", cents: 850, upTo: 3, lot: 150),
            ], tipped: true),
        Trade(
            name: "charging",
            articles: [
                Article(
                    asset: "KWH/3", unit: 1_000, price: 52, quantity: 1_500...45_000,
                    lot: 4_000_000)
            ], tipped: false),
    ]
}
