import LedgerCore
import SyncProtocol

/// Why a capture cannot be read further, and from which byte on.
package struct CaptureDamage: Error, Hashable, Sendable, CustomStringConvertible {
    /// The first byte that is not as it should be, or the first of the smallest range that contains it.
    package let offset: Int
    /// Whether the file merely ends too early, as when the one who wrote it was killed.
    package let isTruncated: Bool
    package let what: String

    package var description: String { "at byte \(offset): \(what)" }
}

/// Reads a capture from its first record to its last, one at a time.
///
/// **Function.** `next` gives a message, then another, and nil at the end. It throws what is wrong, once; what was
/// read before stands.
///
/// **Implementation.** It holds one record in memory, and believes no length before it is checked.
package struct CaptureReader {
    /// When the capture was begun.
    package let createdAt: Timestamp
    /// Of the file read so far, in bytes.
    package private(set) var offset: Int
    private let source: (Int) throws -> [UInt8]
    private var records = 0

    /// - Parameter source: the next bytes of the file, as many as asked for; fewer only where it ends.
    /// - Throws: `CaptureDamage`, and what the source throws.
    package init(_ source: @escaping (Int) throws -> [UInt8]) throws {
        self.source = source
        let header = try source(CaptureFormat.headerByteCount)
        createdAt = try CaptureReader.check(header: header)
        offset = header.count
    }

    private static func check(header: [UInt8]) throws(CaptureDamage) -> Timestamp {
        let magic = CaptureFormat.magic
        for (index, byte) in magic.enumerated() where index < header.count && header[index] != byte
        {
            throw CaptureDamage(
                offset: index, isTruncated: false,
                what: "it does not begin with \"TCAP\": this is no capture")
        }
        guard header.count == CaptureFormat.headerByteCount else {
            throw CaptureDamage(
                offset: header.count, isTruncated: true, what: "the file ends within its header")
        }
        guard header[magic.count] == CaptureFormat.version else {
            throw CaptureDamage(
                offset: magic.count, isTruncated: false,
                what: "the format version is \(header[magic.count]), and only "
                    + "\(CaptureFormat.version) is known here")
        }
        guard isChecked(header) else {
            throw CaptureDamage(
                offset: 0, isTruncated: false,
                what: "the header (bytes 0 to \(header.count - 1)) does not match its checksum")
        }
        return Timestamp(
            microseconds: CaptureFormat.integer(Int64.self, in: header, at: 8))
    }

    /// - Throws: `CaptureDamage`, and what the source throws.
    package mutating func next() throws -> CapturedMessage? {
        let length = try source(CaptureFormat.lengthByteCount)
        if length.isEmpty { return nil }
        records += 1
        guard length.count == CaptureFormat.lengthByteCount else {
            throw truncated("the file ends within the length of record \(records)")
        }
        let count = Int(CaptureFormat.integer(UInt32.self, in: length, at: 0))
        let possible = CaptureFormat.contentByteCountMin...CaptureFormat.contentByteCountMax
        guard possible.contains(count) else {
            throw damaged(
                "record \(records) says that it has \(count) bytes; possible are "
                    + "\(possible.lowerBound) to \(possible.upperBound)")
        }
        let rest = try source(count + CaptureFormat.checksumByteCount)
        guard rest.count == count + CaptureFormat.checksumByteCount else {
            throw truncated(
                "the file ends within record \(records), which says that it goes on to byte "
                    + "\(offset + length.count + count + CaptureFormat.checksumByteCount - 1)")
        }
        let record = length + rest
        guard CaptureReader.isChecked(record) else {
            throw damaged(
                "record \(records) (bytes \(offset) to \(offset + record.count - 1)) does not "
                    + "match its checksum")
        }
        let message = try message(in: record, count: count)
        offset += record.count
        return message
    }

    private func message(in record: [UInt8], count: Int) throws(CaptureDamage) -> CapturedMessage {
        let content = CaptureFormat.lengthByteCount
        let topicStart = content + CaptureFormat.contentByteCountMin
        let topicCount = Int(CaptureFormat.integer(UInt16.self, in: record, at: content + 9))
        let end = content + count
        guard record[content + 8] <= 1 else {
            throw damaged("record \(records) has unknown flags", behind: content + 8)
        }
        guard topicStart + topicCount <= end else {
            throw damaged("the topic of record \(records) is too long", behind: content + 9)
        }
        let topic = record[topicStart..<topicStart + topicCount]
        guard let topic = String(validating: topic, as: UTF8.self) else {
            throw damaged("the topic of record \(records) is no UTF-8", behind: topicStart)
        }
        let payload = record[(topicStart + topicCount)..<end]
        guard payload.count <= CaptureFormat.payloadByteCountMax else {
            throw damaged(
                "the payload of record \(records) has \(payload.count) bytes; possible are "
                    + "\(CaptureFormat.payloadByteCountMax)", behind: topicStart + topicCount)
        }
        return CapturedMessage(
            at: Timestamp(
                microseconds: CaptureFormat.integer(Int64.self, in: record, at: content)),
            topic: topic, isRetained: record[content + 8] == 1, payload: Array(payload))
    }

    private func damaged(_ what: String, behind count: Int = 0) -> CaptureDamage {
        CaptureDamage(offset: offset + count, isTruncated: false, what: what)
    }

    private func truncated(_ what: String) -> CaptureDamage {
        CaptureDamage(offset: offset, isTruncated: true, what: what)
    }

    /// Whether the last four bytes are the checksum of those before.
    private static func isChecked(_ bytes: [UInt8]) -> Bool {
        let end = bytes.count - CaptureFormat.checksumByteCount
        return CRC32C.checksum(bytes[..<end])
            == CaptureFormat.integer(UInt32.self, in: bytes, at: end)
    }
}
