extension Market {
    /// A basket of one to three articles, paid in cash, by card, or with both.
    ///
    /// Where the card does not hold enough, the customer charges it instead, and buys another time.
    mutating func sale(till: Int, _ random: inout SplitMix64) -> Entry {
        let store = tills[till].store
        let goods = basket(store: store, &random)
        let total = goods.reduce(0) { $0 + trades[store].articles[$1.article].price(of: $1.amount) }
        let cashShare = cashShare(of: total, &random)
        let tip = trades[store].tipped && random.once(in: 5) ? random.within(1...6) * 50 : 0
        guard cashShare < total else {
            return record(goods, till: till, cash: total + tip, card: nil, tip: tip)
        }
        // Regulars come often: the smaller of two draws.
        let customer = min(random.below(cards.count), random.below(cards.count))
        let charged = total - cashShare + tip
        guard cards[customer] >= charged else { return topUp(customer, till: till, &random) }
        return record(goods, till: till, cash: cashShare, card: (customer, charged), tip: tip)
    }

    /// Gives back the money, without the tip, for the goods of an earlier receipt of this till.
    mutating func refund(till: Int, _ random: inout SplitMix64) -> Entry? {
        guard !receipts[till].isEmpty else { return nil }
        let receipt = receipts[till].remove(at: random.below(receipts[till].count))
        let store = tills[till].store
        cash[till] -= receipt.cash
        if let card = receipt.card { cards[card.customer] += card.amount }
        for (article, amount) in receipt.goods { stock[store][article] += amount }
        let back = receipt.postings.map {
            Posting(
                source: $0.destination, destination: $0.source, asset: $0.asset, amount: $0.amount)
        }
        return Entry(
            till: till, postings: back, reference: "refund of \(receipt.reference)",
            metadata: ["kind": "refund", "refund_of": receipt.reference])
    }

    /// Nothing, all, or now and then about half of the total.
    private func cashShare(of total: Int64, _ random: inout SplitMix64) -> Int64 {
        switch random.below(100) {
        case ..<28: total
        case ..<32 where total > 1: total / 2
        default: 0
        }
    }

    private func basket(
        store: Int, _ random: inout SplitMix64
    ) -> [(article: Int, amount: Int64)] {
        let articles = trades[store].articles
        let first = random.below(articles.count)
        let kinds = 1 + random.below(articles.count)
        return (0..<kinds).map { step in
            let article = (first + step) % articles.count
            return (article, random.within(articles[article].quantity))
        }
    }

    /// Writes the receipt: the money first, then the goods, then the tip.
    ///
    /// `cash` and the card's amount include the tip, whoever pays it.
    private mutating func record(
        _ goods: [(article: Int, amount: Int64)], till: Int, cash paid: Int64,
        card: (customer: Int, amount: Int64)?, tip: Int64
    ) -> Entry {
        let store = tills[till].store
        let buyer = card.map { customerAccount($0.customer) } ?? Self.world
        let cashPrice = card == nil ? paid - tip : paid
        let cardPrice = card.map { $0.amount - tip } ?? 0
        var postings: [Posting] = []
        if cashPrice > 0 {
            postings.append(euros(cashPrice, from: Self.world, to: tills[till].account))
        }
        if cardPrice > 0 {
            postings.append(euros(cardPrice, from: buyer, to: account(store, "sales")))
        }
        for (article, amount) in goods {
            stock[store][article] -= amount
            postings.append(
                Posting(
                    source: account(store, "stock"), destination: buyer,
                    asset: trades[store].articles[article].asset, amount: amount))
        }
        cash[till] += cashPrice
        if let card { cards[card.customer] -= card.amount }
        return write(
            Receipt(
                reference: nextReceipt(till: till), postings: postings, cash: cashPrice,
                card: card.map { ($0.customer, cardPrice) }, goods: goods),
            till: till, tip: tip > 0 ? euros(tip, from: buyer, to: account(store, "tips")) : nil)
    }

    private mutating func nextReceipt(till: Int) -> String {
        written[till] += 1
        return "receipt \(tills[till].storeNumber)-\(tills[till].number)-\(written[till])"
    }

    private mutating func write(_ receipt: Receipt, till: Int, tip: Posting?) -> Entry {
        if receipts[till].count == Self.receiptsMax { receipts[till].removeFirst() }
        receipts[till].append(receipt)
        let payment =
            switch (receipt.cash > 0, receipt.card != nil) {
            case (true, true): "mixed"
            case (true, false): "cash"
            default: "card"
            }
        return Entry(
            till: till, postings: receipt.postings + [tip].compactMap { $0 },
            reference: receipt.reference,
            metadata: ["kind": "sale", "payment": payment, "till": String(tills[till].number)])
    }
}
