import Simulator
import Testing

@Suite struct ReportTests {
    private func report(of seeds: Range<UInt64>) -> Report {
        var report = Report()
        for seed in seeds { report.add(Simulation.run(RunInput(seed: seed))) }
        return report
    }

    @Test func `the reports of parts add up to that of the whole`() {
        let whole = report(of: 0..<24)
        var sum = Report()
        for part in [16..<24, 0..<7, 7..<16] as [Range<UInt64>] { sum.add(report(of: part)) }
        #expect(sum.runs == 24 && sum.runs == whole.runs)
        #expect(sum.digest == whole.digest)
        #expect(sum.faults == whole.faults && !sum.faults.isEmpty)
        #expect(sum.marks == whole.marks && !sum.marks.isEmpty)
        #expect(sum.steps == whole.steps && sum.virtualTime == whole.virtualTime)
        #expect(sum.events == whole.events)
    }

    @Test func `what never happened in a thousand runs is named, and in fewer it is not`() {
        var report = report(of: 0..<1)
        report.runs = Report.runsForAllMarks - 1
        #expect(report.missing == [])
        report.runs += 1
        report.marks[Mark.accepted.name] = nil
        #expect(report.missing.contains(Mark.accepted.name))
        for kind in FaultKind.allCases { report.faults[kind.name] = 1 }
        for mark in Mark.allCases { report.marks[mark.name] = 1 }
        #expect(report.missing == [] && report.isGood)
        report.faults[FaultKind.loss.name] = 0
        #expect(report.missing == [FaultKind.loss.name] && !report.isGood)
    }

    @Test func `what is not expected yet has a reason, and never happens`() {
        let report = report(of: 100..<140)
        for (kind, reason) in NotYet.faults {
            #expect(!reason.isEmpty)
            #expect(report.faults[kind.name] == nil, "\(kind) is injected")
        }
        for (mark, reason) in NotYet.marks {
            #expect(!reason.isEmpty)
            #expect(report.marks[mark.name] == nil, "\(mark) happens, and may leave the table")
        }
    }
}
