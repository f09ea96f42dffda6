import FleetHarness
import Foundation
import MQTTTransport
import Synchronization

/// What the broker and our transport do alone: one publisher, one subscriber, QoS 1, nothing durable, nothing decoded.
enum RawMQTT {
    static func measure(_ plan: Plan) throws -> [Figure] {
        let site = try Site(plan, "raw-mqtt")
        defer { site.end() }
        return try [64, 16_384].map { byteCount in
            Figure(
                .rawMQTT, "messages of \(byteCount) B",
                try messagesPerSecond(byteCount, site, plan),
                "msg/s", note: "publisher, broker and subscriber on these cores")
        }
    }

    private static func messagesPerSecond(_ byteCount: Int, _ site: Site, _ plan: Plan) throws
        -> Double
    {
        let flow = Flow(byteCount: byteCount)
        let subscriber = MQTTConnection(
            try MQTTConfiguration(
                url: site.broker.url, clientID: "subscriber-\(byteCount)",
                subscriptions: [flow.topic])
        ) { flow.subscriberHeard($0) }
        let publisher = MQTTConnection(
            try MQTTConfiguration(url: site.broker.url, clientID: "publisher-\(byteCount)")
        ) { flow.publisherHeard($0) }
        defer {
            flow.end()
            publisher.stop()
            subscriber.stop()
        }
        subscriber.start()
        try waitUntil("subscriber connected", within: .seconds(15)) {
            subscriber.status.isConnected
        }
        flow.publish(through: publisher)
        publisher.start()
        Thread.sleep(forTimeInterval: plan.warmUp.inSeconds)
        let (countBefore, before) = (flow.received, monotonicNanoseconds())
        Thread.sleep(forTimeInterval: plan.measured.inSeconds / 2)
        let (countAfter, after) = (flow.received, monotonicNanoseconds())
        guard countAfter > countBefore else { throw Implausible("the broker delivered nothing") }
        return Double(countAfter - countBefore) / (Double(after - before) / 1e9)
    }
}

/// Keeps the publisher's window full, and counts what arrives.
private final class Flow: Sendable {
    /// Mosquitto drops what waits for a subscriber beyond 1,000.
    private static let underWayMax = 512

    let topic: String
    private let message: MQTTMessage
    private let sentCount = Atomic<Int>(0)
    private let receivedCount = Atomic<Int>(0)
    private let publisher = Mutex<MQTTConnection?>(nil)

    init(byteCount: Int) {
        topic = "bench/\(byteCount)"
        message = MQTTMessage(topic: topic, payload: [UInt8](repeating: 0x5A, count: byteCount))
    }

    var received: Int { receivedCount.load(ordering: .relaxed) }

    /// Called once, before the publisher starts.
    func publish(through connection: MQTTConnection) {
        publisher.withLock { $0 = connection }
    }

    /// The two hold each other.
    func end() {
        publisher.withLock { $0 = nil }
    }

    func subscriberHeard(_ event: MQTTEvent) {
        guard case .message = event else { return }
        let (_, count) = receivedCount.add(1, ordering: .relaxed)
        if count % 64 == 0 { fill() }
    }

    func publisherHeard(_ event: MQTTEvent) {
        switch event {
        case .connected, .delivered: fill()
        default: break
        }
    }

    private func fill() {
        guard let publisher = publisher.withLock({ $0 }) else { return }
        while sentCount.load(ordering: .relaxed) - received < Flow.underWayMax {
            guard case .sent = publisher.publish(message) else { return }
            sentCount.add(1, ordering: .relaxed)
        }
    }
}
