import LedgerCore
import SyncProtocol

/// An MQTT message as it was seen passing.
package struct CapturedMessage: Hashable, Sendable {
    /// When it arrived, by the clock of the machine that listened.
    package var at: Timestamp
    package var topic: String
    /// Whether the broker had kept it for whoever comes.
    package var isRetained: Bool
    package var payload: [UInt8]

    package init(at: Timestamp, topic: String, isRetained: Bool, payload: [UInt8]) {
        self.at = at
        self.topic = topic
        self.isRetained = isRetained
        self.payload = payload
    }
}

/// The bytes of a capture file; see the catalog's `CaptureFile` article.
package enum CaptureFormat {
    package static let magic: [UInt8] = Array("TCAP".utf8)
    package static let version: UInt8 = 1
    package static let headerByteCount = 20
    /// Of one payload: what the brokers we know let pass (nats-server's default), and four times our frame.
    package static let payloadByteCountMax = 1 << 20
    package static let topicByteCountMax = 65_535
    static let contentByteCountMin = 11
    static let contentByteCountMax = contentByteCountMin + topicByteCountMax + payloadByteCountMax
    static let lengthByteCount = 4
    static let checksumByteCount = 4

    package static func header(createdAt: Timestamp) -> [UInt8] {
        var bytes = magic + [version, 0, 0, 0]
        append(createdAt.microseconds, to: &bytes)
        append(CRC32C.checksum(bytes), to: &bytes)
        return bytes
    }

    /// - Precondition: topic and payload are within their limits.
    package static func record(_ message: CapturedMessage) -> [UInt8] {
        let topic = Array(message.topic.utf8)
        precondition(topic.count <= topicByteCountMax, "a topic of \(topic.count) bytes")
        precondition(
            message.payload.count <= payloadByteCountMax,
            "a payload of \(message.payload.count) bytes")
        var bytes: [UInt8] = []
        let count = contentByteCountMin + topic.count + message.payload.count
        bytes.reserveCapacity(lengthByteCount + count + checksumByteCount)
        append(UInt32(count), to: &bytes)
        append(message.at.microseconds, to: &bytes)
        bytes.append(message.isRetained ? 1 : 0)
        append(UInt16(topic.count), to: &bytes)
        bytes += topic
        bytes += message.payload
        append(CRC32C.checksum(bytes), to: &bytes)
        return bytes
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }

    static func integer<Value: FixedWidthInteger>(
        _: Value.Type, in bytes: [UInt8], at offset: Int
    ) -> Value {
        bytes.withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }
}
