import AggregatorAPI
import AggregatorRuntime
import DaemonSupport
import Foundation
import HTTPSupport
import Logging
import Metrics
import Observability
import Tracing

/// `tributary-aggregator`: parse, compose, run.
@main
struct AggregatorDaemon {
    static func main() async {
        let command = DaemonCommand(
            name: "tributary-aggregator",
            abstract: "The Tributary aggregator: merges the streams of all agents into one ledger.",
            keys: AggregatorKeys.all, subcommands: [rebuild], check: AggregatorKeys.check, run: run)
        exit(await command.main().rawValue)
    }

    private static let rebuild = DaemonCommand.Subcommand(
        "rebuild",
        abstract: "make the rows that searches read anew from the log"
    ) { settings, logger, _ in
        let data = settings.required(.data)
        let wereThere = try AggregatorRuntime.deleteRows(inDataFolder: data)
        logger.notice(
            wereThere
                ? "the rows are deleted and will be made anew from the log"
                : "there are no rows; they will be made from the log",
            metadata: ["aggregator.data": "\(data)"])
    }

    @Sendable private static func run(_ settings: Settings, _ logger: Logger) async throws {
        let address = try settings.loopbackAddress(AggregatorKeys.listen)
        let registry = MetricRegistry(
            BuildMetrics.definitions + AggregatorRuntime.definitions + HTTPMetrics.definitions
                + ProcessMetrics.definitions + SpanSpool.definitions)
        MetricsSystem.bootstrap(registry)
        let configuration = try AggregatorKeys.configuration(settings)
        if let tracer = configuration.tracer { InstrumentationSystem.bootstrap(tracer) }
        let spools: [any MetricSource] = configuration.tracer.map { [$0.spool] } ?? []
        let runtime = try AggregatorRuntime(configuration, logger: logger) { reason in
            DaemonLifetime.endBroken(reason, logger)
        }
        let server = APIServer(
            address: address, logger: logger,
            about: APIAbout(
                title: "tributary-aggregator", version: TributaryVersion.current,
                methodAdvice: [.post: "agents take transactions"]),
            routes: { router in
                AggregatorRoutes(service: runtime).add(to: router)
                SearchRoutes(search: runtime, service: runtime).add(to: router)
                TraceRoutes(archive: runtime).add(to: router)
                AggregatorEventRoutes(source: runtime).add(to: router)
                CoverageRoutes(service: runtime).add(to: router)
                MetricsPage(
                    registry,
                    [BuildMetrics(version: TributaryVersion.current), runtime, ProcessMetrics()]
                        + spools
                ).add(to: router)
            },
            // Before it is known that this one stays, agents must not turn to it.
            onListening: {
                logger.info(
                    "aggregator started",
                    metadata: ["aggregator.version": "\(TributaryVersion.current)"])
                runtime.start()
                DaemonLifetime.sayReady()
            })
        try await DaemonLifetime(logger: logger).run([server]) { runtime.stop() }
    }
}
