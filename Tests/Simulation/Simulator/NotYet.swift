/// What the cores are not expected to survive yet, and why. A fault named here is never injected, a
/// mark named here may be missing. The table shrinks to nothing.
package enum NotYet {
    package static let faults: [FaultKind: String] = [
        .alteredHello:
            "a welcome does not say which greeting it answers but by its nonce, and the number of its session comes from that",
        .agentBitRot: "an agent cannot say yet which ranges of its own log it cannot read",
        .aggregatorRestore:
            "seven runs in a thousand: a copy that has written as many hub events again before anybody shows what it forgot, and what a former hub had in quarantine",
        .aggregatorRestoreTwice: "as aggregatorRestore",
        .aggregatorBitRot: "a log without a copy is lost: as aggregatorDiskLoss",
        .aggregatorDiskLoss:
            "one run in a hundred: what a former hub had in quarantine, and copies of one folder behind a gap",
    ]

    package static let marks: [Mark: String] = [
        .hubLost: "as aggregatorDiskLoss",
        .hubRestoredMarked: "as aggregatorRestore",
        .hubRestoredByHand: "as aggregatorRestore",
        .hubDrew: "as aggregatorRestore",
        .definitionsSent: "as aggregatorRestore",
        .acknowledgementRefused: "as aggregatorRestore",
        .anotherHub: "as aggregatorRestore",
        .strayHub: "as aggregatorRestore",
        .returnsSent: "as aggregatorRestore",
        .streamHeld: "as aggregatorRestore",
        .definitionsNeeded: "as aggregatorRestore",
        .lacking: "as aggregatorRestore",
        .dropBadDictionary: "as aggregatorRestore",
        .dropWatermarkAhead: "as aggregatorRestore",
        .unreadableSaid: "as agentBitRot",
        .readUnreadable: "as agentBitRot",
        .dropNotLookedUp: "as aggregatorBitRot",
        .dropStreamStopped: "no operator takes part yet",
        .dropTooManyBranches: "no run has so many copies of one folder",
        .snapshotRefused: "a hub that signs is not at odds with itself",
    ]
}
