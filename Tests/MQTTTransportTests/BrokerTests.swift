import Foundation
import Glibc
import MQTTTransport
import Testing

/// Everything that runs processes, sockets and threads, one test after the other.
@Suite(.serialized) enum RealTests {}

extension RealTests {
    /// Against a real Mosquitto.
    @Suite(.serialized) struct BrokerTests {
        @Test func `connect, subscribe, publish: the message comes back whole, and is delivered`()
            throws
        {
            let broker = try TestBroker.mosquitto()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t/#"]))
            #expect(client.events.now == [.connected])
            let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
            let sent = MQTTMessage(topic: "t/größe", payload: payload)
            let delivery = try #require(client.connection.publish(sent).delivery)
            #expect(try client.waitForMessage() == sent)
            try client.events.wait(until: "it is delivered") { $0.contains(.delivered(delivery)) }
            let status = client.connection.status
            #expect(status.isConnected && status.version == .v5 && status.breaker == .closed)
            #expect(status.connections == 1 && status.attempts == 0 && status.outstanding == 0)
            #expect(status.window == 64)
            #expect(status.lastFailure == nil)
            client.connection.stop()
        }

        @Test func `an empty payload and one at the limit pass; one byte more is refused`() throws {
            let broker = try TestBroker.mosquitto()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            #expect(client.connection.publish(MQTTMessage(topic: "t", payload: [])).delivery != nil)
            #expect(try client.waitForMessage().payload == [])
            let largest = [UInt8](repeating: 7, count: 256 * 1024)
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: largest)).delivery != nil
            )
            #expect(try client.waitForMessage { !$0.payload.isEmpty }.payload == largest)
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: largest + [7]))
                    == .refused("the payload has 262145 bytes; the limit is 262144"))
            client.connection.stop()
        }

        @Test func `nothing is published before start, nor after stop`() throws {
            let broker = try TestBroker.mosquitto()
            let client = TestClient(try .local(broker.port))
            let message = MQTTMessage(topic: "t", payload: [])
            #expect(client.connection.publish(message) == .notConnected)
            client.connection.start()
            try client.waitForConnected()
            client.connection.stop()
            #expect(client.connection.publish(message) == .notConnected)
            #expect(client.connection.status.phase == .stopped)
            #expect(client.events.now == [.connected, .disconnected(.stopped)])
        }

        @Test func `ten thousand messages from four threads arrive once each, within the window`()
            throws
        {
            let broker = try TestBroker.mosquitto()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            let perThread = 2500
            let excess = Watched(0)
            for thread in 0..<4 {
                Thread.detachNewThread {
                    for number in 0..<perThread {
                        let id = UInt32(thread * perThread + number)
                        let payload = withUnsafeBytes(of: id) { Array($0) }
                        while client.connection.publish(MQTTMessage(topic: "t", payload: payload))
                            .delivery == nil
                        {
                            sched_yield()
                        }
                        if client.connection.status.outstanding > 64 { excess.change { $0 += 1 } }
                    }
                }
            }
            let total = 4 * perThread
            let events = try client.events.wait(until: "all arrived") { events in
                events.count >= 2 * total + 1
            }
            let numbers = events.compactMap(\.message).map {
                $0.payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            }
            #expect(numbers.sorted() == (0..<UInt32(total)).map { $0 })
            #expect(Set(events.compactMap(\.delivery)).count == total)
            #expect(excess.now == 0)
            client.connection.stop()
        }

        @Test func `the handler may publish: a delivery brings the next message`() throws {
            let broker = try TestBroker.mosquitto()
            let delivered = Watched(0)
            let refused = Watched(0)
            let box = Watched<MQTTConnection?>(nil)
            let connection = MQTTConnection(try .local(broker.port)) { event in
                switch event {
                case .connected:
                    for _ in 0..<64 { _ = box.now?.publish(MQTTMessage(topic: "t", payload: [1])) }
                case .delivered:
                    let outcome = box.now?.publish(MQTTMessage(topic: "t", payload: [1]))
                    if outcome?.delivery == nil { refused.change { $0 += 1 } }
                    delivered.change { $0 += 1 }
                default: break
                }
            }
            box.change { $0 = connection }
            connection.start()
            try delivered.wait(until: "a thousand are delivered") { $0 >= 1000 }
            #expect(refused.now == 0)
            connection.stop()
            box.change { $0 = nil }
        }

        @Test func `the broker publishes the last will when the link is cut`() throws {
            let broker = try TestBroker.mosquitto()
            let watcher = try TestClient.connected(
                .local(broker.port, id: "watcher", subscriptions: ["status/#"]))
            let cable = Cable(to: broker.port)
            let will = MQTTMessage(topic: "status/device", payload: bytes("offline"), retain: true)
            let device = try TestClient.connected(.local(cable.port, id: "device", lastWill: will))
            cable.cut()
            #expect(try watcher.waitForMessage().payload == bytes("offline"))
            #expect(try device.waitForFailure() == .closedByBroker(cause: nil))
            let late = try TestClient.connected(
                .local(broker.port, id: "late", subscriptions: ["status/#"]))
            #expect(try late.waitForMessage() == will)
            for client in [watcher, device, late] { client.connection.stop() }
        }

        @Test func `stop publishes the farewell and takes the last will back`() throws {
            let broker = try TestBroker.mosquitto()
            let watcher = try TestClient.connected(
                .local(broker.port, id: "watcher", subscriptions: ["status/#"]))
            let will = MQTTMessage(topic: "status/device", payload: bytes("vanished"))
            let device = try TestClient.connected(.local(broker.port, id: "device", lastWill: will))
            let began = ContinuousClock.now
            device.connection.stop(
                farewell: MQTTMessage(
                    topic: "status/device", payload: bytes("goodbye"), retain: true))
            #expect(ContinuousClock.now - began < .seconds(2))
            #expect(try watcher.waitForMessage().payload == bytes("goodbye"))
            // What is published now comes after a will, if there were one.
            #expect(
                watcher.connection.publish(MQTTMessage(topic: "status/end", payload: [])).delivery
                    != nil)
            _ = try watcher.waitForMessage { $0.topic == "status/end" }
            #expect(
                watcher.events.now.compactMap(\.message).map(\.payload) == [bytes("goodbye"), []])
            watcher.connection.stop()
        }

        @Test
        func `the farewell is said even when the window is full, and after what was sent before`()
            throws
        {
            let broker = try TestBroker.mosquitto()
            let watcher = try TestClient.connected(
                .local(broker.port, id: "watcher", subscriptions: ["t"]))
            let device = try TestClient.connected(.local(broker.port, id: "device"))
            var count = 0
            while device.connection.publish(MQTTMessage(topic: "t", payload: [1])).delivery != nil,
                count < 5000
            {
                count += 1
            }
            device.connection.stop(farewell: MQTTMessage(topic: "t", payload: bytes("goodbye")))
            _ = try watcher.waitForMessage { $0.payload == bytes("goodbye") }
            let messages = watcher.events.now.compactMap(\.message)
            #expect(messages.last?.payload == bytes("goodbye"))
            #expect(messages.count == count + 1)
            watcher.connection.stop()
        }

        @Test
        func `a broker killed and started again is found again, and the events say so in order`()
            throws
        {
            let broker = try TestBroker.mosquitto()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            broker.kill()
            try client.events.wait(until: "an attempt is refused") {
                $0.contains { $0.failure?.isNotReachable == true }
            }
            let waiting = client.connection.status
            #expect(!waiting.isConnected && waiting.attempts >= 1)
            #expect(waiting.lastFailure != nil && waiting.lastFailureMicroseconds != nil)
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: [])) == .notConnected)
            try broker.start()
            try client.waitForConnected(times: 2)
            let delivery = try #require(
                client.connection.publish(MQTTMessage(topic: "t", payload: [2])).delivery)
            #expect(delivery.connection == 2)
            #expect(try client.waitForMessage().payload == [2])
            let events = client.events.now
            let second = try #require(events.lastIndex(of: .connected))
            #expect(events[0] == .connected)
            #expect(events[1].failure?.description == "the broker closed the connection")
            #expect(events[2..<second].allSatisfy { $0.failure != nil })
            #expect(client.connection.status.connections == 2)
            client.connection.stop()
        }

        @Test func `messages above the limit are dropped and counted, and the next one arrives`()
            throws
        {
            let broker = try TestBroker.mosquitto()
            var limits = MQTTLimits.impatient
            limits.payloadBytesMax = 100
            let small = try TestClient.connected(
                .local(broker.port, id: "small", subscriptions: ["t"], limits: limits))
            let large = try TestClient.connected(.local(broker.port, id: "large"))
            for count in [101, 100, 5000, 7] {
                let message = MQTTMessage(topic: "t", payload: [UInt8](repeating: 1, count: count))
                #expect(large.connection.publish(message).delivery != nil)
            }
            _ = try small.waitForMessage { $0.payload.count == 7 }
            #expect(small.events.now.compactMap(\.message).map(\.payload.count) == [100, 7])
            #expect(small.connection.status.oversizeDropped == 2)
            small.connection.stop()
            large.connection.stop()
        }

        @Test func `a descriptor above 1024 works as any other`() throws {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let before = limit
            limit.rlim_cur = min(4096, limit.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var descriptors: [Int32] = []
            defer {
                for descriptor in descriptors { close(descriptor) }
                var before = before
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
            }
            let broker = try TestBroker.mosquitto()
            while (descriptors.last ?? 0) < 1100 {
                let descriptor = open("/dev/null", O_RDONLY)
                try #require(descriptor >= 0, "the limit on open files is below 1100")
                descriptors.append(descriptor)
            }
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: [9])).delivery != nil)
            #expect(try client.waitForMessage().payload == [9])
            client.connection.stop()
        }

        @Test func `a broker that wants a password says so, and the password is not repeated`()
            throws
        {
            let broker = try TestBroker.mosquitto(extra: ["allow_anonymous false"])
            let client = TestClient.started(
                try MQTTConfiguration(
                    host: "127.0.0.1", port: broker.port, clientID: "c", username: "user",
                    password: "hunter2",
                    limits: .impatient))
            let failure = try client.waitForFailure()
            #expect(failure == .refused(code: 0x87, cause: "not authorized"))
            #expect(failure.description == "the broker refuses the connection: not authorized")
            #expect(!"\(client.connection.status)".contains("hunter2"))
            client.connection.stop()
        }

        @Test func `a publish that the access list forbids is rejected, and frees its place`()
            throws
        {
            let broker = try TestBroker.mosquitto(
                extra: ["acl_file FOLDER/acl"], files: ["acl": "topic read #\n"])
            let client = try TestClient.connected(.local(broker.port))
            let delivery = try #require(
                client.connection.publish(MQTTMessage(topic: "t", payload: [])).delivery)
            let failure = MQTTFailure.publishRejected(code: 0x87, cause: "not authorized")
            try client.events.wait(until: "it is rejected") {
                $0.contains(.rejected(delivery, failure))
            }
            #expect(client.connection.status.outstanding == 0)
            #expect(client.connection.status.rejected == 1)
            #expect(client.connection.status.lastRejection == failure)
            client.connection.stop()
        }

        @Test func `a link on which nothing flows is noticed through the keepalive`() throws {
            let broker = try TestBroker.mosquitto()
            let cable = Cable(to: broker.port)
            let client = try TestClient.connected(.local(cable.port, keepAlive: .seconds(5)))
            cable.freeze()
            #expect(try client.waitForFailure() == .silent)
            client.connection.stop()
        }

        @Test func `a connection that nobody holds any more disconnects`() throws {
            let broker = try TestBroker.mosquitto()
            let events = Watched<[MQTTEvent]>([])
            var connection: MQTTConnection? = MQTTConnection(try .local(broker.port)) { event in
                events.change { $0.append(event) }
            }
            connection?.start()
            try events.wait(until: "connected") { $0 == [.connected] }
            connection = nil
            try events.wait(until: "stopped") { $0 == [.connected, .disconnected(.stopped)] }
        }
    }
}

extension MQTTFailure {
    var isNotReachable: Bool { if case .notReachable = self { true } else { false } }
}
