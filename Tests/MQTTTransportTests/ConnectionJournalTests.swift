import MQTTTransport
import Testing

@Suite struct ConnectionJournalTests {
    private typealias Journal = ConnectionJournal<TestInstant>

    private static let refused = MQTTFailure.notReachable(
        host: "b", port: 1883, cause: "connection refused")
    private static let unknown = MQTTFailure.nameNotKnown(host: "b")
    private static let closed = MQTTFailure.closedByBroker(cause: nil)
    private static let contested = MQTTFailure.contested(clientID: "till-1")

    private func at(_ seconds: Int) -> TestInstant { TestInstant(offset: .seconds(seconds)) }

    private func lost(
        _ failure: MQTTFailure, _ journal: inout Journal, contest: MQTTFailure? = nil, at time: Int
    ) -> Journal.Line? {
        journal.disconnected(failure, contest: contest, now: at(time))
    }

    @Test func `an outage is its loss, a line for each cause, and its end with how long it was`() {
        var journal = Journal(now: at(0))
        #expect(journal.connected(now: at(1)) == .connected(waited: .seconds(1)))
        #expect(lost(Self.closed, &journal, at: 10) == .lost(Self.closed))
        #expect(lost(Self.refused, &journal, at: 11) == .absent(Self.refused))
        for time in 12..<60 { #expect(lost(Self.refused, &journal, at: time) == nil) }
        #expect(lost(Self.closed, &journal, at: 60) == nil)
        #expect(journal.connected(now: at(67)) == .connected(waited: .seconds(57)))
        #expect(lost(Self.closed, &journal, at: 70) == .lost(Self.closed))
    }

    @Test func `a broker that cannot be had at the start is a line for each cause`() {
        var journal = Journal(now: at(0))
        #expect(lost(Self.unknown, &journal, at: 1) == .absent(Self.unknown))
        #expect(lost(Self.unknown, &journal, at: 2) == nil)
        #expect(lost(Self.refused, &journal, at: 3) == .absent(Self.refused))
        #expect(lost(Self.unknown, &journal, at: 4) == nil)
    }

    @Test func `however many causes there are, the lines of one outage are few`() {
        var journal = Journal(now: at(0))
        let lines = (0..<1000).compactMap { lost(.broken(cause: "\($0)"), &journal, at: $0) }
        #expect(lines.count == Journal.causesMax)
    }

    @Test func `being asked to stop is no loss`() {
        var journal = Journal(now: at(0))
        _ = journal.connected(now: at(1))
        #expect(lost(.stopped, &journal, at: 2) == nil)
    }

    @Test func `a broker that closes again and again is one line, and one when it has ended`() {
        var journal = Journal(now: at(0))
        _ = journal.connected(now: at(1))
        #expect(
            lost(Self.closed, &journal, contest: Self.contested, at: 2)
                == .contested(Self.contested))
        for time in 3..<50 {
            #expect(journal.connected(now: at(time)) == nil)
            #expect(lost(Self.closed, &journal, contest: Self.contested, at: time) == nil)
            #expect(journal.tick(isContested: true, isConnected: true, now: at(time)) == nil)
        }
        #expect(
            journal.tick(isContested: false, isConnected: true, now: at(102))
                == .connected(waited: .seconds(100)))
        #expect(journal.tick(isContested: false, isConnected: true, now: at(103)) == nil)
        #expect(lost(Self.closed, &journal, at: 200) == .lost(Self.closed))
    }

    @Test func `a contest that ends without a connection is an outage like any other`() {
        var journal = Journal(now: at(0))
        _ = lost(Self.closed, &journal, contest: Self.contested, at: 2)
        #expect(journal.tick(isContested: false, isConnected: false, now: at(90)) == nil)
        #expect(lost(Self.refused, &journal, at: 91) == .absent(Self.refused))
        #expect(journal.connected(now: at(95)) == .connected(waited: .seconds(95)))
    }

    @Test func `only a connection is good news`() {
        let lines: [Journal.Line] = [
            .lost(Self.closed), .absent(Self.refused), .contested(Self.contested),
        ]
        #expect(lines.allSatisfy { $0.isWarning })
        #expect(lines.map { $0.metadata["mqtt.reason"] }.allSatisfy { $0?.isEmpty == false })
        let good = Journal.Line.connected(waited: .milliseconds(57_900))
        #expect(!good.isWarning)
        #expect(good.metadata == ["mqtt.waited_seconds": "57"])
    }
}

@Suite struct RepeatedEndsTests {
    private typealias Ends = RepeatedEnds<TestInstant>

    @Test func `three ends within the window are many, and only for as long`() {
        var ends = Ends()
        for second in [0, 10, 20] {
            #expect(!ends.areMany(now: TestInstant(offset: .seconds(second))))
            ends.ended(now: TestInstant(offset: .seconds(second)))
        }
        #expect(ends.areMany(now: TestInstant(offset: .seconds(20))))
        #expect(ends.areMany(now: TestInstant(offset: .seconds(59))))
        #expect(!ends.areMany(now: TestInstant(offset: .seconds(60))))
    }

    @Test func `a broker that is restarted now and then is none that closes again and again`() {
        var ends = Ends()
        for second in stride(from: 0, to: 1000, by: 31) {
            ends.ended(now: TestInstant(offset: .seconds(second)))
            #expect(!ends.areMany(now: TestInstant(offset: .seconds(second))))
        }
    }
}
