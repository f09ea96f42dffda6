import Foundation
import Glibc
import MQTTTransport
import Testing

extension RealTests {
    /// What sync relies on, and what it must not rely on, over each broker that we support.
    @Suite(.serialized) struct ContractTests {
        // MARK: Messages

        @Test(arguments: BrokerKind.allCases)
        func `connect, subscribe, publish: the message comes back whole, and is delivered`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t/#"]))
            #expect(client.events.now == [.connected])
            let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
            let sent = MQTTMessage(topic: "t/größe", payload: payload)
            let delivery = try #require(client.connection.publish(sent).delivery)
            #expect(try client.waitForMessage() == sent)
            try client.events.wait(until: "it is delivered") { $0.contains(.delivered(delivery)) }
            let status = client.connection.status
            #expect(status.isConnected && status.version == kind.version)
            #expect(status.breaker == .closed)
            // A broker that merely closes on the newer version has been asked twice.
            #expect((status.lastFailure == nil) == (kind.version == .v5))
            #expect(status.connections == 1 && status.attempts == 0 && status.outstanding == 0)
            #expect(status.window == 64)
            client.connection.stop()
        }

        @Test(arguments: BrokerKind.allCases)
        func `an empty payload and one at the limit pass; one byte more is refused`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            #expect(client.connection.publish(MQTTMessage(topic: "t", payload: [])).delivery != nil)
            #expect(try client.waitForMessage().payload == [])
            let largest = (0..<256 * 1024).map { UInt8(truncatingIfNeeded: $0 >> 3) }
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: largest)).delivery != nil
            )
            #expect(try client.waitForMessage { !$0.payload.isEmpty }.payload == largest)
            #expect(
                client.connection.publish(MQTTMessage(topic: "t", payload: largest + [7]))
                    == .refused("the payload has 262145 bytes; the limit is 262144"))
            client.connection.stop()
        }

        @Test(arguments: BrokerKind.allCases)
        func `messages above the limit are dropped and counted, and the next one arrives`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
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

        @Test(arguments: BrokerKind.allCases)
        func `our topics pass, and a wildcard stands for one level of them`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-"
            let agents = [alphabet, "a", "0-", String(repeating: "z", count: 63)]
            let client = try TestClient.connected(
                .local(
                    broker.port, id: "aggregator-main",
                    subscriptions: ["tributary/v1/up/+/+", "tributary/v1/status/+"]))
            var topics: [String] = []
            for (shard, agent) in agents.enumerated() {
                topics += ["tributary/v1/up/\(shard)/\(agent)", "tributary/v1/status/\(agent)"]
            }
            // Levels too many and too few: not for this client.
            let others = ["tributary/v1/up/1", "tributary/v1/up/1/a/b", "tributary/v1/down/a"]
            for topic in others + topics {
                let message = MQTTMessage(topic: topic, payload: bytes(topic))
                #expect(client.connection.publish(message).delivery != nil)
            }
            let events = try client.events.wait(until: "all have arrived") {
                $0.compactMap(\.message).count >= topics.count
            }
            #expect(events.compactMap(\.message).map(\.topic).sorted() == topics.sorted())
            client.connection.stop()
        }

        @Test(arguments: BrokerKind.allCases)
        func `of four threads ten thousand messages arrive once each, each thread's in its order`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
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
            let numbers = events.compactMap(\.message).map(number)
            #expect(numbers.sorted() == (0..<total).map { $0 })
            for thread in 0..<4 {
                let own = numbers.filter { $0 / perThread == thread }
                #expect(own == own.sorted(), "thread \(thread)")
            }
            #expect(Set(events.compactMap(\.delivery)).count == total)
            #expect(excess.now == 0)
            client.connection.stop()
        }

        // MARK: Loss and doubles

        @Test(arguments: BrokerKind.allCases)
        func `what is sent twice arrives twice: nobody but the session drops doubles`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let client = try TestClient.connected(.local(broker.port, subscriptions: ["t"]))
            let message = MQTTMessage(topic: "t", payload: bytes("the same"))
            for _ in 0..<3 { #expect(client.connection.publish(message).delivery != nil) }
            let end = MQTTMessage(topic: "t", payload: bytes("end"))
            #expect(client.connection.publish(end).delivery != nil)
            _ = try client.waitForMessage { $0 == end }
            #expect(client.events.now.compactMap(\.message) == [message, message, message, end])
            client.connection.stop()
        }

        @Test(arguments: BrokerKind.allCases)
        func `what was cut off before it was acknowledged arrives when it is sent again`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let watcher = try TestClient.connected(
                .local(broker.port, id: "watcher", subscriptions: ["t"]))
            let cable = Cable(to: broker.port)
            let sender = try TestClient.connected(.local(cable.port, id: "sender"))
            var unknown: [MQTTDelivery: Int] = [:]
            for id in 0..<60 {
                let outcome = sender.connection.publish(MQTTMessage(topic: "t", payload: word(id)))
                unknown[try #require(outcome.delivery)] = id
                if id == 30 { cable.cut() }
            }
            let events = try sender.events.wait(until: "the cut is told") {
                $0.contains { $0.failure != nil }
            }
            for delivery in events.compactMap(\.delivery) { unknown[delivery] = nil }
            #expect(!unknown.isEmpty)
            let again = try TestClient.connected(.local(broker.port, id: "again"))
            for id in unknown.values.sorted() {
                let message = MQTTMessage(topic: "t", payload: word(id))
                #expect(again.connection.publish(message).delivery != nil)
            }
            // Some may have arrived before the cut: then they arrive twice, and none not at all.
            try watcher.events.wait(until: "every number has arrived") { events in
                Set(events.compactMap(\.message).map(number)).count == 60
            }
            for client in [watcher, sender, again] { client.connection.stop() }
        }

        @Test(arguments: BrokerKind.allCases)
        func `nothing waits for a subscriber who was away, but what is retained`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let away = try TestClient.connected(
                .local(broker.port, id: "away", subscriptions: ["t/#"]))
            away.connection.stop()
            let sender = try TestClient.connected(.local(broker.port, id: "sender"))
            try sender.deliver(MQTTMessage(topic: "t/1", payload: bytes("missed")))
            try sender.deliver(MQTTMessage(topic: "t/2", payload: bytes("kept"), retain: true))
            let back = try TestClient.connected(
                .local(broker.port, id: "away", subscriptions: ["t/#"]))
            _ = try back.waitForMessage { $0.topic == "t/2" }
            try sender.deliver(MQTTMessage(topic: "t/1", payload: bytes("end")))
            _ = try back.waitForMessage { $0.payload == bytes("end") }
            let found = back.events.now.compactMap(\.message).map(\.payload)
            #expect(found == [bytes("kept"), bytes("end")])
            for client in [sender, back] { client.connection.stop() }
        }

        @Test(arguments: BrokerKind.allCases)
        func `a slow subscriber stays connected, keeps the order, and hears what comes later`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker(queue: 100)
            let count = 3000
            let isOpen = Watched(false)
            let heard = Watched<[Int]>([])
            let slow = MQTTConnection(
                try .local(broker.port, id: "slow", subscriptions: ["t"])
            ) { event in
                guard let message = event.message else { return }
                // A test that fails leaves here too.
                _ = try? isOpen.wait(until: "it may go on") { $0 }
                heard.change { $0.append(number(message)) }
            }
            slow.start()
            try eventually("the slow one is connected") { slow.status.isConnected }
            let sender = try TestClient.connected(.local(broker.port, id: "sender"))
            for id in 0..<count {
                try sender.deliver(MQTTMessage(topic: "t", payload: word(id, bytes: 1000)))
            }
            // The sender was told that everything was taken.
            try sender.events.wait(until: "all are acknowledged") {
                $0.compactMap(\.delivery).count == count
            }
            isOpen.change { $0 = true }
            var marker = count
            try eventually("a later one is heard") {
                try? sender.deliver(MQTTMessage(topic: "t", payload: word(marker)))
                marker += 1
                _ = poll(nil, 0, 20)
                return heard.now.contains { $0 >= count }
            }
            let numbers = heard.now
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            let lost = count - numbers.count { $0 < count }
            #expect((lost > 0) == kind.dropsBeyondQueue, "\(lost) of \(count) were lost")
            #expect(slow.status.connections == 1)
            slow.stop()
            sender.connection.stop()
        }

        // MARK: Who is there

        @Test(arguments: BrokerKind.allCases)
        func `of what is retained the last is told to whoever comes; an empty one ends it`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let device = try TestClient.connected(.local(broker.port, id: "device"))
            for text in ["first", "second"] {
                try device.deliver(
                    MQTTMessage(topic: "status/device", payload: bytes(text), retain: true))
            }
            let late = try TestClient.connected(
                .local(broker.port, id: "late", subscriptions: ["status/+"]))
            let found = try late.waitForMessage()
            #expect(found.payload == bytes("second") && found.retain)
            try device.deliver(MQTTMessage(topic: "status/device", payload: [], retain: true))
            _ = try late.waitForMessage { $0.payload.isEmpty }
            let later = try TestClient.connected(
                .local(broker.port, id: "later", subscriptions: ["status/+"]))
            try device.deliver(MQTTMessage(topic: "status/end", payload: bytes("end")))
            #expect(try later.waitForMessage().payload == bytes("end"))
            for client in [device, late, later] { client.connection.stop() }
        }

        @Test(arguments: BrokerKind.allCases)
        func `the broker publishes the last will when the link is cut, and retains it`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
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

        @Test(arguments: BrokerKind.allCases)
        func `stop publishes the farewell and takes the last will back`(kind: BrokerKind) throws {
            let broker = try kind.broker()
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

        @Test(arguments: BrokerKind.allCases)
        func `the farewell is said even when the window is full, and after what was sent before`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
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

        @Test(arguments: BrokerKind.allCases)
        func `a second client of the same id takes the place of the first`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let first = try TestClient.connected(.local(broker.port, id: "device"))
            let second = try TestClient.connected(
                .local(broker.port, id: "device", subscriptions: ["t"]))
            guard case .closedByBroker = try first.waitForFailure() else {
                Issue.record("\(first.events.now)")
                return
            }
            // Each takes it from the other from now on, until one is stopped.
            first.connection.stop()
            try eventually("the second one has the place") { second.connection.status.isConnected }
            try eventually("a message passes") {
                _ = second.connection.publish(MQTTMessage(topic: "t", payload: [1]))
                _ = poll(nil, 0, 20)
                return second.events.now.contains { $0.message != nil }
            }
            second.connection.stop()
        }

        // MARK: Restarts

        @Test(arguments: BrokerKind.allCases)
        func `a broker killed and started again is found again, and the events say so in order`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
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

        @Test(arguments: BrokerKind.allCases)
        func `with persistence a stopped broker comes back with what was retained`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker(isPersistent: true)
            try retainStatus(broker)
            broker.stop()
            try broker.start()
            #expect(try statusFound(broker) == bytes("online"))
        }

        @Test(arguments: BrokerKind.allCases)
        func `a killed broker has what was retained only where it writes at once`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker(isPersistent: true)
            try retainStatus(broker)
            broker.kill()
            try broker.start()
            #expect(try statusFound(broker) == (kind.keepsThroughKill ? bytes("online") : nil))
        }

        @Test(arguments: BrokerKind.allCases)
        func `a broker that lost everything is served again by those who come back to it`(
            kind: BrokerKind
        ) throws {
            let broker = try kind.broker()
            let status = MQTTMessage(topic: "status/device", payload: bytes("online"), retain: true)
            let device = try TestClient.connected(.local(broker.port, id: "device"))
            let watcher = try TestClient.connected(
                .local(broker.port, id: "watcher", subscriptions: ["status/+"]))
            try device.deliver(status)
            _ = try watcher.waitForMessage()
            broker.kill()
            try broker.loseDisk()
            try broker.start()
            for client in [device, watcher] { try client.waitForConnected(times: 2) }
            #expect(try statusFound(broker) == nil)
            // The subscription stands again by itself; what is retained is said again by its owner.
            try device.deliver(status)
            try watcher.events.wait(until: "the status is told again") {
                $0.compactMap(\.message).count { $0.topic == status.topic } == 2
            }
            #expect(try statusFound(broker) == bytes("online"))
            for client in [device, watcher] { client.connection.stop() }
        }

        private func retainStatus(_ broker: TestBroker) throws {
            let device = try TestClient.connected(.local(broker.port, id: "device"))
            try device.deliver(
                MQTTMessage(topic: "status/device", payload: bytes("online"), retain: true))
            device.connection.stop()
        }

        /// What a newcomer hears of the device; nil for nothing.
        private func statusFound(_ broker: TestBroker) throws -> [UInt8]? {
            let newcomer = try TestClient.connected(
                .local(broker.port, id: "newcomer", subscriptions: ["status/+"]))
            defer { newcomer.connection.stop() }
            // Comes behind whatever was retained.
            let end = MQTTMessage(topic: "status/end", payload: bytes("end"))
            try newcomer.deliver(end)
            _ = try newcomer.waitForMessage { $0 == end }
            return newcomer.events.now.compactMap(\.message).first { $0 != end }?.payload
        }
    }
}

/// A number as a payload, filled up to a size.
private func word(_ number: Int, bytes count: Int = 4) -> [UInt8] {
    withUnsafeBytes(of: UInt32(number)) { Array($0) }
        + [UInt8](repeating: 0, count: count - MemoryLayout<UInt32>.size)
}

private func number(_ message: MQTTMessage) -> Int {
    Int(message.payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
}

extension TestClient {
    /// Publishes as soon as the window has room, and waits until the broker has it.
    fileprivate func deliver(_ message: MQTTMessage) throws {
        var delivery: MQTTDelivery?
        try eventually("there is room in the window") {
            delivery = connection.publish(message).delivery
            return delivery != nil
        }
        guard let delivery else { return }
        try events.wait(until: "it is delivered") { $0.contains(.delivered(delivery)) }
    }
}
