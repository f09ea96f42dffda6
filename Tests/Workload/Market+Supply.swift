extension Market {
    func fundBank() -> Entry {
        let capital: Int64 = 5_000_000_00
        return Entry(
            till: 0, postings: [euros(capital, from: Self.world, to: Self.bank)],
            reference: "opening balance", metadata: ["kind": "funding"])
    }

    mutating func handOutFloat(till: Int) -> Entry {
        cash[till] += Self.float
        return Entry(
            till: till, postings: [euros(Self.float, from: Self.bank, to: tills[till].account)],
            reference: "float \(tills[till].node)", metadata: ["kind": "float"])
    }

    /// Goods in, and the debt for them, in one transaction of two assets.
    mutating func deliver(_ article: Int, till: Int) -> Entry {
        let store = tills[till].store
        let goods = trades[store].articles[article]
        stock[store][article] += goods.lot
        owed[store] += goods.costOfLot
        let supplier = supplierAccount(store, article)
        return Entry(
            till: till,
            postings: [
                Posting(
                    source: supplier, destination: account(store, "stock"), asset: goods.asset,
                    amount: goods.lot),
                euros(goods.costOfLot, from: account(store, "payable"), to: supplier),
            ],
            reference: "delivery of \(goods.asset)",
            metadata: ["kind": "delivery", "trade": trades[store].name])
    }

    mutating func topUp(_ customer: Int, till: Int, _ random: inout SplitMix64) -> Entry {
        let amount = random.within(5...20) * 10_00
        cards[customer] += amount
        let card = customerAccount(customer)
        return Entry(
            till: till, postings: [euros(amount, from: Self.world, to: card)],
            reference: "top-up \(card)", metadata: ["kind": "top-up"])
    }

    mutating func bankCash(till: Int) -> Entry {
        let amount = cash[till]
        cash[till] = 0
        return Entry(
            till: till, postings: [euros(amount, from: tills[till].account, to: Self.bank)],
            reference: "banking \(tills[till].node)", metadata: ["kind": "banking"])
    }

    mutating func paySuppliers(store: Int, till: Int) -> Entry {
        let amount = owed[store]
        owed[store] = 0
        return Entry(
            till: till, postings: [euros(amount, from: Self.bank, to: account(store, "payable"))],
            reference: "suppliers of \(trades[store].name)", metadata: ["kind": "payment"])
    }

    func euros(_ amount: Int64, from source: String, to destination: String) -> Posting {
        Posting(source: source, destination: destination, asset: Self.euro, amount: amount)
    }
}
