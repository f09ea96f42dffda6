import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// Whom a hub tells of which accounts; how it copes with losses is for `MergedBalancesTests`.
@Suite struct SnapshotScheduleTests {
    private var random = SplitMix64(seed: 7)
    private var ledger = GlobalLedger()
    private var schedule = SnapshotSchedule(limits: AggregatorLimits())
    private var now = SteadyTime(microseconds: 0)

    private static func transaction(_ source: String, _ destination: String) throws -> Transaction {
        try Transaction(postings: [
            Posting(
                source: try AccountAddress(source), destination: try AccountAddress(destination),
                asset: try Asset("EUR/2"), amount: try Amount(1))
        ])
    }

    /// The accounts of which an agent that has these streams is told next.
    private mutating func told(_ streams: [SegmentWriter], _ session: UInt64) -> [String] {
        now = now.advanced(byMicroseconds: 10_000_000)
        let place = SnapshotSchedule.Place(
            hub: streams[0].tag, position: 9,
            now: ClockReading(wall: Timestamp(microseconds: 0), steady: now))
        var told: [String] = []
        schedule.turn(
            place, &ledger, messagesMax: 8, streams: { _ in streams.map(\.tag) },
            progress: { _ in
                SnapshotSchedule.Progress(session: session, committed: 9, lag: 0)
            },
            send: { outgoing in
                told += outgoing.message.accounts.map(\.address.description)
                return true
            })
        return told.sorted()
    }

    @Test mutating func `an agent is told of the accounts of its former streams, too, each once`()
        throws
    {
        var former = try SegmentWriter(agent: "till-1", PlainSHA256(), &random)
        var writing = try SegmentWriter(agent: "till-1", PlainSHA256(), &random)
        let before = former.seal([try Self.transaction("world", "shop")], &random)
        _ = ledger.merge(before.segment.segment)
        schedule.began(writing.genesis.agent, stream: writing.tag, session: 1)
        #expect(told([former, writing], 1) == ["shop", "world"])
        let next = writing.seal([try Self.transaction("world", "till")], &random)
        _ = ledger.merge(next.segment.segment)
        #expect(told([former, writing], 1) == ["till", "world"])
        let late = former.seal([try Self.transaction("shop", "goods")], &random)
        _ = ledger.merge(late.segment.segment)
        #expect(told([former, writing], 1) == ["goods", "shop"])
    }

    @Test
    mutating func `an agent that goes back to another of its streams is told all of it again`()
        throws
    {
        var first = try SegmentWriter(agent: "till-1", PlainSHA256(), &random)
        let second = try SegmentWriter(agent: "till-1", PlainSHA256(), &random)
        let segment = first.seal([try Self.transaction("world", "shop")], &random).segment.segment
        _ = ledger.merge(segment)
        let agent = first.genesis.agent
        for session in 1...9 as ClosedRange<UInt64> {
            let stream = session % 2 == 0 ? second : first
            schedule.began(agent, stream: stream.tag, session: session)
            schedule.began(agent, stream: stream.tag, session: session)
            #expect(told([first, second], session) == ["shop", "world"])
            #expect(told([first, second], session) == [])
        }
    }
}
