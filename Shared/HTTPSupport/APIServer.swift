import Hummingbird
import HummingbirdCore
import Logging
import Metrics
import NIOCore
import ServiceLifecycle
import TextFormats

/// An HTTP server as both daemons run it.
package struct APIServer: Service {
    package typealias Context = BasicRequestContext

    private let application: Application<RouterResponder<Context>>
    private let address: ListenAddress

    /// - Parameters:
    ///   - about: what the document of the routes says of them all.
    ///   - routes: adds the daemon's routes.
    ///   - onListening: called once the address is taken and requests are answered.
    package init(
        address: ListenAddress, logger: Logger, limits: APIServerLimits = APIServerLimits(),
        about: APIAbout, routes: (APIRouter<Context>) -> Void,
        onListening: @escaping @Sendable () async -> Void
    ) {
        self.address = address
        // The daemon has its own log; the server's own lines about single requests are for whoever
        // debugs the server.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        application = Application(
            responder: APIServer.responder(logger: logger, about: about, routes: routes),
            server: .http1(configuration: APIServer.channel(limits)),
            configuration: ApplicationConfiguration(
                address: address.bindAddress, serverName: "tributary", backlog: limits.backlog,
                availableConnectionsDelegate: .maximum(
                    limits.connectionsMax + limits.refusalsMax, logger: quiet)),
            onServerRunning: { channel in
                // With port 0 the system has chosen one.
                let bound = channel.localAddress?.port.flatMap { address.with(port: $0) } ?? address
                logger.info("listening", metadata: ["server.address": "\(bound)"])
                await onListening()
            }, logger: quiet)
    }

    /// The routes alone, as the server answers them.
    package static func responder(
        logger: Logger, about: APIAbout, metrics: any MetricsFactory = MetricsSystem.factory,
        routes: (APIRouter<Context>) -> Void
    ) -> RouterResponder<Context> {
        let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware(logger: logger, metrics: metrics))
        let described = APIRouter(router, about: about, metrics: metrics)
        routes(described)
        ProblemPages().add(to: described)
        described.addDocument()
        router.refuseOtherMethods(advice: about.methodAdvice)
        return router.buildResponder()
    }

    private static func channel(_ limits: APIServerLimits) -> HTTP1Channel.Configuration {
        let registry = ConnectionRegistry(connectionsMax: limits.connectionsMax)
        return HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionGuard(limits: limits, registry: registry)],
            idleTimeout: TimeAmount(limits.idle),
            httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                maxHeaderFieldSize: limits.headBytesMax, maxHeaderListSize: limits.headBytesMax,
                maxHeaderFieldCount: limits.headFieldsMax))
    }

    /// Handlers for the connections of one server, a new one for each.
    package static func connectionGuards(_ limits: APIServerLimits) -> () -> any (
        ChannelDuplexHandler & RemovableChannelHandler
    ) {
        let registry = ConnectionRegistry(connectionsMax: limits.connectionsMax)
        return { ConnectionGuard(limits: limits, registry: registry) }
    }

    /// Serves until the daemon stops.
    ///
    /// - Throws: `ListenFailure` where the address cannot be had.
    package func run() async throws {
        if case .unix(let path) = address { try UnixSocketPath.check(path, for: address) }
        do {
            try await application.run()
        } catch let error as IOError {
            throw ListenFailure(address: address, code: error.errnoCode)
        } catch is SocketAddressError.UnknownHost {
            throw ListenFailure(address: address, reason: "the host's name has no address")
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

    fileprivate func with(port: Int) -> ListenAddress? {
        guard case .tcp(let host, _) = self, let port = UInt16(exactly: port) else { return nil }
        return .tcp(host: host, port: port)
    }
}
