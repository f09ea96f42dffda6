/// What the cores are not expected to survive yet, and why. A fault named here is never injected, a
/// mark named here may be missing. The table shrinks to nothing.
package enum NotYet {
    package static let faults: [FaultKind: String] = [
        .alteredHello:
            "a welcome does not say which greeting it answers but by its nonce, and the number of its session comes from that",
        .agentBitRot: "an agent cannot say yet which ranges of its own log it cannot read",
        .aggregatorBitRot: "a log that rots is replaced by a backup: as aggregatorRestore",
        .aggregatorRestore:
            "positions are given anew under the hub stream of before; it needs a new one",
        .aggregatorRestoreTwice: "as aggregatorRestore",
        .aggregatorDiskLoss:
            "as aggregatorRestore; and what is pruned is a gap that nobody retains",
    ]

    package static let marks: [Mark: String] = [
        .anotherHub: "the hub has one stream so far",
        .strayHub: "the hub has one stream so far",
        .returnsSent: "the hub has one stream so far",
        .hubEventTold: "the hub tells nothing so far",
        .unreadableSaid: "as agentBitRot",
        .readUnreadable: "as agentBitRot",
        .confirmedAgain: "only a restored aggregator is sent again what was released",
        .dropTooManyBranches: "nobody refuses a stream so far",
        .dropNotLookedUp: "the aggregator's disk does not rot yet",
        .dropStreamStopped: "nobody refuses a stream so far",
        .streamHeld: "only a restored aggregator lacks what is pruned",
        .lacking: "only a restored aggregator lacks what is pruned",
        .dropWatermarkAhead: "only a restored aggregator has less than a watermark covers",
        .acknowledgementRefused: "a hub that signs is not at odds with itself",
        .dropBadDictionary:
            "a writer that errs about its own names blocks its stream; it needs quarantine",
        .definitionsNeeded: "nobody lacks definitions but of a gap",
        .definitionsSent: "nobody lacks definitions but of a gap",
    ]
}
