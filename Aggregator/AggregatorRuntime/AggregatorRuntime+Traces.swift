import LedgerCore
import Observability
import TraceStore

extension AggregatorRuntime: TraceArchive {
    package func trace(_ id: [UInt8]) async throws(TraceArchiveFailure) -> [ArchivedSpan] {
        try await archived { (store) throws(TraceStore.Failure) in try store.trace(id) }
    }

    package func traces(of transaction: EventID) async throws(TraceArchiveFailure) -> [[UInt8]] {
        try await archived { (store) throws(TraceStore.Failure) in
            try store.traces(stream: transaction.stream, sequence: transaction.sequence)
        }
    }

    /// Reads block, so they run off the pool.
    private func archived<Value: Sendable>(
        _ body: @escaping @Sendable (TraceStore) throws(TraceStore.Failure) -> Value
    ) async throws(TraceArchiveFailure) -> Value {
        let store: TraceStore
        switch traces {
        case .success(let intake): store = intake.store
        case .failure(let failure): throw .unavailable(detail: failure.description)
        }
        let result = await readers.run { () -> Result<Value, TraceStore.Failure> in
            do throws(TraceStore.Failure) { return .success(try body(store)) } catch {
                return .failure(error)
            }
        }
        guard let result else { throw .overloaded }
        do throws(TraceStore.Failure) { return try result.get() } catch {
            throw .unavailable(detail: error.description)
        }
    }
}
