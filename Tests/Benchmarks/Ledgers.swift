import LedgerCore

import struct Workload.SplitMix64

/// The accounts and amounts that all benchmarks move: 10,000 accounts, as of shops and their customers, in one asset.
struct Ledgers: Sendable {
    static let accountCount = 10_000
    private static let shopCount = 100

    let customers: [AccountAddress]
    let shops: [AccountAddress]
    let asset: Asset

    init() throws {
        customers = try (0..<Ledgers.accountCount - Ledgers.shopCount).map {
            try AccountAddress("customers:\(100_000 + $0)")
        }
        shops = try (0..<Ledgers.shopCount).map { try AccountAddress("stores:\(100 + $0):sales") }
        asset = try Asset("EUR/2")
    }

    /// A sale: a customer pays a shop some cents up to 100.00.
    func posting(_ random: inout SplitMix64) throws -> Posting {
        Posting(
            source: customers[random.below(customers.count)],
            destination: shops[random.below(shops.count)],
            asset: asset, amount: try Amount(random.within(1...10_000)))
    }

    func transaction(_ random: inout SplitMix64) throws -> Transaction {
        try Transaction(postings: [posting(&random)])
    }

    /// As the API takes it.
    func json(_ random: inout SplitMix64) throws -> String {
        let posting = try posting(&random)
        return """
            {"postings":[{"source":"\(posting.source)","destination":"\(posting.destination)",\
            "asset":"\(posting.asset)","amount":\(posting.amount.units)}]}
            """
    }
}

/// A whole request, as it goes over the socket.
func httpRequest(path: String, port: UInt16, body: String) -> [UInt8] {
    Array(
        """
        POST \(path) HTTP/1.1\r
        Host: 127.0.0.1:\(port)\r
        Content-Type: application/json\r
        Content-Length: \(body.utf8.count)\r
        \r
        \(body)
        """.utf8)
}
