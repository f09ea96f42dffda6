import AgentCore
import LedgerCore
import SegmentStore

extension AgentRuntime {
    package func conflicts() async throws(ServiceFailure) -> OwnConflicts {
        try await reading { (store) throws(StoreError) in try store.conflicts() }
    }
}
