import AggregatorAPI
import AggregatorRuntime
import DaemonSupport
import Foundation
import HTTPSupport
import Logging
import Metrics
import Observability
import TextFormats
import Tracing

/// `tributary-aggregator`: parse, compose, run.
@main
struct AggregatorDaemon {
    static func main() async {
        let command = DaemonCommand(
            name: "tributary-aggregator",
            abstract: "The Tributary aggregator: merges the streams of all agents into one ledger.",
            keys: AggregatorKeys.all, subcommands: [rebuild, backup, restore],
            check: AggregatorKeys.check, run: run)
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

    private static let backup = DaemonCommand.Subcommand(
        "backup", operands: ["FILE"],
        abstract: "copy the log and the key into one new file, which is to be kept secret; "
            + "also while the aggregator runs"
    ) { settings, logger, operands in
        let data = settings.required(.data)
        try AggregatorRuntime.backUp(
            dataFolder: data, to: operands[0], softwareVersion: TributaryVersion.current)
        logger.notice(
            "backed up",
            metadata: ["aggregator.data": "\(data)", "backup.file": "\(operands[0])"])
    }

    private static let restore = DaemonCommand.Subcommand(
        "restore", operands: ["FILE"],
        abstract:
            "make a data folder, empty so far, from a backup: the hub goes on in a new stream, and "
            + "agents send again what came since and they still keep"
    ) { settings, logger, operands in
        let data = settings.required(.data)
        let madeAt = try AggregatorRuntime.restore(operands[0], into: data)
        logger.notice(
            "restored; the next start goes on in a new stream",
            metadata: [
                "aggregator.data": "\(data)", "backup.file": "\(operands[0])",
                "backup.made_at": "\(RFC3339.text(microseconds: madeAt.microseconds))",
            ])
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
                ConflictRoutes(service: runtime).add(to: router)
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
