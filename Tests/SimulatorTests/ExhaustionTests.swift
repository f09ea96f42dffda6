import Simulator
import Testing

@Suite struct ExhaustionTests {
    /// One agent and nothing that goes wrong, but that the network keeps no order.
    private var calm: Exhaustion.Bounds {
        var bounds = Exhaustion.Bounds()
        bounds.events = 1
        bounds.crashes = 0
        bounds.copies = 0
        bounds.losses = 0
        bounds.duplicates = 0
        bounds.timeouts = 0
        bounds.reconnections = 0
        return bounds
    }

    private func expectNoViolation(_ bounds: Exhaustion.Bounds, _ title: String) {
        var search = Exhaustion(bounds)
        let result = search.run()
        print("\(title): \(result.states) states, \(result.transitions) transitions")
        #expect(result.violation == nil)
        #expect(!result.isCut)
        #expect(result.settled > 0 && result.states > result.settled)
    }

    @Test func `no history with a crash, a loss and a doubled message breaks an invariant`() {
        var bounds = calm
        bounds.crashes = 1
        bounds.losses = 1
        bounds.duplicates = 1
        bounds.reconnections = 1
        expectNoViolation(bounds, "a crash, a loss and a doubled message")
    }

    @Test(arguments: [Exhaustion.Bounds.Copying.restore, .clone])
    func `no history with a copy of a folder breaks an invariant`(
        copying: Exhaustion.Bounds.Copying
    ) {
        var bounds = calm
        bounds.copies = 1
        bounds.copying = copying
        bounds.reconnections = 1
        expectNoViolation(bounds, "a \(copying.rawValue)")
    }

    @Test func `each step of two agents is to each of them what it would be alone`() {
        var bounds = calm
        bounds.agents = 2
        bounds.events = 2
        bounds.losses = 1
        expectNoViolation(bounds, "two agents")
    }

    @Test func `a search looks at as many states whenever it is made`() {
        var bounds = calm
        bounds.crashes = 1
        let counts = (0..<2).map { _ in
            var search = Exhaustion(bounds)
            return search.run().states
        }
        #expect(counts[0] == counts[1])
        var inDepth = Exhaustion(bounds, breadthMax: 1)
        #expect(inDepth.run().states == counts[0])
    }

    @Test(arguments: Breakage.allCases)
    func `a world that is broken on purpose is found out`(breakage: Breakage) throws {
        var bounds = calm
        bounds.agents = breakage == .forgetsOthers ? 2 : 1
        bounds.crashes = 1
        bounds.reconnections = 1
        var search = Exhaustion(bounds, breakage)
        let result = search.run()
        let violation = try #require(result.violation, "\(result.states) states")
        #expect(violation.isShortest)
        #expect(!violation.trace.isEmpty)
    }

    @Test func `the way to what is broken is the shortest there is`() throws {
        var bounds = calm
        bounds.crashes = 1
        var search = Exhaustion(bounds, .losesEventsInCrash)
        let violation = try #require(search.run().violation)
        #expect(violation.sentence == "a stream was closed, and there is no copy")
        #expect(violation.trace.count == 10)
        #expect(violation.trace[8] == "folder 0 of agent 0 crashes")
    }

    @Test func `a search that has to end early says so`() {
        var search = Exhaustion(calm, statesMax: 10)
        let result = search.run()
        #expect(result.isCut)
        #expect(result.states == 10)
    }
}
