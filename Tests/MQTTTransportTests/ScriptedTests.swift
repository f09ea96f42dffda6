import Foundation
import Glibc
import MQTTTransport
import Testing

extension RealTests {
    /// Against peers that do what no real broker does on request, and against nothing at all.
    @Suite(.serialized) struct ScriptedTests {
        @Test func `a port where nobody listens is told as connection refused`() throws {
            let port = Loopback.freePort()
            let client = TestClient.started(try .local(port))
            let failure = try client.waitForFailure()
            #expect(failure.description == "connection refused: 127.0.0.1 port \(port)")
            #expect(client.connection.status.lastFailure == failure)
            client.connection.stop()
        }

        @Test func `a name that does not exist is told by its name`() throws {
            let client = TestClient.started(
                try MQTTConfiguration(
                    url: "mqtt://no-such-broker.invalid", clientID: "c", limits: .impatient))
            // RFC 2606 reserves .invalid; without any name server the answer is that none answered.
            let failure = try client.waitForFailure()
            #expect(
                failure == .nameNotKnown(host: "no-such-broker.invalid")
                    || failure.description.hasPrefix(
                        "name could not be resolved: no-such-broker.invalid")
            )
            #expect(client.connection.status.lastFailure == failure)
            client.connection.stop()
        }

        @Test func `the breaker opens after its threshold, and status says until when`() throws {
            var limits = MQTTLimits.impatient
            limits.breakerThreshold = 3
            let client = TestClient.started(try .local(Loopback.freePort(), limits: limits))
            try client.events.wait(until: "three failures") { $0.count >= 3 }
            let status = client.connection.status
            #expect(status.breaker == .open && status.phase == .waiting && status.attempts == 3)
            let wait = try #require(status.nextAttemptMicroseconds) - status.sinceMicroseconds
            #expect(59_000_000...121_000_000 ~= wait)
            client.connection.stop()
            #expect(client.events.now.count == 3)
        }

        @Test(arguments: [UInt8(1), 0x84])
        func `a broker that refuses version 5 is asked again with 3_1_1, and that is remembered`(
            code: UInt8
        ) throws {
            let levels = Watched<[UInt8]>([])
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                levels.change { $0.append(level) }
                guard level == 4 else { return dialogue.send([0x20, 2, 0, code]) }
                dialogue.accept(level: level)
                // The first connection is dropped, so that a second follows.
                if dialogue.index > 1 { dialogue.listenUntilEnd() }
            }
            let client = TestClient.started(try .local(peer.port))
            try client.waitForConnected(times: 2)
            #expect(levels.now == [5, 4, 4])
            #expect(client.connection.status.version == .v311)
            let events = client.events.now
            #expect(events == [.connected, .disconnected(.closedByBroker(cause: nil)), .connected])
            client.connection.stop()
        }

        @Test func `a broker that closes on version 5 without a word is asked again with 3_1_1`()
            throws
        {
            let levels = Watched<[UInt8]>([])
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                levels.change { $0.append(level) }
                guard level == 4 else { return }
                dialogue.accept(level: level)
                dialogue.listenUntilEnd()
            }
            let client = try TestClient.connected(.local(peer.port))
            #expect(levels.now == [5, 4])
            #expect(client.events.now == [.connected])
            client.connection.stop()
        }

        @Test func `a broker that takes no version at all is told so`() throws {
            let peer = ScriptedPeer { dialogue in
                _ = dialogue.protocolLevel()
                dialogue.send([0x20, 2, 0, 1])
            }
            let client = TestClient.started(try .local(peer.port))
            #expect(try client.waitForFailure() == .versionRefused)
            client.connection.stop()
        }

        @Test func `a refused subscription is a failed connection, and names the filter`() throws {
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                guard let subscribe = dialogue.packet() else { return }
                dialogue.send([0x90, 4, subscribe.body[0], subscribe.body[1], 0, 0x87])
                dialogue.listenUntilEnd()
            }
            let client = TestClient.started(try .local(peer.port, subscriptions: ["secret/#"]))
            let failure = try client.waitForFailure()
            #expect(failure.description == "the broker refuses the subscription secret/#")
            #expect(!client.events.now.contains(.connected))
            client.connection.stop()
        }

        @Test func `the broker's receive maximum narrows the window, which never overflows`() throws
        {
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                // Receive Maximum 3, Maximum Packet Size 1000 (MQTT 5, section 3.2.2.3).
                dialogue.accept(level: level, properties: [0x21, 0, 3, 0x27, 0, 0, 3, 0xE8])
                dialogue.listenUntilEnd()
            }
            let client = try TestClient.connected(.local(peer.port))
            let message = MQTTMessage(topic: "t", payload: [1])
            for _ in 0..<3 { #expect(client.connection.publish(message).delivery != nil) }
            #expect(client.connection.publish(message) == .windowFull)
            #expect(
                client.connection.status.window == 3 && client.connection.status.outstanding == 3)
            let large = MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: 1000))
            guard case .refused = client.connection.publish(large) else {
                Issue.record("a packet above the broker's maximum was taken")
                return
            }
            client.connection.stop()
        }

        @Test func `sixty-four are outstanding and no more, until one is acknowledged`() throws {
            let acknowledge = Watched(false)
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                guard let publish = dialogue.packet() else { return }
                // Topic "t": two bytes of length, one of name, then the message id.
                guard (try? acknowledge.wait(until: "the test says so") { $0 }) != nil else {
                    return
                }
                dialogue.send([0x40, 2, publish.body[3], publish.body[4]])
                dialogue.listenUntilEnd()
            }
            let client = try TestClient.connected(.local(peer.port))
            let message = MQTTMessage(topic: "t", payload: [1])
            let deliveries = (0..<64).compactMap { _ in client.connection.publish(message).delivery
            }
            #expect(deliveries.count == 64)
            #expect(client.connection.publish(message) == .windowFull)
            acknowledge.change { $0 = true }
            try client.events.wait(until: "the first is delivered") {
                $0.contains(.delivered(deliveries[0]))
            }
            #expect(client.connection.status.outstanding == 63)
            #expect(client.connection.publish(message).delivery != nil)
            #expect(client.connection.publish(message) == .windowFull)
            client.connection.stop()
        }

        @Test func `a broker that says why it disconnects is quoted`() throws {
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                // DISCONNECT with reason 0x8E (MQTT 5, section 3.14.2.1).
                dialogue.send([0xE0, 2, 0x8E, 0])
                dialogue.listenUntilEnd()
            }
            let client = try TestClient.connected(.local(peer.port))
            let failure = try client.waitForFailure()
            #expect(failure.description == "the broker closed the connection: session taken over")
            client.connection.stop()
        }

        @Test func `a peer that accepts and says nothing is given up`() throws {
            var limits = MQTTLimits.impatient
            limits.handshakeMax = .milliseconds(200)
            let peer = ScriptedPeer { $0.listenUntilEnd() }
            let client = TestClient.started(try .local(peer.port, limits: limits))
            #expect(try client.waitForFailure() == .handshakeTimedOut)
            client.connection.stop()
        }

        @Test func `a peer that accepts and says nothing to TLS is given up as well`() throws {
            var limits = MQTTLimits.impatient
            limits.handshakeMax = .milliseconds(200)
            let peer = ScriptedPeer { dialogue in
                dialogue.listenUntilEnd()
            }
            let client = TestClient.started(
                try MQTTConfiguration(
                    url: "mqtts://127.0.0.1:\(peer.port)", clientID: "c", limits: limits))
            #expect(try client.waitForFailure() == .handshakeTimedOut)
            client.connection.stop()
        }

        @Test func `a broker that stops acknowledging is given up`() throws {
            var limits = MQTTLimits.impatient
            limits.acknowledgementMax = .milliseconds(200)
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                dialogue.listenUntilEnd()
            }
            let client = try TestClient.connected(.local(peer.port, limits: limits))
            #expect(client.connection.publish(MQTTMessage(topic: "t", payload: [])).delivery != nil)
            #expect(try client.waitForFailure() == .acknowledgementsStopped)
            client.connection.stop()
        }

        @Test
        func `a peer that sends nonsense is told as one, and costs nothing but the connection`()
            throws
        {
            let peer = ScriptedPeer { dialogue in
                _ = dialogue.protocolLevel()
                dialogue.send([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
                dialogue.listenUntilEnd()
            }
            let client = TestClient.started(try .local(peer.port))
            #expect(
                try client.waitForFailure()
                    == .broken(cause: "the broker does not keep to the protocol"))
            client.connection.stop()
        }

        @Test func `stop during the farewell is bounded when the broker does not acknowledge it`()
            throws
        {
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                dialogue.listenUntilEnd()
            }
            var limits = MQTTLimits.impatient
            limits.farewellMax = .milliseconds(300)
            let client = try TestClient.connected(.local(peer.port, limits: limits))
            let began = ContinuousClock.now
            client.connection.stop(farewell: MQTTMessage(topic: "t", payload: []))
            #expect(
                .milliseconds(300)..<limits.farewellMax + limits.stopGraceMax ~= ContinuousClock.now
                    - began)
            #expect(client.events.now.last == .disconnected(.stopped))
        }

        @Test
        func
            `stop returns in time though connect hangs; the handler hears no more, and the thread ends`()
            throws
        {
            // A listener whose backlog is full swallows further SYNs, as a dead network does.
            let (listener, port) = Loopback.listen(backlog: 0)
            var fillers: [Int32] = []
            for _ in 0..<8 {
                fillers += [Loopback.connect(to: port, nonBlocking: true)].compactMap { $0 }
            }
            var limits = MQTTLimits.impatient
            limits.farewellMax = .milliseconds(200)
            limits.stopGraceMax = .milliseconds(100)
            let client = TestClient.started(try .local(port, limits: limits))
            try eventually("the thread connects") { client.connection.status.phase == .connecting }
            let began = ContinuousClock.now
            client.connection.stop(farewell: MQTTMessage(topic: "t", payload: []))
            // Less would mean that connect did not hang, and that this proves nothing.
            #expect(.milliseconds(300)..<(.seconds(2)) ~= ContinuousClock.now - began)
            #expect(client.connection.status.phase == .stopped)
            #expect(threads(named: "tributary-mqtt") == 1)
            for descriptor in fillers + [listener] { close(descriptor) }
            try eventually("the thread ends") { threads(named: "tributary-mqtt") == 0 }
            #expect(client.events.now == [])
            #expect(client.connection.status.phase == .stopped)
        }

        @Test func `stop in the handler does not wait for itself`() throws {
            let peer = ScriptedPeer { dialogue in
                guard let level = dialogue.protocolLevel() else { return }
                dialogue.accept(level: level)
                dialogue.listenUntilEnd()
            }
            let events = Watched<[MQTTEvent]>([])
            let box = Watched<MQTTConnection?>(nil)
            let connection = MQTTConnection(try .local(peer.port)) { event in
                if event == .connected { box.now?.stop() }
                events.change { $0.append(event) }
            }
            box.change { $0 = connection }
            connection.start()
            try events.wait(until: "it ended") { $0 == [.connected, .disconnected(.stopped)] }
            connection.stop()
            box.change { $0 = nil }
        }

        @Test func `start and stop may be called again, and stop before start prevents it`() throws
        {
            let client = TestClient(try .local(Loopback.freePort()))
            client.connection.stop()
            client.connection.stop()
            client.connection.start()
            client.connection.start()
            #expect(client.connection.status.phase == .stopped)
            #expect(client.events.now == [])
        }
    }
}
