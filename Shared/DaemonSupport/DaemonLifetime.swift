import Foundation
import Glibc
import Logging
import ServiceLifecycle

/// Runs a daemon's services until it is asked to end, and ends them in time.
package struct DaemonLifetime: Sendable {
    /// How long a daemon may take to finish what it accepted.
    private static let patience: Duration = .seconds(10)

    private let logger: Logger

    package init(logger: Logger) {
        self.logger = logger
    }

    /// Starts the services in their order; on SIGTERM or SIGINT stops them in the reverse order,
    /// then calls `finish`.
    ///
    /// - Parameter finish: closes what the services used; it may block for some seconds.
    /// - Throws: what a service threw.
    package func run(_ services: [any Service], finish: @escaping @Sendable () -> Void) async throws
    {
        signal(SIGPIPE, SIG_IGN)
        var configuration = ServiceGroupConfiguration(
            services: services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
                + [
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: StopWatch(patience: Self.patience, logger: logger))
                ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.patience
        defer { notify("STOPPING=1") }
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            finish()
            throw error
        }
        finish()
        logger.info("stopped")
    }

    /// Ends the process at once: the disk failed, and only a new start can tell what is on it. What
    /// was answered is durable; nothing else was promised.
    package static func endBroken(_ reason: String, _ logger: Logger) -> Never {
        logger.critical("ending: the disk failed", metadata: ["store.error": "\(reason)"])
        exit(1)
    }

    /// Says to systemd, where it runs us, that the daemon is ready (sd_notify(3)).
    package static func sayReady() {
        notify("READY=1")
    }

    /// One datagram to the socket that systemd names; without one there is nobody to tell.
    private static func notify(_ state: String) {
        guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
            return
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A name that begins with @ is in the abstract name space, where the first byte is 0.
        let name = Array(
            path.utf8.first == UInt8(ascii: "@") ? [0] + path.utf8.dropFirst() : Array(path.utf8))
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, state, state.utf8.count, 0, $0, length)
            }
        }
    }

    private func notify(_ state: String) {
        DaemonLifetime.notify(state)
    }
}

/// Ends the process when the others do not end in time, and says so: a daemon that hangs would hold
/// its data folder.
private struct StopWatch: Service {
    let patience: Duration
    let logger: Logger

    func run() async throws {
        try await gracefulShutdown()
        let seconds = Int(patience.components.seconds)
        let logger = logger
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) {
            logger.critical(
                "did not stop in time", metadata: ["stop.patience_seconds": "\(seconds)"])
            exit(1)
        }
    }
}
