import AggregatorCore
import LedgerCore
import SyncProtocol
import Testing

@Suite struct MergedJourneyTests {
    private func id(_ sequence: UInt64) throws -> EventID {
        EventID(
            agent: try AgentID("till-1"), stream: StreamTag(genesisHash: .zero), sequence: sequence)
    }

    private func merged(receivedAt: Timestamp?) throws -> MergedTransaction {
        let posting = Posting(
            source: .world, destination: try AccountAddress("a"), asset: try Asset("EUR/2"),
            amount: try Amount(1))
        let event = Event(
            sequence: 3, time: HybridTimestamp(Timestamp(microseconds: 10_000)),
            transaction: try Transaction(postings: [posting]))
        return MergedTransaction(
            id: try id(3), event: event, position: 7, segmentFirst: 1, segmentCount: 5,
            publishedAt: receivedAt, attempt: 2, receivedAt: receivedAt,
            committedAt: Timestamp(microseconds: 30_000))
    }

    @Test func `what the log says has its time, and what only the device knows a reason`() throws {
        let received = Timestamp(microseconds: 20_000)
        let journey = MergedJourney(try merged(receivedAt: received))
        #expect(journey.stages.map(\.stage) == MergedJourney.Stage.allCases)
        let known = journey.stages.filter { if case .at = $0.moment { true } else { false } }
        #expect(known.map(\.stage) == [.accepted, .published, .received, .merged])
        #expect(known.last?.moment == .at(Timestamp(microseconds: 30_000)))
        #expect(known.last?.stage.isOfAgent == false)
    }

    @Test func `a gap in the log is named, not filled`() throws {
        let journey = MergedJourney(try merged(receivedAt: nil))
        let known = journey.stages.filter { if case .at = $0.moment { true } else { false } }
        #expect(known.map(\.stage) == [.accepted, .merged])
    }

    @Test func `of what was only announced, every stage is a gap with a reason`() throws {
        let journey = MergedJourney(announced: try id(9))
        #expect(journey.transaction == nil)
        for (stage, moment) in journey.stages {
            guard case .unknown(let reason) = moment else {
                Issue.record("\(stage) has a time")
                continue
            }
            #expect(reason.contains("not arrived"))
        }
    }
}
