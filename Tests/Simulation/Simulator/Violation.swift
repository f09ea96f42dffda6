/// What must hold, of those invariants of the ledger that there are so far.
package enum Invariant: String, Sendable, Codable, CaseIterable {
    /// Invariant 2: the fold of the same segments in another order has the same digest.
    case foldOfAnyOrder = "the fold is one of any order"
    /// Invariant 3.
    case conservation = "what goes in comes out"
    /// Invariant 4, the first half.
    case answeredIsKept = "what was answered is in the ledger"
    /// Invariant 4, the second half.
    case onceOnly = "one request has one effect"
    /// Nothing is in the ledger that nobody asked for, and nothing says something else than was asked.
    case nothingInvented = "nothing is invented"
    /// A repeated request has the answer of the first one.
    case repeatsAgree = "a repeated request has the answer of the first"
    /// Invariant 5: an acknowledgement covers only what is durable.
    case acknowledgedIsDurable = "what is acknowledged is durable"
    /// A session's number and the announced head are durable before they are proved.
    case provedIsDurable = "what is proved is durable"
    /// Invariant 5: what an agent takes for safe is safe.
    case releasedIsHeld = "what is released is held"
    /// Invariant 5: what is pruned is acknowledged and old.
    case prunedIsOld = "what is pruned is acknowledged and old"
    /// A stream's segments follow each other, on both sides.
    case chains = "segments follow each other"
    /// Invariant 9, the second half: nothing that exists anywhere is missing in the end.
    case nothingDropped = "no event is dropped"
    /// Invariant 10.
    case timesGrow = "times grow along a stream"
    /// What a watermark covers is complete.
    case watermarks = "what a watermark covers is complete"
    /// Invariant 11.
    case checkpointAndTail = "a checkpoint and what follows make the whole"
    /// Invariant 12.
    case ownWrites = "a client reads its own writes"
    case noReadGoesBack = "no read goes back"
    /// What an agent tells of an account is what it and its hub recorded.
    case readsAreTrue = "what is read was recorded"
    /// An exchanged disk takes with it only what nobody else has, and that is said.
    case lostIsLost = "only what nobody has is said to be lost"
    case lossIsSaid = "what nobody has is said to be lost"
    /// The hub's stream is a chain without gaps, and so is what each agent is told of it.
    case hubStream = "the hub's stream has no gaps"
    case toldIsDurable = "what agents are told is durable"
    case toldIsKept = "an agent has what it says that it has seen"
    /// Whatever the hub finds is a conflict for people, of the stream that it is about.
    case conflictsAreShown = "no conflict is hidden"
    /// Invariant 9, the first half.
    case forksAreClosed = "a stream with two branches is closed"
    /// Invariant 10: a clock beyond the drift limit does not spread, and what it stamped is marked.
    case clocks = "a wrong clock harms only what it stamped"
    /// Invariant 13.
    case liveness = "when the faults stop, every backlog reaches zero"
    /// In calm weather nothing needs the cure for everything, which is to greet anew.
    case calm = "in calm weather nobody greets for nothing"
    /// A run that takes steps without end goes in a circle.
    case ends = "a run comes to its end"
    /// Late messages of the time before change nothing any more.
    case lateChangesNothing = "what comes late changes nothing"
    /// Invariant 14.
    case poisonStaysAlone = "a poisoned event delays nobody"
    /// No stream is stopped that has one writer.
    case noFalseAlarm = "nobody is accused without reason"
}

/// An invariant that a run broke: which, how, and at which step.
package struct Violation: Hashable, Sendable, Codable {
    package let invariant: Invariant
    package let detail: String
    package let step: Int

    init(_ invariant: Invariant, _ detail: String, step: Int) {
        self.invariant = invariant
        self.detail = detail
        self.step = step
    }
}
