import Dispatch
import Glibc
import Logging
import ServiceLifecycle
import Synchronization

/// Runs a daemon's services until it is asked to end, and ends them in time.
package struct DaemonLifetime: Sendable {
    /// How long a daemon may take to finish what it accepted.
    package static let patienceDefault: Duration = .seconds(10)

    private let logger: Logger
    private let patience: Duration

    package init(logger: Logger, patience: Duration = patienceDefault) {
        self.logger = logger
        self.patience = patience
    }

    /// Starts the services in their order; on SIGTERM or SIGINT stops them in the reverse order,
    /// then calls `finish`. Where all of that takes longer than the patience, the process says
    /// what has not ended, and exits with status 1.
    ///
    /// - Parameter finish: closes what the services used; it may block for some seconds.
    /// - Throws: what a service threw, or `ServiceEnded`.
    package func run(_ services: [any Service], finish: @escaping @Sendable () -> Void) async throws
    {
        signal(SIGPIPE, SIG_IGN)
        DescriptorLimit.raise()
        let unfinished = Unfinished()
        // Stopped first, because started last.
        let watch = StopWatch(unfinished: unfinished, patience: patience, logger: logger)
        let watched = services.map { WatchedService(service: $0, unfinished: unfinished) }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: (watched as [any Service] + [watch]).map {
                    ServiceGroupConfiguration.ServiceConfiguration(service: $0)
                },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        unfinished.begin(Unfinished.closing)
        do {
            try await group.run()
        } catch {
            finish()
            unfinished.end(Unfinished.closing)
            throw error
        }
        finish()
        unfinished.end(Unfinished.closing)
        logger.info("stopped")
    }

    /// The group's own lines are about its mechanics.
    private var quiet: Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }

    /// Ends the process at once: the disk failed, and only a new start can tell what is on it. What
    /// was answered is durable; nothing else was promised.
    package static func endBroken(_ reason: String, _ logger: Logger) -> Never {
        logger.critical("ending: the disk failed", metadata: ["store.error": "\(reason)"])
        exit(1)
    }

    /// Says to systemd, where it runs us, that the daemon is ready (sd_notify(3)).
    package static func sayReady() {
        ServiceManager.current.say(.ready)
    }
}

/// A service ended, and nobody had asked it to.
package struct ServiceEnded: Error, CustomStringConvertible {
    package let name: String

    package var description: String { "\(name) ended by itself" }
}

/// What has begun and not ended, by name.
private final class Unfinished: Sendable {
    /// What comes when all services have ended.
    static let closing = "closing the store"

    private let names = Mutex<[String]>([])

    var description: String { names.withLock { $0.joined(separator: ", ") } }
    var isEmpty: Bool { names.withLock { $0.isEmpty } }

    func begin(_ name: String) { names.withLock { $0.append(name) } }

    func end(_ name: String) {
        names.withLock { names in
            if let index = names.lastIndex(of: name) { names.remove(at: index) }
        }
    }
}

/// A service whose end is noticed.
private struct WatchedService: Service {
    let service: any Service
    let unfinished: Unfinished

    func run() async throws {
        let name = "\(type(of: service))"
        unfinished.begin(name)
        defer { unfinished.end(name) }
        try await service.run()
        guard Task.isShuttingDownGracefully || Task.isCancelled else {
            throw ServiceEnded(name: name)
        }
    }
}

/// Ends the process when the others do not end in time, and says which: a daemon that hangs would
/// hold its data folder.
private struct StopWatch: Service {
    let unfinished: Unfinished
    let patience: Duration
    let logger: Logger

    func run() async throws {
        // Both ways to end: being asked to, and the failure of a service.
        try? await gracefulShutdown()
        ServiceManager.current.say(.stopping)
        let parts = patience.components
        let nanoseconds =
            Int(parts.seconds) * 1_000_000_000 + Int(parts.attoseconds / 1_000_000_000)
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) {
            // All has ended in time, and the process is on its way out.
            guard !unfinished.isEmpty else { return }
            logger.critical(
                "did not stop in time",
                metadata: [
                    "stop.patience_seconds": "\(parts.seconds)",
                    "stop.unfinished": "\(unfinished.description)",
                ])
            // Nothing that hangs is asked for anything any more.
            _exit(1)
        }
    }
}
