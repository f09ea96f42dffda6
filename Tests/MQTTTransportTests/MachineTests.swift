import MQTTTransport
import Testing

@Suite struct LinkSessionTests {
    @Test func `without subscriptions the CONNACK is enough`() {
        var session = LinkSession(subscriptions: [])
        #expect((session.awaitsAcceptance, session.isOnline) == (true, false))
        #expect(session.accepted() == .announce)
        #expect((session.awaitsAcceptance, session.isOnline) == (false, true))
    }

    @Test func `it is announced once, after every subscription was granted`() {
        var session = LinkSession(subscriptions: ["a", "b/#"])
        #expect(session.accepted() == .subscribe(["a", "b/#"]))
        #expect(session.granted("b/#") == .none)
        #expect(session.isOnline == false)
        #expect(session.granted("a") == .announce)
    }

    @Test func `one subscription refused fails the whole`() {
        var session = LinkSession(subscriptions: ["a", "b"])
        _ = session.accepted()
        _ = session.granted("a")
        #expect(session.denied("b") == .fail(.subscriptionRefused(filter: "b")))
        #expect(session.granted("b") == .none)
    }

    @Test func `only the first cause of a failure is told`() {
        var session = LinkSession(subscriptions: [])
        #expect(session.failed(.silent) == .fail(.silent))
        #expect(session.failed(.stopped) == .none)
        #expect(session.accepted() == .none)
    }

    @Test func `a second CONNACK and a SUBACK for nothing end the connection`() {
        var twice = LinkSession(subscriptions: [])
        _ = twice.accepted()
        guard case .fail(.broken) = twice.accepted() else {
            Issue.record("accepted")
            return
        }
        var early = LinkSession(subscriptions: ["a"])
        guard case .fail(.broken) = early.granted("a") else {
            Issue.record("accepted")
            return
        }
    }
}

@Suite struct VersionChoiceTests {
    @Test func `5 is offered first, and 3_1_1 at once when the broker says so`() {
        var choice = VersionChoice()
        choice.began()
        #expect(choice.current == .v5)
        #expect(choice.refused(.said) == true)
        #expect(choice.current == .v311)
    }

    @Test func `what worked is remembered`() {
        var choice = VersionChoice()
        choice.began()
        _ = choice.refused(.closed)
        choice.accepted()
        choice.began()
        #expect(choice.current == .v311)
    }

    @Test func `one attempt tries each version once, and the next begins with 5 again`() {
        var choice = VersionChoice()
        choice.began()
        #expect(choice.refused(.closed) == true)
        #expect(choice.refused(.closed) == false)
        choice.began()
        #expect(choice.current == .v5)
    }

    @Test func `a version that worked is doubted only after the third close in a row`() {
        var choice = VersionChoice()
        choice.began()
        choice.accepted()
        for _ in 1..<VersionChoice.strikesMax {
            choice.began()
            #expect(choice.refused(.closed) == false)
            #expect(choice.current == .v5)
        }
        choice.began()
        #expect(choice.refused(.closed) == true)
        #expect(choice.current == .v311)
    }

    @Test func `a broker that no longer takes what worked is believed when it says so`() {
        var choice = VersionChoice()
        choice.began()
        choice.accepted()
        choice.began()
        #expect(choice.refused(.said) == true)
        choice.accepted()
        choice.began()
        #expect(choice.current == .v311)
    }
}

@Suite struct PublishWindowTests {
    let message = MQTTMessage(topic: "t", payload: [1, 2, 3])

    @Test func `closed, it admits nothing`() {
        var window = PublishWindow(limits: MQTTLimits())
        #expect(window.admit(message) == .notConnected)
        window.open(connection: 1, broker: .init())
        window.close()
        #expect(window.admit(message) == .notConnected)
        #expect(window.outstanding == 0)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `outstanding never passes the capacity, and numbers never repeat`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        var limits = MQTTLimits()
        limits.outstandingMax = Int.random(in: 1...64, using: &random)
        var window = PublishWindow(limits: limits)
        var model = 0
        var connection: UInt64 = 0
        var capacity = 0
        var last: UInt64 = 0
        for _ in 0..<500 {
            switch random.next() % 20 {
            case 0:
                connection += 1
                let receiveMax =
                    Bool.random(using: &random) ? Int.random(in: 1...100, using: &random) : nil
                capacity = min(limits.outstandingMax, receiveMax ?? 64)
                window.open(connection: connection, broker: .init(receiveMax: receiveMax))
                model = 0
            case 1:
                window.close()
                (model, capacity) = (0, 0)
            case 2..<8 where model > 0:
                let count = Int.random(in: 1...model, using: &random)
                window.release(count)
                model -= count
            default:
                switch window.admit(message) {
                case .sent(let delivery):
                    #expect(model < capacity && delivery.number > last, "seed \(seed)")
                    #expect(delivery.connection == connection)
                    last = delivery.number
                    model += 1
                case .windowFull: #expect(capacity > 0 && model == capacity)
                case .notConnected: #expect(capacity == 0)
                case .refused(let reason): Issue.record("refused: \(reason)")
                }
            }
            #expect(window.outstanding == model && window.capacity == capacity, "seed \(seed)")
        }
    }

    @Test func `what the broker does not take is refused before it is sent`() {
        var window = PublishWindow(limits: MQTTLimits())
        window.open(connection: 1, broker: .init(packetBytesMax: 100, keepsRetained: false))
        let fits = MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: 89))
        let exceeds = MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: 90))
        #expect(window.admit(fits).delivery != nil)
        #expect(
            window.admit(exceeds)
                == .refused("the packet would have 101 bytes; the broker takes 100"))
        let retained = MQTTMessage(topic: "t", payload: [], retain: true)
        #expect(window.admit(retained) == .refused("the broker keeps no retained messages"))
    }

    @Test func `an acknowledgement of what was not sent stops the process`() async {
        await #expect(processExitsWith: .failure) {
            var window = PublishWindow(limits: MQTTLimits())
            window.open(connection: 1, broker: .init())
            window.release(1)
        }
    }

    @Test(arguments: [
        ("", "the topic is empty"), ("a/+", "the topic has a wildcard"),
        ("a/#", "the topic has a wildcard"),
        ("a\u{0}b", "the topic has a control character"),
        ("a\nb", "the topic has a control character"),
        ("a\u{85}b", "the topic has a character that MQTT does not allow"),
        (String(repeating: "t", count: 65_536), "the topic is longer than 65535 bytes"),
    ])
    func `a topic that the library would choke on is a flaw of the message`(
        topic: String, flaw: String
    ) {
        #expect(MQTTMessage(topic: topic, payload: []).flaw(limits: MQTTLimits()) == flaw)
    }

    @Test(arguments: ["t", "tributary/v1/up/0/agent-1", "größe/日本"])
    func `an ordinary topic is no flaw`(topic: String) {
        #expect(MQTTMessage(topic: topic, payload: []).flaw(limits: MQTTLimits()) == nil)
    }

    @Test func `a payload at the limit is no flaw, and one byte more is`() {
        var limits = MQTTLimits()
        limits.payloadBytesMax = 10
        #expect(
            MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: 10)).flaw(limits: limits)
                == nil)
        let larger = MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: 11))
        #expect(larger.flaw(limits: limits) == "the payload has 11 bytes; the limit is 10")
    }
}
