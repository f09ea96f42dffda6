/// What is wrong with a ``SmallWorld`` on purpose, to see that a search finds it.
package enum Breakage: String, Hashable, Sendable, CaseIterable {
    /// The hub's sessions are told that all is durable, and nothing is.
    case acknowledgesBeforeCommit
    /// The hub writes segments, and not what it knows of sessions and standings.
    case forgetsRecords
    /// An agent sends what a crash takes away from it.
    case losesEventsInCrash
    /// The hub ends the sessions of all other agents when one proves its own.
    case forgetsOthers
}
