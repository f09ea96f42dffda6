import CMosquitto

// What libmosquitto calls. Functions, not closures: a closure written in code that is isolated to
// an actor would be isolated too, and trap on our thread.

extension MosquittoInbox {
    /// The inbox behind the context pointer that `mosquitto_new` was given. `MosquittoLink` holds
    /// the inbox for longer than the handle lives.
    fileprivate static func at(_ context: UnsafeMutableRawPointer?) -> MosquittoInbox {
        guard let context else { preconditionFailure("libmosquitto lost its context") }
        return Unmanaged<MosquittoInbox>.fromOpaque(context).takeUnretainedValue()
    }
}

nonisolated func mosquittoDidConnect(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ code: Int32, _: Int32,
    _ properties: OpaquePointer?
) {
    let inbox = MosquittoInbox.at(context)
    guard code == 0 else {
        inbox.packets.append(.refused(code))
        return
    }
    var receiveMax: UInt16 = 0
    var packetBytesMax: UInt32 = 0
    var retain: UInt8 = 1
    var qos: UInt8 = 2
    mosquitto_property_read_int16(
        properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &receiveMax, false)
    mosquitto_property_read_int32(
        properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &packetBytesMax, false)
    mosquitto_property_read_byte(
        properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &retain, false)
    mosquitto_property_read_byte(properties, Int32(MQTT_PROP_MAXIMUM_QOS.rawValue), &qos, false)
    // Zero is not a value that the protocol allows for the first two (MQTT 5, section 3.2.2.3).
    inbox.packets.append(
        .accepted(
            PublishWindow.BrokerLimits(
                receiveMax: receiveMax > 0 ? Int(receiveMax) : nil,
                packetBytesMax: packetBytesMax > 0 ? Int(packetBytesMax) : nil,
                keepsRetained: retain != 0,
                takesQoS1: qos > 0)))
}

nonisolated func mosquittoDidSubscribe(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ messageID: Int32, _ count: Int32,
    _ granted: UnsafePointer<Int32>?
) {
    // One SUBSCRIBE has one filter. A SUBACK without a code grants nothing.
    let code = count > 0 ? granted?.pointee ?? 0x80 : 0x80
    MosquittoInbox.at(context).packets.append(.subscribed(messageID: messageID, code: code))
}

nonisolated func mosquittoDidPublish(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ messageID: Int32, _ code: Int32,
    _: OpaquePointer?
) {
    MosquittoInbox.at(context).packets.append(.acknowledged(messageID: messageID, code: code))
}

nonisolated func mosquittoDidReceive(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?,
    _ received: UnsafePointer<mosquitto_message>?
) {
    let inbox = MosquittoInbox.at(context)
    guard let received, let topic = received.pointee.topic else { return }
    let length = Int(received.pointee.payloadlen)
    guard length <= inbox.payloadBytesMax else {
        inbox.oversizeDropped += 1
        return
    }
    let payload = [UInt8](UnsafeRawBufferPointer(start: received.pointee.payload, count: length))
    inbox.packets.append(
        .message(
            MQTTMessage(
                topic: String(cString: topic), payload: payload, retain: received.pointee.retain)))
}

nonisolated func mosquittoDidDisconnect(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ code: Int32, _: OpaquePointer?
) {
    // Below 0x80 it is the library's own error, which the loop function returns as well.
    guard code >= 0x80 else { return }
    MosquittoInbox.at(context).packets.append(.closed(code))
}

nonisolated func mosquittoDidLog(
    _: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ level: Int32,
    _ line: UnsafePointer<CChar>?
) {
    guard level == MOSQ_LOG_ERR, let line else { return }
    MosquittoInbox.at(context).lastErrorLine = String(cString: line)
}

/// OpenSSL would ask for the passphrase of an encrypted key on the terminal, and wait.
nonisolated func mosquittoRefusesToPrompt(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?
) -> Int32 {
    0
}
