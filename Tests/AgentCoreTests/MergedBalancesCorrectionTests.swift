import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// Balances of which a hub that was put back has nothing.
@Suite struct MergedBalancesCorrectionTests {
    private let stream: TestStream
    private let till: AccountAddress
    private let euro: Asset
    private var own = Balances()
    private var names = StreamDictionary()
    private var merged = MergedBalances(limits: AgentLimits())

    init() throws {
        stream = try TestStream(1, events: 3)
        till = try AccountAddress("till:1")
        euro = try Asset("EUR/2")
        let (from, to, asset) = (own.intern(.world), own.intern(till), own.intern(euro))
        for sealed in stream.segments {
            own.apply(source: from, destination: to, asset: asset, units: 1)
            for definition in try sealed.segment.definitions() { names.restore(definition) }
        }
    }

    /// - Parameter tail: of the own events, how many lie behind the place where the folder was loaded.
    private mutating func take(
        _ balances: [AccountSnapshot.Balance], hub: UInt64, position: UInt64, through: UInt64,
        tail count: Int
    ) throws {
        var tail = OwnTail(
            head: UInt64(stream.segments.count - count), byteCountMax: 1 << 20)
        for sealed in stream.segments.suffix(count) { tail.append(sealed.segment) }
        let snapshot = AccountSnapshot(
            hub: StreamTag(genesisHash: Hash256(words: (hub << 32, 0, 0, 0))), position: position,
            takenAt: Timestamp(microseconds: 1),
            included: [AccountSnapshot.Included(stream: stream.tag, through: through)], number: 1,
            roundStart: 1,
            accounts: [AccountSnapshot.Account(address: till, balances: balances)])
        let refusal = merged.take(
            snapshot, stream: stream.tag, own: own, tail: &tail, dictionary: names)
        try #require(refusal == nil)
        merged.persisted(Durable(position: 1))
    }

    private func shown() throws -> AccountView.Balance {
        try #require(merged.account(till, own: own)?.balances.first { $0.asset == euro })
    }

    @Test mutating func `what others brought goes when a hub that was put back has nothing of it`()
        throws
    {
        let all = AccountSnapshot.Balance(asset: euro, input: 103, output: 0)
        try take([all], hub: 1, position: 9, through: 3, tail: 0)
        #expect(try shown().input == 103 && shown().asOf?.position == 9)
        try take([], hub: 2, position: 1, through: 0, tail: 3)
        let corrected = try shown()
        #expect(corrected.input == 3, "its own, which the hub has not merged")
        #expect(corrected.asOf?.position == 1)
    }

    @Test mutating func `own events that only a former hub had are corrected, too`() throws {
        // Of a stream before this one, and acknowledged: nobody sends them again.
        try take([], hub: 2, position: 1, through: 3, tail: 0)
        let corrected = try shown()
        #expect(corrected.input == 0 && corrected.local == 3)
        #expect(corrected.asOf?.position == 1)
    }
}
