/// What the cores are not expected to survive yet, and why. A fault named here is never injected, a
/// mark named here may be missing. The table shrinks to nothing.
package enum NotYet {
    package static let faults: [FaultKind: String] = [:]

    package static let marks: [Mark: String] = [
        .dropStreamStopped: "no operator takes part yet",
        .dropTooManyBranches: "no run has so many copies of one folder",
        .snapshotRefused: "a hub that signs is not at odds with itself",
    ]
}
