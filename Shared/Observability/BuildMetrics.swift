/// Which version runs, as a label: the usual way to see a fleet change over.
package struct BuildMetrics: MetricSource {
    private static let build = MetricDefinition(
        "tributary_build_info", .gauge, labels: ["version"], "Always 1; the version is its label.")

    private let version: String

    package init(version: String) {
        self.version = version
    }

    package static var definitions: [MetricDefinition] { [build] }

    package func samples() -> [MetricSample] { [MetricSample(Self.build, labeled: [version], 1)] }
}
