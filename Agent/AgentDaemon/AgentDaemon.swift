import AgentAPI
import AgentCore
import AgentRuntime
import DaemonSupport
import Foundation
import HTTPSupport
import LedgerCore
import Logging
import Metrics
import Observability
import TextFormats
import Tracing

/// `tributary-agent`: parse, compose, run.
@main
struct AgentDaemon {
    static func main() async {
        let command = DaemonCommand(
            name: "tributary-agent",
            abstract:
                "The Tributary agent: records transactions on this device and syncs them when it can.",
            keys: AgentKeys.all, subcommands: [backup, restore], check: AgentKeys.check, run: run)
        exit(await command.main().rawValue)
    }

    private static let backup = DaemonCommand.Subcommand(
        "backup", operands: ["FILE"],
        abstract: "copy the data folder and its key into one new file, which is to be kept secret; "
            + "also while the agent runs",
        needless: [AgentKeys.id]
    ) { settings, logger, operands in
        let data = settings.required(.data)
        try AgentRuntime.backUp(
            dataFolder: data, to: operands[0], softwareVersion: TributaryVersion.current)
        logger.notice(
            "backed up",
            metadata: ["agent.data": "\(data)", "backup.file": "\(operands[0])"])
    }

    private static let restore = DaemonCommand.Subcommand(
        "restore", operands: ["FILE"],
        abstract:
            "make a data folder, empty so far, from a backup: the agent goes on in a new stream, "
            + "and what the aggregator has stays. What was not sent since the backup is not in it",
        needless: [AgentKeys.id]
    ) { settings, logger, operands in
        let data = settings.required(.data)
        let madeAt = try AgentRuntime.restore(operands[0], into: data)
        logger.notice(
            "restored; the next start goes on in a new stream",
            metadata: [
                "agent.data": "\(data)", "backup.file": "\(operands[0])",
                "backup.made_at": "\(RFC3339.text(microseconds: madeAt.microseconds))",
            ])
    }

    @Sendable private static func run(_ settings: Settings, _ logger: Logger) async throws {
        let address = try AgentKeys.address(settings)
        var configuration = try AgentKeys.configuration(settings)
        let registry = MetricRegistry(
            BuildMetrics.definitions + AgentRuntime.definitions + HTTPMetrics.definitions
                + ProcessMetrics.definitions + SpanSpool.definitions)
        MetricsSystem.bootstrap(registry)
        let tracer = AgentKeys.tracer(settings)
        InstrumentationSystem.bootstrap(tracer)
        configuration.tracer = tracer
        let runtime = try AgentRuntime(configuration, logger: logger) { reason in
            DaemonLifetime.endBroken(reason, logger)
        }
        let started: Logger.Metadata = [
            "agent.id": "\(configuration.agent)", "agent.version": "\(TributaryVersion.current)",
        ]
        let routes = AgentRoutes<APIServer.Context>(
            service: runtime, limits: configuration.limits, tracer: tracer)
        let server = APIServer(
            address: address, logger: logger,
            about: APIAbout(title: "tributary-agent", version: TributaryVersion.current),
            routes: { router in
                routes.add(to: router)
                AgentConflictRoutes(service: runtime).add(to: router)
                AgentEventRoutes(source: runtime).add(to: router)
                MetricsPage(
                    registry,
                    [
                        BuildMetrics(version: TributaryVersion.current), runtime,
                        ProcessMetrics(), tracer.spool,
                    ]
                ).add(to: router)
            },
            // An agent that cannot listen ends, and its aggregator must not wait for it: nobody
            // hears of it before.
            onListening: {
                logger.info("agent started", metadata: started)
                runtime.start()
                DaemonLifetime.sayReady()
            })
        try await DaemonLifetime(logger: logger).run([server]) { runtime.stop() }
    }
}
