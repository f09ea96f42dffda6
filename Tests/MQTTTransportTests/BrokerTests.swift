import Foundation
import Glibc
import MQTTTransport
import Testing

/// Everything that runs processes, sockets and threads, one test after the other.
@Suite(.serialized) enum RealTests {}

extension RealTests {
    /// Against a real Mosquitto: what is the same over any broker, or Mosquitto's alone. What sync relies on is
    /// in `ContractTests`, over each broker.
    @Suite(.serialized) struct BrokerTests {
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

        @Test func `two programs under one client id both hear that there may be another`() throws {
            let broker = try TestBroker.mosquitto()
            let configuration = try MQTTConfiguration(
                host: "127.0.0.1", port: broker.port, clientID: "till-1", limits: .impatient)
            let clients = [
                TestClient.started(configuration), TestClient.started(configuration),
            ]
            for client in clients {
                let contest = MQTTFailure.contested(clientID: "till-1")
                try client.events.wait(until: "the contest is noticed") { _ in
                    client.connection.status.contest == contest
                }
                #expect(client.connection.status.trouble == contest)
                #expect("\(contest)".hasSuffix("is another program connected as till-1?"))
            }
            for client in clients { client.connection.stop() }
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
