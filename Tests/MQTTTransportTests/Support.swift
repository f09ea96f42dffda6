import Foundation
import Glibc
import MQTTTransport
import Testing

/// A generator that a seed reproduces (Steele, Lea and Flood, 2014).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// An instant of a clock that only the test moves.
struct TestInstant: InstantProtocol {
    var offset: Duration = .zero
    func advanced(by duration: Duration) -> TestInstant { TestInstant(offset: offset + duration) }
    func duration(to other: TestInstant) -> Duration { other.offset - offset }
    static func < (a: TestInstant, b: TestInstant) -> Bool { a.offset < b.offset }
}

struct TimedOut: Error, CustomStringConvertible {
    let what: String
    var description: String { "waited in vain until \(what)" }
}

/// Long enough for a loaded machine; a test that passes never waits for it.
let patience: TimeInterval = 30

/// A value that threads change and tests wait for.
///
/// `@unchecked Sendable`: `value` is touched only between `lock` and `unlock` of the condition.
final class Watched<Value>: @unchecked Sendable {
    private let condition = NSCondition()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func change<R>(_ body: (inout Value) -> R) -> R {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&value)
    }

    var now: Value { change { $0 } }

    @discardableResult
    func wait(until what: String, _ holds: (Value) -> Bool) throws -> Value {
        let deadline = Date(timeIntervalSinceNow: patience)
        condition.lock()
        defer { condition.unlock() }
        while !holds(value) {
            guard condition.wait(until: deadline) else {
                throw TimedOut(what: "\(what): \("\(value)".prefix(1000))")
            }
        }
        return value
    }
}

/// A connection whose events are kept, in order, for a test to wait for.
final class TestClient: Sendable {
    let events: Watched<[MQTTEvent]>
    let connection: MQTTConnection

    init(_ configuration: MQTTConfiguration) {
        let events = Watched<[MQTTEvent]>([])
        self.events = events
        connection = MQTTConnection(configuration) { event in events.change { $0.append(event) } }
    }

    static func started(_ configuration: MQTTConfiguration) -> TestClient {
        let client = TestClient(configuration)
        client.connection.start()
        return client
    }

    /// Started, and connected.
    static func connected(_ configuration: MQTTConfiguration) throws -> TestClient {
        let client = started(configuration)
        try client.waitForConnected()
        return client
    }

    func waitForConnected(times: Int = 1) throws {
        try events.wait(until: "connected \(times) times") { events in
            events.count { $0 == .connected } >= times
        }
    }

    /// The first message that passes, and every event before it.
    func waitForMessage(_ passes: (MQTTMessage) -> Bool = { _ in true }) throws -> MQTTMessage {
        let events = try events.wait(until: "a message arrives") { events in
            events.contains { $0.message.map(passes) ?? false }
        }
        let found = events.compactMap(\.message).first(where: passes)
        return try #require(found)
    }

    func waitForFailure() throws -> MQTTFailure {
        let events = try events.wait(until: "a failure is told") {
            $0.contains { $0.failure != nil }
        }
        return try #require(events.compactMap(\.failure).first)
    }
}

extension MQTTEvent {
    var message: MQTTMessage? { if case .message(let message) = self { message } else { nil } }
    var failure: MQTTFailure? { if case .disconnected(let failure) = self { failure } else { nil } }
    var delivery: MQTTDelivery? {
        if case .delivered(let delivery) = self { delivery } else { nil }
    }
}

extension PublishOutcome {
    var delivery: MQTTDelivery? { if case .sent(let delivery) = self { delivery } else { nil } }
}

extension MQTTLimits {
    /// Reconnects quickly, and never opens the breaker.
    static var impatient: MQTTLimits {
        var limits = MQTTLimits()
        limits.backoffBase = .milliseconds(10)
        limits.backoffCap = .milliseconds(100)
        limits.breakerThreshold = 1_000_000
        return limits
    }
}

extension MQTTConfiguration {
    static func local(
        _ port: UInt16, id: String = "client", lastWill: MQTTMessage? = nil,
        keepAlive: Duration = .seconds(30), subscriptions: [String] = [],
        limits: MQTTLimits = .impatient
    ) throws -> MQTTConfiguration {
        try MQTTConfiguration(
            url: "mqtt://127.0.0.1:\(port)", clientID: id, keepAlive: keepAlive, lastWill: lastWill,
            subscriptions: subscriptions, limits: limits)
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Waits for what cannot be waited for by a condition, because nobody announces it.
func eventually(_ what: String, _ holds: () -> Bool) throws {
    let deadline = Date(timeIntervalSinceNow: patience)
    while !holds() {
        guard Date() < deadline else { throw TimedOut(what: what) }
        sched_yield()
    }
}

/// This process's threads of that name.
func threads(named name: String) -> Int {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.count { task in
        (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)) == name
            + "\n"
    }
}
