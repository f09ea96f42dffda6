/// Publishes handed to the library whose PUBACK has not come, oldest first. At most a window and a
/// farewell, and brokers acknowledge in order (MQTT 3.1.1, section 4.6), so that the first entry is
/// nearly always the one.
struct InFlight {
    enum Publish: Equatable {
        case delivery(MQTTDelivery)
        case farewell
    }

    private var entries: [(messageID: Int32, publish: Publish)] = []

    var isEmpty: Bool { entries.isEmpty }

    mutating func append(_ publish: Publish, messageID: Int32) {
        entries.append((messageID, publish))
    }

    /// - Returns: `nil` if no such publish is under way.
    mutating func remove(messageID: Int32) -> Publish? {
        guard let index = entries.firstIndex(where: { $0.messageID == messageID }) else {
            return nil
        }
        return entries.remove(at: index).publish
    }
}
