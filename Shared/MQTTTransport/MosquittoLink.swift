import CMosquitto
import Glibc

/// One libmosquitto client, from `mosquitto_new` to `mosquitto_destroy`, for one connection.
///
/// It is made, used and destroyed on the connection's own thread and is not `Sendable`.
/// libmosquitto is told that it is in a threaded program all the same (`mosquitto_threaded_set`):
/// otherwise a publish would write to the socket at once, one system call and one small packet
/// each, and handle errors in the middle of our own work. A client is never reused after a failure:
/// `mosquitto_reinitialise` of 2.0.11 can close descriptor 0.
final class MosquittoLink {
    private let handle: OpaquePointer
    private let inbox: MosquittoInbox
    private let configuration: MQTTConfiguration
    private let version: MQTTStatus.Version

    /// - Throws: `library` or `tls`: a file that cannot be read, memory that cannot be had.
    init(
        configuration: MQTTConfiguration, version: MQTTStatus.Version
    ) throws(MQTTFailure) {
        precondition(MosquittoLibrary.isReady, "libmosquitto could not be initialised")
        let inbox = MosquittoInbox(payloadBytesMax: configuration.limits.payloadBytesMax)
        let context = Unmanaged.passUnretained(inbox).toOpaque()
        // A clean session, which in MQTT 5 ends with the connection (no session expiry,
        // 3.1.2.11.2).
        guard let handle = mosquitto_new(configuration.clientID, true, context) else {
            throw .library(cause: MosquittoLibrary.sentence(forSystemError: errno))
        }
        self.handle = handle
        self.inbox = inbox
        self.configuration = configuration
        self.version = version
        setCallbacks()
        try setOptions()
        try setTLS()
    }

    /// Closes the socket without a DISCONNECT, unless `disconnect` was written before. The inbox,
    /// to which the callbacks point, is released after this.
    deinit {
        mosquitto_destroy(handle)
    }

    /// −1 when the library has closed it.
    var descriptor: Int32 { mosquitto_socket(handle) }

    /// Has the kernel acknowledge at once what it has received (TCP_QUICKACK, tcp(7)), which holds
    /// until it changes its mind, so it is said before each rest. Mosquitto leaves Nagle's
    /// algorithm on, and would keep its next small packet for the 40 ms of a delayed
    /// acknowledgement.
    func acknowledgeAtOnce() {
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // Where it fails, it is only slower.
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &on, size)
    }

    var wantsWrite: Bool { mosquitto_want_write(handle) }

    var oversizeDropped: UInt64 { inbox.oversizeDropped }

    func takePackets(into packets: inout [MosquittoInbox.Packet]) {
        inbox.take(into: &packets)
    }
}

// MARK: - Setting up

extension MosquittoLink {
    private func setCallbacks() {
        mosquitto_connect_v5_callback_set(handle, mosquittoDidConnect)
        mosquitto_subscribe_callback_set(handle, mosquittoDidSubscribe)
        mosquitto_publish_v5_callback_set(handle, mosquittoDidPublish)
        mosquitto_message_callback_set(handle, mosquittoDidReceive)
        mosquitto_disconnect_v5_callback_set(handle, mosquittoDidDisconnect)
        mosquitto_log_callback_set(handle, mosquittoDidLog)
    }

    private func setOptions() throws(MQTTFailure) {
        let protocolVersion = version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311
        // One above the window: the farewell has a place of its own.
        let sendMax = Int32(configuration.limits.outstandingMax + 1)
        try check(mosquitto_threaded_set(handle, true))
        try check(mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, protocolVersion))
        try check(mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1))
        try check(mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, sendMax))
        try check(
            mosquitto_int_option(
                handle, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(configuration.limits.receiveMax)))
        if let username = configuration.username {
            try check(mosquitto_username_pw_set(handle, username, configuration.password))
        }
        if let will = configuration.lastWill {
            try check(
                mosquitto_will_set(
                    handle, will.topic, Int32(will.payload.count), will.payload, 1, will.retain))
        }
    }

    private func setTLS() throws(MQTTFailure) {
        guard let tls = configuration.tls else { return }
        for path in [tls.caFile, tls.certFile, tls.keyFile] {
            guard let path, access(path, R_OK) != 0 else { continue }
            let cause = MosquittoLibrary.sentence(forSystemError: errno)
            throw .tls(cause: "cannot read \(path): \(cause)")
        }
        if let caFile = tls.caFile {
            try check(
                mosquitto_tls_set(
                    handle, caFile, nil, tls.certFile, tls.keyFile, mosquittoRefusesToPrompt))
        } else {
            try check(mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1))
        }
        // 1 is SSL_VERIFY_PEER. The version is the lowest allowed: 1.3 is negotiated where it can
        // be.
        try check(mosquitto_tls_opts_set(handle, 1, "tlsv1.2", nil))
    }

    private func check(_ code: Int32) throws(MQTTFailure) {
        guard code != MOSQ_ERR_SUCCESS.rawValue else { return }
        throw .library(cause: MosquittoLibrary.sentence(forError: code))
    }
}

// MARK: - Connecting and driving

extension MosquittoLink {
    /// Resolves the name, connects to the first of its addresses that answers, and queues CONNECT.
    ///
    /// Blocks: in the resolver for as long as resolv.conf(5) allows, and in connect(2) for as long
    /// as the kernel retries, about two minutes for each address that swallows packets.
    func connect() throws(MQTTFailure) {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if version == .v5 {
            let packetBytesMax = UInt32(configuration.limits.payloadBytesMax) * 2 + 131_072
            try check(
                mosquitto_property_add_int32(
                    &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), packetBytesMax))
        }
        errno = 0
        let code = mosquitto_connect_bind_v5(
            handle, configuration.host, Int32(configuration.port),
            Int32(configuration.keepAlive.components.seconds), nil, properties)
        let number = errno
        guard code != MOSQ_ERR_SUCCESS.rawValue else { return }
        throw connectFailure(code: code, number: number)
    }

    /// Reads at least one packet, where one is there. Packets may have arrived even if it fails,
    /// and then explain the failure better.
    func read() -> MQTTFailure? {
        drive { mosquitto_loop_read($0, 1) }
    }

    /// Writes what is queued, or as much as the socket takes.
    func write() -> MQTTFailure? {
        drive { mosquitto_loop_write($0, 1) }
    }

    /// Pings when the keepalive asks for it, and notices that a ping was not answered. Once a
    /// second is enough: the library counts in whole seconds.
    func keepAlive() -> MQTTFailure? {
        drive { mosquitto_loop_misc($0) }
    }

    /// The handshake is over, and with it the use of log lines: the library would format one per
    /// packet.
    func stopListeningToLog() {
        mosquitto_log_callback_set(handle, nil)
    }

    private func drive(_ step: (OpaquePointer) -> Int32) -> MQTTFailure? {
        errno = 0
        let code = step(handle)
        let number = errno
        return code == MOSQ_ERR_SUCCESS.rawValue ? nil : driveFailure(code: code, number: number)
    }
}

// MARK: - Packets out

extension MosquittoLink {
    /// Queues a publish at QoS 1, which copies the payload. Nothing is written yet.
    /// - Returns: the message id that its PUBACK will carry.
    func publish(_ message: MQTTMessage) throws(MQTTFailure) -> Int32 {
        var messageID: Int32 = 0
        try check(
            mosquitto_publish(
                handle, &messageID, message.topic, Int32(message.payload.count), message.payload, 1,
                message.retain))
        return messageID
    }

    /// - Returns: the message id that its SUBACK will carry.
    func subscribe(_ filter: String) throws(MQTTFailure) -> Int32 {
        var messageID: Int32 = 0
        try check(mosquitto_subscribe(handle, &messageID, filter, 1))
        return messageID
    }

    /// Queues DISCONNECT, after which the broker forgets the last will. Once it is written the
    /// library closes the socket.
    func disconnect() {
        // It fails only if the socket is gone, and then there is nobody to say goodbye to.
        _ = mosquitto_disconnect(handle)
    }
}

// MARK: - Failures

extension MosquittoLink {
    private func connectFailure(code: Int32, number: Int32) -> MQTTFailure {
        let host = configuration.host
        switch mosq_err_t(rawValue: code) {
        case MOSQ_ERR_EAI:
            switch number {
            // -5 is EAI_NODATA, which <netdb.h> keeps for GNU programs: a name without an address.
            case EAI_NONAME, -5: return .nameNotKnown(host: host)
            default:
                let cause = MosquittoLibrary.sentence(forNameError: number)
                return .nameNotResolved(host: host, cause: cause)
            }
        case MOSQ_ERR_ERRNO:
            let cause = MosquittoLibrary.sentence(forSystemError: number)
            return .notReachable(host: host, port: configuration.port, cause: cause)
        default:
            return driveFailure(code: code, number: number)
        }
    }

    private func driveFailure(code: Int32, number: Int32) -> MQTTFailure {
        switch mosq_err_t(rawValue: code) {
        case MOSQ_ERR_CONN_LOST, MOSQ_ERR_NO_CONN, MOSQ_ERR_CONN_REFUSED:
            return tlsFailure ?? .closedByBroker(cause: nil)
        case MOSQ_ERR_KEEPALIVE: return .silent
        case MOSQ_ERR_TLS, MOSQ_ERR_TLS_HANDSHAKE, MOSQ_ERR_OCSP:
            return tlsFailure ?? .tls(cause: MosquittoLibrary.sentence(forError: code))
        case MOSQ_ERR_ERRNO:
            if let tlsFailure { return tlsFailure }
            return .broken(cause: MosquittoLibrary.sentence(forSystemError: number))
        case MOSQ_ERR_PROTOCOL, MOSQ_ERR_MALFORMED_PACKET, MOSQ_ERR_MALFORMED_UTF8:
            return .broken(cause: "the broker does not keep to the protocol")
        default: return .library(cause: MosquittoLibrary.sentence(forError: code))
        }
    }

    /// OpenSSL's reason, the last part of a line such as
    /// `OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed`.
    private var tlsFailure: MQTTFailure? {
        guard configuration.tls != nil, let line = inbox.lastErrorLine else { return nil }
        let reason = line.split(separator: ":").last ?? line[...]
        return .tls(cause: String(reason.drop(while: { $0 == " " })))
    }
}
