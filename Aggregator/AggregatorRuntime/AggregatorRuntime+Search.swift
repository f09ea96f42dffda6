import AggregatorCore
import Glibc
import LedgerCore
import Projection
import SegmentStore

extension AggregatorRuntime: SearchService {
    package var indexedThrough: Int64 { projection.indexedThrough }

    package func transactions(
        _ filter: TransactionFilter, before place: SearchPlace?, limit: Int
    ) async throws(AggregatorFailure) -> SearchPage<MergedTransaction> {
        try await reading { (runtime) throws(StoreError) in
            try runtime.projection.transactions(filter, before: place, limit: limit)
        }
    }

    package func entries(
        of account: AccountAddress, _ filter: TransactionFilter, before place: SearchPlace?,
        limit: Int
    ) async throws(AggregatorFailure) -> SearchPage<StatementEntry> {
        try await reading { (runtime) throws(StoreError) in
            try runtime.projection.entries(of: account, filter, before: place, limit: limit)
        }
    }
}

extension AggregatorRuntime {
    /// Has the rows of a data folder made anew, by the aggregator that runs there or by the next one.
    ///
    /// - Returns: false where there were none.
    /// - Throws: `StoreError` where there is no aggregator in the folder, or the rows cannot be
    ///   deleted.
    package static func deleteRows(inDataFolder data: String) throws(StoreError) -> Bool {
        let log = "\(data)/\(databaseName)"
        // Of a log that is lost, the rows may be the last that can be read.
        if let loss = try FoundingMark.loss(of: log) { throw loss }
        guard access(log, F_OK) == 0 else {
            throw .unavailable("there is no aggregator in \(data)")
        }
        return try Projection.delete("\(data)/\(projectionName)")
    }
}
