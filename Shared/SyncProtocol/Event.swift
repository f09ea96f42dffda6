import LedgerCore

/// One immutable fact in a stream, as its writer recorded it.
package struct Event: Hashable, Sendable {
    /// Its number in the stream, from 1 on.
    package let sequence: UInt64
    package let time: HybridTimestamp
    package let transaction: Transaction
    package let keyed: KeyedRequest?
    package let trace: TraceContext?
    /// Applies only together with the event behind it, which stands in the same segment. The last
    /// event of a group is the first one without it.
    package let continuesGroup: Bool

    package init(
        sequence: UInt64, time: HybridTimestamp, transaction: Transaction,
        keyed: KeyedRequest? = nil,
        trace: TraceContext? = nil, continuesGroup: Bool = false
    ) {
        self.sequence = sequence
        self.time = time
        self.transaction = transaction
        self.keyed = keyed
        self.trace = trace
        self.continuesGroup = continuesGroup
    }
}

/// The byte behind an event's length: what it is, and what a reader that does not know it must do.
struct EventTag {
    static let kindMask: UInt8 = 0x3F
    /// A reader that does not know the kind must set the event aside, not pass over it.
    static let mustUnderstand: UInt8 = 0x40
    static let continuesGroup: UInt8 = 0x80
}

/// Which optional fields follow the time, in the order of the bits.
struct EventFields: OptionSet {
    let rawValue: UInt8
    static let severalPostings = EventFields(rawValue: 1 << 0)
    static let reference = EventFields(rawValue: 1 << 1)
    static let metadata = EventFields(rawValue: 1 << 2)
    static let key = EventFields(rawValue: 1 << 3)
    static let trace = EventFields(rawValue: 1 << 4)
    static let occurredAt = EventFields(rawValue: 1 << 5)
    static let related = EventFields(rawValue: 1 << 6)
    /// Fields of later versions: a count, then for each a tag, a length and bytes. They are skipped
    /// and kept.
    static let extensions = EventFields(rawValue: 1 << 7)
}
