import Metrics
import Observability
import Testing

@Suite struct MetricRegistryTests {
    private static let sales = MetricDefinition(
        "sales_total", .counter, labels: ["shop"], "Sales, by \"shop\"\nand \\.")
    private static let heat = MetricDefinition("heat_celsius", .gauge, "Heat.")
    private static let waits = MetricDefinition("wait_seconds", .histogram(.durations), "Waits.")
    private static let sizes = MetricDefinition("sizes", .histogram(.counts), "Sizes.")

    private let registry = MetricRegistry([Self.sales, Self.heat, Self.waits, Self.sizes])

    private func counter(_ shop: String) -> Counter {
        Counter(label: "sales_total", dimensions: [("shop", shop)], factory: registry)
    }

    private func text(with samples: [MetricSample] = []) -> String {
        registry.text(with: samples).text
    }

    @Test func `what was never made has no line, not even its name`() {
        #expect(text() == "")
    }

    @Test func `a counter is told with its help, its type and its labels`() {
        counter("b").increment(by: 2)
        counter("a").increment()
        counter("b").increment()
        #expect(
            text() == """
                # HELP sales_total Sales, by "shop"\\nand \\\\.
                # TYPE sales_total counter
                sales_total{shop="a"} 1
                sales_total{shop="b"} 3

                """)
    }

    @Test func `a label's value cannot break out of its quotes`() {
        counter("a\"} 7\n\\").increment()
        #expect(text().contains(#"sales_total{shop="a\"} 7\n\\"} 1"#))
    }

    @Test func `a histogram counts what does not exceed a bound, and all`() {
        let timer = Timer(label: "wait_seconds", dimensions: [], factory: registry)
        timer.recordNanoseconds(500_000)
        timer.recordNanoseconds(500_001)
        timer.recordNanoseconds(20_000_000_000)
        let lines = text().split(separator: "\n").map(String.init)
        #expect(lines.contains(#"wait_seconds_bucket{le="0.0005"} 1"#))
        #expect(lines.contains(#"wait_seconds_bucket{le="0.001"} 2"#))
        #expect(lines.contains(#"wait_seconds_bucket{le="10"} 2"#))
        #expect(lines.contains(#"wait_seconds_bucket{le="+Inf"} 3"#))
        #expect(lines.contains("wait_seconds_count 3"))
        #expect(lines.contains { $0.hasPrefix("wait_seconds_sum 20.001") })
        let recorder = Recorder(label: "sizes", dimensions: [], aggregate: true, factory: registry)
        recorder.record(7)
        #expect(text().contains("sizes_bucket{le=\"5\"} 0\nsizes_bucket{le=\"10\"} 1\n"))
    }

    @Test
    func `what others count stands beside what is counted here, in the order of the definitions`() {
        counter("a").increment()
        let samples = [
            MetricSample(Self.heat, 36.6), MetricSample(Self.sales, labeled: ["b"], 1 << 40),
        ]
        #expect(
            text(with: samples).split(separator: "\n").filter { !$0.hasPrefix("#") } == [
                #"sales_total{shop="a"} 1"#, #"sales_total{shop="b"} 1099511627776"#,
                "heat_celsius 36.6",
            ])
    }

    @Test func `a metric that is not defined goes nowhere`() {
        Counter(label: "a_library_of_ours_total", dimensions: [], factory: registry).increment()
        #expect(text() == "")
    }

    @Test func `a name that breaks the conventions stops the process`() async {
        await #expect(processExitsWith: .failure) {
            _ = MetricDefinition("sales", .counter, "Sales.")
        }
        await #expect(processExitsWith: .failure) {
            _ = MetricDefinition("sales_total", .gauge, "Sales.")
        }
        await #expect(processExitsWith: .failure) {
            _ = MetricDefinition("Sales", .gauge, "Sales.")
        }
        await #expect(processExitsWith: .failure) {
            let one = MetricDefinition("sales", .gauge, "Sales.")
            _ = MetricRegistry([one, one])
        }
        await #expect(processExitsWith: .failure) {
            let one = MetricDefinition("sales_total", .counter, labels: ["shop"], "Sales.")
            _ = Counter(label: one.name, dimensions: [], factory: MetricRegistry([one]))
        }
    }

    @Test func `the process tells what the system knows of it`() throws {
        let source = ProcessMetrics()
        let values = Dictionary(
            uniqueKeysWithValues: source.samples().map { ($0.definition.name, $0.value) })
        #expect(Set(values.keys) == Set(ProcessMetrics.definitions.map(\.name)))
        #expect(try #require(values["process_resident_memory_bytes"]) > 1_048_576)
        #expect(try #require(values["process_open_fds"]) >= 3)
        #expect(try #require(values["process_threads"]) >= 1)
        #expect(try #require(values["process_start_time_seconds"]) > 1_600_000_000)
        #expect(try #require(values["process_cpu_seconds_total"]) > 0)
    }
}
