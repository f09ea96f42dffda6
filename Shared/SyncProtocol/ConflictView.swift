import LedgerCore

/// A conflict with what is known around it: what both APIs show.
package struct ConflictView: Hashable, Sendable {
    package let conflict: Conflict
    package let id: EventID
    /// Of its resolution; nil while there is none.
    package let resolutionID: EventID?
    /// Whose stream it is about; nil where that is not known here.
    package let agent: AgentID?
    /// How the stream stands now; nil where that is not known here.
    package let standing: Standing?
    /// Where the branches of its stream end here; none where that is not known.
    package let branches: [ChainPoint]
    /// Of a conflict of kind quarantined, what has no effect now.
    package let withoutEffect: [ClosedRange<UInt64>]

    /// - Parameter hub: the name under which the hub writes its stream.
    package init(
        _ conflict: Conflict, hub: AgentID, agent: AgentID?, standing: Standing?,
        branches: [ChainPoint], withoutEffect: [ClosedRange<UInt64>]
    ) {
        self.conflict = conflict
        id = conflict.id.text(hub: hub)
        resolutionID = conflict.resolution?.id.text(hub: hub)
        self.agent = agent
        self.standing = standing
        self.branches = branches
        self.withoutEffect = withoutEffect
    }
}

extension HubEventID {
    /// As people write it: `hub.k3f9qa2m.17`.
    package func text(hub: AgentID) -> EventID {
        EventID(agent: hub, stream: self.hub, sequence: sequence)
    }
}

extension EventID {
    /// The hub's event of this name.
    package var hubEvent: HubEventID { HubEventID(hub: stream, sequence: sequence) }
}
