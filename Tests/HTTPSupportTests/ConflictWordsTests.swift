import HTTPSupport
import LedgerCore
import SyncProtocol
import Testing
import TextFormats

@Suite struct ConflictWordsTests {
    private func hash(_ byte: UInt8) -> Hash256 {
        Hash256([UInt8](repeating: byte, count: Hash256.byteCount))
    }

    /// - Parameter branches: how many the stream has.
    private func view(_ fact: HubFact, branches: Int = 1) throws -> ConflictView {
        let id = HubEventID(hub: StreamTag(genesisHash: hash(1)), sequence: 1)
        let event = HubEvent(
            sequence: 1, time: HybridTimestamp(rawValue: 1), content: HubEvent.Content(fact))
        var fold = ConflictFold()
        fold.apply(event, id)
        return ConflictView(
            try #require(fold[id]), hub: try AgentID("hub"), agent: try AgentID("till-1"),
            standing: .open,
            branches: (0..<branches).map { ChainPoint(sequence: 9, hash: hash(UInt8($0))) },
            withoutEffect: [])
    }

    @Test(arguments: HubFact.LostGap.Cause.allCases)
    func `a lost gap says why the device has not what is lost`(
        cause: HubFact.LostGap.Cause
    ) throws {
        let gap = HubFact.LostGap(
            stream: StreamTag(genesisHash: hash(2)), sequences: 4...6, before: hash(3),
            resumesBehind: hash(4), cause: cause)
        let view = try view(.gapLost(gap))
        let isUnreadable = cause == .unreadable
        #expect(view.summary.contains("cannot read them from its disk") == isUnreadable)
        #expect(view.summary.contains("had pruned them") == !isUnreadable)
        #expect(view.advice.contains("Replace the device's disk") == isUnreadable)
        #expect(!view.summary.contains("not known"))
        // Where there are several branches, nobody knows how far the device's own one was here.
        #expect(try self.view(.gapLost(gap), branches: 2).summary.contains("is not known"))
        var json = JSONWriter()
        view.write(to: &json)
        #expect(json.text.contains("\"cause\":\"\(cause.name)\""), "\(json.text)")
    }
}
