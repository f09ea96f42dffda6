import TestSupport

/// What a store's tables hold, and what one transaction changes of them.
package protocol DiskContents {
    associatedtype Change
    mutating func apply(_ change: Change)
}

/// A disk with one transaction at a time, as a store sees it through its write-ahead log.
///
/// **Overview.** A transaction is several pages, of which the last says that all are there. It is
/// durable when it is synced. Where the power fails before, each page is there, torn or lost, as the
/// disk had got to it in whatever order; and opening the disk takes the transaction only where every
/// page is whole.
///
/// **Invariant.** What was synced is never lost.
package struct VirtualDisk<Contents: DiskContents> {
    /// What opening found of a transaction that was not synced.
    package enum Remains: Hashable {
        case nothing
        /// No page had been written.
        case lost
        /// A page was half written.
        case torn
        /// A page was missing before another that was there.
        case reordered
        /// All was there, although nobody was told so.
        case whole
    }

    package private(set) var contents: Contents
    private var unsynced: (change: Contents.Change, pageCount: Int)?

    package init(_ contents: Contents) {
        self.contents = contents
    }

    var isWriting: Bool { unsynced != nil }

    /// - Precondition: no other transaction is under way: there is one writer.
    package mutating func begin(_ change: Contents.Change, pageCount: Int) {
        precondition(unsynced == nil, "two transactions at once")
        unsynced = (change, pageCount)
    }

    package mutating func sync() {
        guard let change = unsynced?.change else { preconditionFailure("nothing to sync") }
        unsynced = nil
        contents.apply(change)
    }

    /// The transaction failed: nothing of it is there.
    package mutating func rollBack() {
        unsynced = nil
    }

    /// A transaction of which nobody waits for the end.
    mutating func write(_ change: Contents.Change) {
        contents.apply(change)
    }

    /// The power fails.
    package mutating func crash(_ random: inout SplitMix64) -> Remains {
        guard let (change, pageCount) = unsynced else { return .nothing }
        unsynced = nil
        let remains = VirtualDisk.remains(pageCount, &random)
        if remains == .whole { contents.apply(change) }
        return remains
    }

    private enum Page { case whole, torn, lost }

    private static func remains(_ pageCount: Int, _ random: inout SplitMix64) -> Remains {
        // Some disks had written nearly all, some nearly nothing.
        let share = random.pick([0, 2, 6, 8] as [UInt64])
        let pages = (0..<pageCount).map { _ -> Page in
            guard random.next() % 8 < share else { return .lost }
            return random.oneIn(8) ? .torn : .whole
        }
        if pages.allSatisfy({ $0 == .whole }) { return .whole }
        if pages.allSatisfy({ $0 == .lost }) { return .lost }
        return pages.contains(.torn) ? .torn : .reordered
    }

    /// The medium is exchanged: another folder, an old image, nothing.
    mutating func replace(with contents: Contents) {
        unsynced = nil
        self.contents = contents
    }

    /// Changes what lies there, as no store would: bit rot.
    mutating func decay(_ body: (inout Contents) -> Void) {
        body(&contents)
    }
}
