/// `GET /v1/ledger` of an aggregator.
package struct LedgerStatus: Sendable {
    package var transactions: Int
    /// Nil as long as the aggregator has not recomputed it from its log.
    package var isConserved: Bool?
    package var digest: String?
    /// Input and output of each asset over all accounts.
    package var assets: [String: (input: Int128, output: Int128)]
    /// The whole answer.
    package var json: JSONValue
}

/// The interface of the aggregator, as a client sees it. Blocks its thread.
package struct AggregatorClient: Sendable {
    package let http: HTTPClient

    package init(port: UInt16, timeout: Duration = .seconds(30)) {
        http = HTTPClient(port: port, timeout: timeout)
    }

    package func ledger() throws -> LedgerStatus {
        let json = try http.json("/v1/ledger")
        guard let transactions = json["transactions"].int, let list = json["assets"].array
        else {
            throw UnexpectedAnswer("GET /v1/ledger", "no sums or counts in \(json)")
        }
        var assets: [String: (input: Int128, output: Int128)] = [:]
        for item in list {
            guard let asset = item["asset"].string, let input = item["input"].quantity,
                let output = item["output"].quantity
            else { throw UnexpectedAnswer("GET /v1/ledger", "\(item) is no asset with its sums") }
            assets[asset] = (input, output)
        }
        return LedgerStatus(
            transactions: transactions, isConserved: json["conserved"].bool,
            digest: json["digest"].string,
            assets: assets, json: json)
    }

    /// The ledger, as soon as conservation has been recomputed for everything that was merged when we asked.
    ///
    /// - Throws: ``TimedOut`` when that takes too long.
    package func auditedLedger(within limit: Duration = .seconds(30)) throws -> LedgerStatus {
        let position = try ledger().json["position"].int ?? 0
        return try wait(for: "an audit of the ledger", within: limit) {
            let ledger = try ledger()
            let audited = ledger.json["audited_through"].int ?? position
            return ledger.isConserved != nil && audited >= position ? ledger : nil
        }
    }

    /// The balances of an account by asset, when everything that has arrived is counted.
    package func balances(of account: String) throws -> [String: Int128] {
        try http.balances(of: account)
    }

    package func agents() throws -> [JSONValue] { try http.items("/v1/agents") }
    package func conflicts() throws -> [JSONValue] { try http.items("/v1/conflicts") }
    package func accounts(prefix: String = "") throws -> [JSONValue] {
        try http.items(prefix.isEmpty ? "/v1/accounts" : "/v1/accounts?prefix=\(prefix)")
    }

    package func transaction(_ id: String) throws -> JSONValue {
        try http.json("/v1/transactions/\(id)")
    }

    package func journey(_ id: String) throws -> JSONValue {
        try http.json("/v1/transactions/\(id)/journey")
    }
}
