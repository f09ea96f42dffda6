import LedgerCore

/// The small market of every run: so few accounts that everybody meets in them.
struct Places: Sendable {
    let accounts: [AccountAddress]
    let assets: [Asset]

    static let market: Places = {
        do {
            let names = [
                "stores:1", "stores:2", "stores:2:till", "goods", "customers:anyone", "world",
            ]
            return Places(
                accounts: try names.map { try AccountAddress($0) },
                assets: [try Asset("EUR/2"), try Asset("KWH/3")])
        } catch { preconditionFailure("\(error)") }
    }()

    /// An account that nobody moves anything in or out of.
    static let untouched: AccountAddress = {
        do { return try AccountAddress("nobody") } catch { preconditionFailure("\(error)") }
    }()

    /// The place of an account with an asset among all, as the oracle counts them.
    func index(_ account: AccountAddress, _ asset: Asset) -> Int? {
        guard let account = accounts.firstIndex(of: account),
            let asset = assets.firstIndex(of: asset)
        else { return nil }
        return account * assets.count + asset
    }

    var count: Int { accounts.count * assets.count }
}
