import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import SyncProtocol
import Workers

extension AggregatorRuntime: AggregatorService {
    // MARK: The log

    /// Reads block, so they run off the pool.
    func reading<Value: Sendable>(
        _ body: @escaping @Sendable (AggregatorRuntime) throws(StoreError) -> Value
    ) async throws(AggregatorFailure) -> Value {
        let result = await readers.run { [self] () -> Result<Value, StoreError> in
            do throws(StoreError) { return .success(try body(self)) } catch {
                return .failure(error)
            }
        }
        guard let result else { throw .overloaded }
        do throws(StoreError) { return try result.get() } catch {
            throw .unavailable(detail: error.description)
        }
    }

    package func transaction(_ id: EventID) async throws(AggregatorFailure) -> MergedTransaction? {
        try await reading { (runtime) throws(StoreError) in try runtime.store.transaction(id) }
    }

    // MARK: The fold

    private func look() async throws(AggregatorFailure) -> Intake.Snapshot {
        let snapshot: Intake.Snapshot? = await withUnsafeContinuation { continuation in
            let posted = intake.post(.look { continuation.resume(returning: $0) })
            if posted != .taken { continuation.resume(returning: nil) }
        }
        guard let snapshot else { throw AggregatorRuntime.tooBusy }
        return snapshot
    }

    package func account(_ address: AccountAddress) async throws(AggregatorFailure)
        -> MergedAccount?
    {
        try await look().ledger.balances.merged(address)
    }

    package func accounts(
        prefix: String?, cursor: String?, limit: Int
    ) async throws(AggregatorFailure) -> MergedPage<MergedAccount>? {
        var start = 0
        if let cursor {
            guard let number = Int(cursor), number >= 0 else { return nil }
            start = number
        }
        let balances = try await look().ledger.balances
        var items: [MergedAccount] = []
        for index in balances.accounts.indices.dropFirst(start) {
            let address = balances.accounts[index]
            if let prefix, !address.description.hasPrefix(prefix) { continue }
            if items.count == limit { return MergedPage(items: items, next: String(index)) }
            if let account = balances.merged(address) { items.append(account) }
        }
        return MergedPage(items: items, next: nil)
    }

    package func ledger() async throws(AggregatorFailure) -> LedgerSummary {
        let snapshot = try await look()
        let result: Result<LedgerSummary, AggregatorFailure> = await withUnsafeContinuation {
            continuation in
            let request = Auditor.Request(snapshot: snapshot) { continuation.resume(returning: $0) }
            if !auditor.post(request) { continuation.resume(returning: .failure(.overloaded)) }
        }
        var summary = try result.get()
        summary.indexedThrough = projection.indexedThrough
        return summary
    }

    package func agents() async throws(AggregatorFailure) -> [AgentView] {
        guard let figures = await figures() else { throw AggregatorRuntime.tooBusy }
        return figures.agents
    }

    package func completeness() async throws(AggregatorFailure) -> Completeness {
        Completeness(
            of: try await look().agents, now: WallClock.now(), limits: configuration.limits)
    }

    package func state() -> AggregatorHealth {
        let status = connection.status
        let trouble = status.trouble.map { ": \($0)" } ?? ""
        let sentence = (status.isConnected ? "connected" : "waiting for the broker") + trouble
        return AggregatorHealth(
            brokerSentence: sentence, isConnected: status.isConnected,
            unreadiness: health.recentFailure ?? auditor.readFailure)
    }
}

extension Balances {
    /// Nil for an account never used.
    fileprivate func merged(_ address: AccountAddress) -> MergedAccount? {
        cells(of: address).map { cells in
            MergedAccount(
                address: address,
                balances: cells.map {
                    AssetTotal(asset: asset($0.asset), input: $0.input, output: $0.output)
                })
        }
    }
}
