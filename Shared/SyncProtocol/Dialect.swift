import LedgerCore

/// What one side of a session understands, so that the other can tell what to expect of it.
package struct Dialect: Hashable, Sendable {
    /// Format versions of segments and frames, the oldest and the newest.
    package var oldestFormat: UInt8
    package var newestFormat: UInt8
    /// Bit n is set for event kind n. Kinds 0 to 31 are an agent's, 32 to 62 the hub's, 63 is
    /// reserved for more.
    package var eventKinds: UInt64

    /// - Precondition: the oldest is not newer than the newest.
    package init(oldestFormat: UInt8, newestFormat: UInt8, eventKinds: UInt64) {
        precondition(
            oldestFormat <= newestFormat,
            "the oldest format \(oldestFormat) is newer than the newest, \(newestFormat)")
        self.oldestFormat = oldestFormat
        self.newestFormat = newestFormat
        self.eventKinds = eventKinds
    }

    /// Of this version.
    package static let current = Dialect(
        oldestFormat: SegmentHeader.version, newestFormat: SegmentHeader.version,
        eventKinds: 1 << UInt64(TransactionKind.transfer.rawValue))

    func encode(into writer: inout ByteWriter) {
        writer.u8(oldestFormat)
        writer.u8(newestFormat)
        writer.fixed(eventKinds)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        oldestFormat = try reader.u8()
        newestFormat = try reader.u8()
        eventKinds = try reader.fixed()
        guard oldestFormat <= newestFormat else {
            throw reader.failure(.invalid(what: "the format versions"))
        }
    }
}
