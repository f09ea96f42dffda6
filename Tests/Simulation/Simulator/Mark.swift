/// A thing that must really have happened somewhere in a thousand runs, or the simulator explores
/// less than it says. Faults are counted apart, by their kinds.
package enum Mark: UInt8, CaseIterable, Sendable {
    // Clients.
    case accepted
    case acceptedTogether
    case replayed
    case mismatched
    case refused
    case unanswered
    case gaveUp
    case readOwn
    case readMerged
    case readUnknown

    // Disks.
    case writeLost
    case writeTorn
    case writeReordered
    case writeKept
    case crashBeforeWrite
    case crashAfterWrite
    case foldsReloaded
    case checkpoint
    case pruned
    case keysPruned

    case restoredMarked
    case restoredByHand
    case clonedOld
    case clonedRunning
    case hubRestoredMarked
    case hubRestoredByHand
    case hubLost
    case hubDrew

    // The agent's half of a session.
    case helloSent
    case sessionPrepared
    case proofSent
    case segmentsSent
    case segmentsResent
    case wentBack
    case released
    case confirmedAgain
    case definitionsSent
    case streamEnded
    case drew
    case drewAtStart
    case drained
    case firstHub
    case anotherHub
    case strayHub
    case forgedRefused
    case hubEventTold
    case returnsSent
    case unreadableSaid
    case readUnreadable
    case streamHeld
    case windowFull

    // The aggregator's half.
    case welcomed
    case proved
    case merged
    case acknowledged
    case needsSent
    case definitionsNeeded
    case lookedUp
    case branchBegun
    case lacking
    case closedRolledBack
    case closedForked
    case dropNotInSession
    case dropBadSignature
    case dropForeignStream
    case dropBrokenSegment
    case dropDuplicate
    case dropTooEarly
    case dropStreamStopped
    case dropBadDictionary
    case dropTooManyBranches
    case dropNotLookedUp
    case dropWatermarkAhead
    case dropStaleWatermark
    case brokenFrame
    case unknownFrame
    case setAside
    case greetingWhileStreaming

    // Watermarks and accounts.
    case watermarkPromised
    case watermarkLookedUp
    case watermarkKept
    case snapshotSent
    case snapshotTaken
    case snapshotTooFarBehind
    case snapshotRefused
    case snapshotAskedFor
    case accountWanted

    // The broker.
    case willPublished
    case retainedDelivered
    case nobodySubscribed
    case wrongConnection
    case keepAliveFailed
    case takenOver
    case late

    package var name: String { String(describing: self) }
}
