import ArgumentParser
import Foundation
import LedgerCore
import MQTTTransport
import MessageInspection
import SyncProtocol
import Synchronization
import Workers

/// `tap`
struct Tap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the messages of sync as they pass the broker, like a packet dump.",
        usage: "tributary-trace tap [<options>]",
        discussion: """
            Listens under a client id of its own, and never publishes. What the broker has retained comes first. Ctrl-C \
            ends it with a count. A capture is read back with `decode`.

            A broker that asks for a password gets it from TRIBUTARY_BROKER_PASSWORD, with --user.
            """)

    @Option(
        help: ArgumentHelp(
            "The MQTT broker, as mqtt://HOST:PORT or mqtts://HOST:PORT.", valueName: "url"))
    var broker = "mqtt://127.0.0.1:1883"

    @Option(help: "Only what is from, to or about this agent.")
    var agent: String?

    @OptionGroup var output: MessageOutput

    @Option(help: ArgumentHelp("Also keep the messages in a new file.", valueName: "file"))
    var write: String?

    @Option(
        help: ArgumentHelp("How large the file of --write may become, in MiB.", valueName: "MiB"))
    var writeMax = 1024

    @Option(help: ArgumentHelp("The user name for the broker.", valueName: "name"))
    var user: String?

    @Option(
        help: ArgumentHelp(
            "PEM file of the authorities that may vouch for the broker; else the system's.",
            valueName: "path"))
    var tlsCa: String?

    @Option(
        help: ArgumentHelp("PEM file of the certificate shown to the broker.", valueName: "path"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("PEM file of that certificate's key.", valueName: "path"))
    var tlsKey: String?

    func validate() throws {
        guard writeMax > 0 else { throw ValidationError("--write-max must be at least 1") }
    }

    func run() throws {
        let configuration = try configuration()
        let capture = try write.map { try CaptureFile(path: $0, byteCountMax: writeMax << 20) }
        let listener = TapListener(output, capture, broker: broker)
        let connection = MQTTConnection(configuration) { listener.handle($0) }
        let interrupts = Interrupts { listener.end(.interrupted) }
        connection.start()
        let end = listener.waitForEnd()
        interrupts.stop()
        connection.stop()
        try listener.close()
        let dropped = connection.status.oversizeDropped
        if case .unreachable(let failure) = end {
            throw TraceFailure.unreachable("cannot reach \(broker): \(failure)")
        }
        listener.sayCounts(oversizeDropped: dropped)
        if case .failed(let sentence) = end { throw TraceFailure.failed(sentence) }
        if !listener.isSound || dropped > 0 { throw Outcome.notFine }
    }

    private func configuration() throws -> MQTTConfiguration {
        let files = [tlsCa, tlsCertificate, tlsKey]
        let tls =
            files.contains { $0 != nil }
            ? MQTTTLSOptions(caFile: files[0], certFile: files[1], keyFile: files[2]) : nil
        var limits = MQTTLimits()
        limits.payloadBytesMax = CaptureFormat.payloadByteCountMax
        do {
            return try MQTTConfiguration(
                url: broker,
                clientID: "tributary-trace-\(String(UInt32.random(in: 0 ... .max), radix: 16))",
                username: user,
                password: user == nil
                    ? nil : ProcessInfo.processInfo.environment["TRIBUTARY_BROKER_PASSWORD"],
                tls: tls, subscriptions: try topics(), limits: limits)
        } catch let error as MQTTConfigurationError {
            throw TraceFailure.usage("--broker: \(error)")
        }
    }

    private func topics() throws -> [String] {
        guard let agent else { return [Topics.everything] }
        return Topics.everything(about: try AgentID.argument(agent))
    }
}

/// What the connection's thread does with what it hears: shows it, keeps it, counts it.
///
/// Nothing is queued: while a message is written nothing more is read from the broker.
private final class TapListener: Sendable {
    enum End: Sendable {
        case interrupted
        case counted
        case unreachable(MQTTFailure)
        case failed(String)
    }

    private struct State {
        var messages = 0
        var bytes = 0
        var unreadable = 0
        /// Attempts that failed before the first that succeeded.
        var failures = 0
        var wasConnected = false
        var columns = MessageColumns()
        var end: End?
    }

    /// A broker of the older version closes on the newer one, and one that restarts closes too.
    private static let failuresMax = 4

    private let output: MessageOutput
    private let capture: CaptureFile?
    private let broker: String
    private let terminal = Terminal.standardOutput
    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    init(_ output: MessageOutput, _ capture: CaptureFile?, broker: String) {
        self.output = output
        self.capture = capture
        self.broker = broker
    }

    var isSound: Bool { state.withLock { $0.unreadable == 0 } }

    /// The first end counts.
    func end(_ end: End) {
        let isFirst = state.withLock { state in
            guard state.end == nil else { return false }
            state.end = end
            return true
        }
        if isFirst { ended.signal() }
    }

    func waitForEnd() -> End {
        ended.wait()
        guard let end = state.withLock({ $0.end }) else {
            preconditionFailure("the end is set before it is told")
        }
        return end
    }

    func handle(_ event: MQTTEvent) {
        switch event {
        case .connected: connected()
        case .disconnected(let failure): disconnected(failure)
        case .message(let message): heard(message)
        case .delivered, .rejected: break
        }
    }

    private func connected() {
        let isFirst = state.withLock { state in
            defer { state.wasConnected = true }
            return !state.wasConnected
        }
        standardError(isFirst ? "Listening at \(broker)." : "Listening again.")
    }

    private func disconnected(_ failure: MQTTFailure) {
        guard failure != .stopped else { return }
        let (wasConnected, failures) = state.withLock { state in
            state.failures += 1
            return (state.wasConnected, state.failures)
        }
        if wasConnected {
            standardError("Not listening: \(failure). Trying again.")
        } else if failures >= Self.failuresMax || !failure.mayPass {
            end(.unreachable(failure))
        }
    }

    private func heard(_ message: MQTTMessage) {
        guard state.withLock({ $0.end == nil }) else { return }
        let captured = CapturedMessage(
            at: WallClock.now(), topic: message.topic, isRetained: message.retain,
            payload: message.payload)
        do {
            try capture?.append(captured)
            let (text, isSound) = try state.withLock {
                try output.lines(captured, &$0.columns, terminal)
            }
            FileHandle.standardOutput.write(Data((text + "\n").utf8))
            let messages = state.withLock { state in
                state.messages += 1
                state.bytes += message.payload.count
                if !isSound { state.unreadable += 1 }
                return state.messages
            }
            if messages == output.count { end(.counted) }
        } catch {
            end(.failed("\(error)"))
        }
    }

    func close() throws { try capture?.close() }

    func sayCounts(oversizeDropped: UInt64) {
        let state = state.withLock { $0 }
        var parts = [
            Wording.count(UInt64(state.messages), "message"),
            Wording.count(UInt64(state.bytes), "byte"),
        ]
        if state.unreadable > 0 { parts.append("\(state.unreadable) of them not readable") }
        if oversizeDropped > 0 {
            let limit = CaptureFormat.payloadByteCountMax
            parts.append("\(oversizeDropped) not shown: above the limit of \(limit) bytes")
        }
        standardError(parts.joined(separator: ", ") + ".")
    }
}

extension MQTTFailure {
    /// Whether another attempt, or an older version of the protocol, may succeed at once.
    fileprivate var mayPass: Bool {
        switch self {
        case .closedByBroker, .broken: true
        default: false
        }
    }
}
