import LedgerCore

/// Why a data folder went on in another stream, and when.
package struct StreamEnd: Hashable, Sendable {
    package enum Cause: String, Hashable, Sendable, CaseIterable {
        /// The folder was made from a backup.
        case restored
        /// This folder, or the one that wrote before it, is an older copy.
        case rolledBack = "rolled_back"
        /// Two folders went on from one copy.
        case forked
        /// An operator declared the stream lost.
        case lost
        /// An operator closed it.
        case closed
    }

    package let cause: Cause
    /// For people.
    package let detail: String
    /// By this device's clock.
    package let at: Timestamp

    package init(_ cause: Cause, detail: String, at: Timestamp) {
        self.cause = cause
        self.detail = detail
        self.at = at
    }
}
