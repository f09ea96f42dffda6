import AgentCore
import LedgerCore
import SegmentStore

extension AgentStore {
    /// What the hubs' events that are kept here add up to.
    ///
    /// - Complexity: O(*n*), where *n* is the number of these events; a device has few.
    package func conflicts() throws(StoreError) -> OwnConflicts {
        let agent = writing.genesis.agent
        return try database.read { database in
            OwnConflicts(
                agent: agent, hubs: try HubTable.all(database),
                events: try HubTable.events(database))
        }
    }
}
