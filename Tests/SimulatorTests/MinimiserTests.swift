import Simulator
import TestSupport
import Testing

@Suite struct MinimiserTests {
    private static let faults = (1...60).map { FaultID("loss.\($0 % 5).\($0)") }.compactMap { $0 }

    /// A run that fails where all of `culprits` happen and there are so many clients.
    private func minimised(_ culprits: Set<FaultID>, clients: Int) -> (RunInput?, trials: Int) {
        var trials = 0
        var minimiser = Minimiser(7) { input in
            trials += 1
            let happened = MinimiserTests.faults.filter { input.only?.contains($0) ?? true }
            let isBroken =
                culprits.isSubset(of: happened) && (input.clientsMax ?? 5) >= clients
            return Minimiser.Trial(
                failure: isBroken ? Report.Failure(seed: 7, violation: nil) : nil, faults: happened,
                clientCount: 5)
        }
        return (minimiser.minimised(), trials)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `exactly the faults that matter are left`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let count = random.below(6)
        let culprits = Set((0..<count).map { _ in MinimiserTests.faults[random.below(60)] })
        let clients = random.below(6)
        let (found, trials) = minimised(culprits, clients: clients)
        let small = try #require(found)
        #expect(small.only == culprits, "seed \(seed)")
        #expect(small.clientsMax == clients || clients == 5 && small.clientsMax == nil)
        #expect(trials < 300, "seed \(seed)")
    }

    @Test func `a seed that does not fail is not made small`() {
        var minimiser = Minimiser(1) { _ in
            Minimiser.Trial(failure: nil, faults: [], clientCount: 3)
        }
        #expect(minimiser.minimised() == nil)
    }

    @Test func `a fault is known by its text`() throws {
        for fault in MinimiserTests.faults {
            #expect(FaultID(fault.description) == fault)
        }
        for text in ["", "loss", "loss.1", "loss.1.2.3", "rain.1.2", "loss.x.2"] {
            #expect(FaultID(text) == nil, "\(text)")
        }
        let small = RunInput(
            seed: 3, only: [try #require(FaultID("loss.1.2")), try #require(FaultID("night.0.1"))],
            clientsMax: 2, stepsMax: 99)
        #expect(
            small.arguments == [
                "--seed", "3", "--only", "loss.1.2,night.0.1", "--clients", "2", "--steps", "99",
            ])
        #expect(RunInput.faults("loss.1.2,night.0.1") == small.only)
        #expect(RunInput.faults("none") == [])
        #expect(RunInput.faults("loss.1.2,rain") == nil)
    }
}
