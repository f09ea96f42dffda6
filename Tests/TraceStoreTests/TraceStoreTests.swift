import Testing
import TraceStore

@Suite struct TraceStoreTests {
    @Test func `spans are kept for a week`() {
        #expect(TraceStoreLimits().age == 604_800_000_000)
    }
}
