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
            keys: AgentKeys.all, check: AgentKeys.check, run: run)
        exit(await command.main().rawValue)
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
