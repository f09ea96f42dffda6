import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import TextFormats

/// An HTTP server as both daemons run it.
package struct APIServer: Service {
    package typealias Context = BasicRequestContext

    /// Closes a connection on which nothing has come for this long, so that a client that went
    /// away, or one that sends a byte a second, holds nothing for ever.
    private static let idleSeconds: Int64 = 60
    /// Connections that wait to be taken.
    private static let backlog = 1024

    private let application: Application<RouterResponder<Context>>
    private let address: ListenAddress

    /// - Parameters:
    ///   - routes: adds the daemon's routes.
    ///   - onListening: called once the address is taken and requests are answered.
    package init(
        address: ListenAddress, logger: Logger, routes: (Router<Context>) -> Void,
        onListening: @escaping @Sendable () async -> Void
    ) {
        self.address = address
        let router = Router(context: Context.self)
        router.add(middleware: ProblemMiddleware(logger: logger))
        ProblemPages().add(to: router)
        routes(router)
        // The daemon has its own log; the server's own lines about single requests are for whoever
        // debugs the server.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        application = Application(
            responder: router.buildResponder(),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    idleTimeout: .seconds(APIServer.idleSeconds))),
            configuration: ApplicationConfiguration(
                address: address.bindAddress, serverName: "tributary", backlog: APIServer.backlog),
            onServerRunning: { _ in
                logger.info("listening", metadata: ["server.address": "\(address)"])
                await onListening()
            }, logger: quiet)
    }

    /// Serves until the daemon stops.
    ///
    /// - Throws: `ListenFailure` where the address cannot be had.
    package func run() async throws {
        do {
            try await application.run()
        } catch let error as IOError {
            throw ListenFailure(address: address, code: error.errnoCode)
        }
    }
}

/// The daemon cannot listen where it was told to.
package struct ListenFailure: Error, CustomStringConvertible {
    package let address: ListenAddress
    /// errno(3)
    package let code: CInt

    package var description: String {
        switch code {
        case EADDRINUSE:
            "\(address) is already in use by another program; choose another with --listen"
        case EACCES: "no permission to listen on \(address)"
        case EADDRNOTAVAIL: "\(address) is not an address of this machine"
        default: "cannot listen on \(address): errno \(code)"
        }
    }
}

extension ListenAddress {
    fileprivate var bindAddress: BindAddress {
        switch self {
        case .tcp(let host, let port): .hostname(host, port: Int(port))
        case .unix(let path): .unixDomainSocket(path: path)
        }
    }
}
