/// Everything that can go wrong in a run.
package enum FaultKind: UInt8, CaseIterable, Sendable {
    // What a network and its broker do to one message.
    case loss
    case duplication
    case reorder
    case delay
    case damage

    // Paths that are cut.
    case partition
    case oneWayUp
    case oneWayDown
    case swizzle
    case silence
    case night

    // The broker.
    case brokerRestart
    case brokerAmnesia
    case takeover

    // Processes.
    case agentCrash
    case aggregatorCrash
    case restart
    case stall

    // Disks.
    case writeFailure
    case slowWrite
    case diskFull
    case agentBitRot
    case aggregatorBitRot

    // Clocks.
    case clockJump
    case clockDrift
    case clock1970
    case clock2038

    // Copies of data folders.
    case agentRestore
    case agentRestoreTwice
    case agentClone
    case agentDiskLoss
    case aggregatorRestore
    case aggregatorRestoreTwice
    case aggregatorDiskLoss

    // Frames of somebody else, or of long ago.
    case replayedUp
    case replayedDown
    case alteredUp
    case alteredHello
    case alteredDown
    case forgedUp
    case forgedDown

    // Other versions, and writers that err.
    case newerFrame
    case unknownEvent
    case poisonedEvent

    // Clients.
    case lostAnswer
    case changedRepeat

    /// When it is decided whether one happens.
    enum Occasion {
        /// For each message on each link.
        case message
        /// For each operation of a node or a client, as it is done.
        case operation
        /// At times that the plan draws.
        case moment
    }

    var occasion: Occasion {
        switch self {
        case .loss, .duplication, .reorder, .delay, .damage: .message
        case .writeFailure, .slowWrite, .unknownEvent, .poisonedEvent, .lostAnswer, .changedRepeat:
            .operation
        default: .moment
        }
    }

    /// Its place among all, part of what a seed means.
    var number: Int { Int(rawValue) }

    package var name: String { String(describing: self) }

    package init?(name: some StringProtocol) {
        guard let kind = FaultKind.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// One fault of a run: what, to whom, and the how many-th of its kind there.
package struct FaultID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let kind: FaultKind
    /// A node, a link or a client; 0 where the kind concerns the world.
    package let place: Int
    package let ordinal: Int

    init(_ kind: FaultKind, _ place: Int, _ ordinal: Int) {
        self.kind = kind
        self.place = place
        self.ordinal = ordinal
    }

    /// As in `loss.3.17`.
    package var description: String { "\(kind.name).\(place).\(ordinal)" }

    /// - Returns: nil where the text is not a fault's.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let kind = FaultKind(name: parts[0]),
            let place = Int(parts[1]), let ordinal = Int(parts[2])
        else { return nil }
        self.init(kind, place, ordinal)
    }

    package static func < (left: FaultID, right: FaultID) -> Bool {
        (left.kind.number, left.place, left.ordinal)
            < (right.kind.number, right.place, right.ordinal)
    }
}
