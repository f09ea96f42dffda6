/// What the cores are not expected to survive yet, and why. A fault named here is never injected, a
/// mark named here may be missing. The table shrinks to nothing.
package enum NotYet {
    package static let faults: [FaultKind: String] = [
        .agentRestore:
            "a stream that is found to be a copy is stopped with what it holds; it needs a new one to go on in",
        .agentRestoreTwice: "as agentRestore",
        .agentClone: "as agentRestore; and of a fork both branches must merge",
        .agentBitRot: "an agent cannot say yet which ranges of its own log it cannot read",
        .aggregatorBitRot: "a log that rots is replaced by a backup: as aggregatorRestore",
        .aggregatorRestore:
            "positions are given anew under the hub stream of before; it needs a new one",
        .aggregatorRestoreTwice: "as aggregatorRestore",
        .aggregatorDiskLoss:
            "as aggregatorRestore; and what is pruned is a gap that nobody retains",
        .alteredHello: "what a greeting says is not signed for",
        .alteredDown: "what the aggregator says is not signed",
        .forgedDown: "what the aggregator says is not signed",
    ]

    package static let marks: [Mark: String] = [
        .streamStopped: "streams stop only by copies, which are not made yet",
        .closedRolledBack: "as streamStopped",
        .closedForked: "as streamStopped",
        .branchBegun: "as streamStopped",
        .dropTooManyBranches: "as streamStopped",
        .dropNotLookedUp: "the aggregator's disk does not rot yet",
        .dropStreamStopped: "as streamStopped",
        .streamHeld: "only a restored aggregator lacks what is pruned",
        .lacking: "only a restored aggregator lacks what is pruned",
        .dropWatermarkAhead: "only a restored aggregator has less than a watermark covers",
        .acknowledgementRefused: "as forgedDown",
        .dropBadDictionary:
            "a writer that errs about its own names blocks its stream; it needs quarantine",
        .definitionsNeeded: "nobody lacks definitions but of a gap",
        .definitionsSent: "nobody lacks definitions but of a gap",
    ]
}
