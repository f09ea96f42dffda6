import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// One connection to a daemon's event stream.
///
/// On SwiftNIO, because URLSession (of the toolchain's Foundation, on Linux) keeps asking whether its socket can be
/// written while a response is open, and so takes a whole core for a stream on which nothing comes.
struct EventStreamConnection {
    enum Item {
        case opened(status: Int)
        case bytes(Data)
    }

    /// Why a stream could not be read, or broke off, in words.
    struct Failure: Error {
        let sentence: String
    }

    /// A stream on which nothing comes for so long is dead: a daemon says something more often.
    private static let patience: TimeAmount = .seconds(45)
    private static let connectPatience: TimeAmount = .seconds(10)

    private typealias Messages = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private let host: String
    private let port: Int
    private let head: HTTPRequestHead

    /// - Throws: `TraceFailure.usage` for an address that cannot be followed.
    init(_ url: URL, lastEventID: String?) throws(TraceFailure) {
        guard url.scheme == "http", let host = url.host,
            let parts = URLComponents(url: url, resolvingAgainstBaseURL: true)
        else {
            throw .usage(
                "only http:// addresses can be followed, which is what a daemon speaks: for one behind a proxy with "
                    + "TLS, follow it from its own machine, or through a tunnel such as ssh -L")
        }
        self.host = host.trimmingCharacters(in: ["[", "]"])
        port = url.port ?? 80
        var headers = HTTPHeaders([("Host", "\(host):\(port)"), ("Accept", "text/event-stream")])
        if let lastEventID { headers.add(name: "Last-Event-ID", value: lastEventID) }
        let query = parts.percentEncodedQuery.map { "?\($0)" } ?? ""
        head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: parts.percentEncodedPath + query,
            headers: headers)
    }

    /// Hands out what comes, until the stream ends or the body says that it is enough.
    ///
    /// Nothing is queued: while the body is busy, nothing more is read from the connection than is under way.
    ///
    /// - Parameter body: says whether to go on.
    /// - Throws: `Failure`, and what the body throws.
    func read(_ body: (Item) async throws -> Bool) async throws {
        do {
            try await connect().executeThenClose { inbound, outbound in
                try await outbound.write(.head(head))
                try await outbound.write(.end(nil))
                for try await part in inbound {
                    guard let item = Item(part) else { return }
                    guard try await body(item) else { return }
                }
            }
        } catch {
            throw Failure(error) ?? error
        }
    }

    private func connect() async throws -> Messages {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.connectPatience)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        SilenceHandler(patience: Self.patience))
                    return try Messages(wrappingChannelSynchronously: channel)
                }
            }
    }
}

extension EventStreamConnection.Item {
    /// Nil for the end of the response.
    fileprivate init?(_ part: HTTPClientResponsePart) {
        switch part {
        case .head(let head): self = .opened(status: Int(head.status.code))
        case .body(let bytes): self = .bytes(Data(bytes.readableBytesView))
        case .end: return nil
        }
    }
}

/// Breaks off a connection that is read from and says nothing. While nobody reads, silence means nothing.
private final class SilenceHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart

    struct Silence: Error {}

    private let patience: TimeAmount
    private var timer: Scheduled<Void>?

    init(patience: TimeAmount) {
        self.patience = patience
    }

    func read(context: ChannelHandlerContext) {
        if timer == nil {
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
                context.fireErrorCaught(Silence())
                context.close(promise: nil)
            }
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        cancelTimer()
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelTimer()
        context.fireChannelInactive()
    }

    private func cancelTimer() {
        timer?.cancel()
        timer = nil
    }
}

extension EventStreamConnection.Failure {
    /// Nil for what is no failure of a connection.
    fileprivate init?(_ error: any Error) {
        switch error {
        case let error as NIOConnectionError:
            let first = error.connectionErrors.first.flatMap { Self($0.error) }
            self = first ?? Self(sentence: "the name is not known")
        case let error as IOError: self.init(sentence: Self.sentence(of: error.errnoCode))
        case ChannelError.connectTimeout: self.init(sentence: "no answer in time")
        case is SilenceHandler.Silence: self.init(sentence: "nothing came for too long")
        case HTTPParserError.invalidEOFState, is ChannelError:
            self.init(sentence: "the connection broke")
        case let error as HTTPParserError:
            self.init(sentence: "what answers there does not speak HTTP (\(error))")
        default: return nil
        }
    }

    private static func sentence(of code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "nothing listens there"
        case ECONNRESET, EPIPE: "the connection broke"
        default: String(cString: strerror(code))
        }
    }
}
