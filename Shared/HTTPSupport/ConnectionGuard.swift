import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Closes connections whose clients are too slow, in either direction, and those that outstay the
/// end of the daemon.
///
/// The server itself closes a connection that is idle between requests, or in whose head nothing
/// moves; what it has no time for is a body that trickles (see ``ClientPatience``), an answer that
/// is not taken, and a drain that ends.
///
/// It also tells the ``ConnectionRegistry`` when a request is under way, and refuses requests on a
/// connection for which there is no place. And it answers what is no request at all, to which the
/// server would say no more than its status.
///
/// A request that comes in one read, as nearly all do, sets no timer.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: APIServerLimits
    private let registry: ConnectionRegistry
    private var place = Place.none
    private var patience: ClientPatience
    /// Whether a request is not answered to its end.
    private var isAnswering = false
    private var bodyTimer: Scheduled<Void>?
    private var answerTimer: Scheduled<Void>?
    private var drainTimer: Scheduled<Void>?

    private enum Place {
        /// The connection is not open yet, or not any more.
        case none
        case taken(ConnectionRegistry.Entry)
        case refused
        /// The refusal is said: whatever else comes is not looked at.
        case over
    }

    init(limits: APIServerLimits, registry: ConnectionRegistry) {
        self.limits = limits
        self.registry = registry
        patience = ClientPatience(bytesMin: limits.bodyBytesMin)
    }

    func channelActive(context: ChannelHandlerContext) {
        if let entry = registry.admit(
            context.channel, now: context.eventLoop.now.uptimeNanoseconds)
        {
            place = .taken(entry)
        } else {
            place = .refused
            drainTimer = close(context, in: limits.refusalPatience)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            guard mayBegin(context) else { return }
            patience.headRead()
            isAnswering = true
        case .body(let bytes): patience.bodyRead(bytes: bytes.readableBytes)
        case .end: patience.endRead()
        }
        if case .over = place { return }
        context.fireChannelRead(data)
    }

    /// Whether there is a place for a request on this connection.
    private func mayBegin(_ context: ChannelHandlerContext) -> Bool {
        switch place {
        case .none: return true
        case .taken(let entry):
            if entry.begin() { return true }
            // It makes way for another, and is being closed.
            place = .over
        case .refused:
            place = .over
            refuse(context)
        case .over: break
        }
        return false
    }

    private func refuse(_ context: ChannelHandlerContext) {
        let problem = Problem(
            .overloaded,
            "this daemon serves \(limits.connectionsMax) connections at once, and all are busy",
            retryAfter: 1)
        end(context, with: problem)
    }

    /// The last answer on this connection.
    private func end(_ context: ChannelHandlerContext, with problem: Problem) {
        let (head, body) = problem.plainResponse()
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }

    /// Behind an answer that is under way another could not be told from it: then the server, which
    /// knows how far that is, has it.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let broken = error as? HTTPParserError, !isAnswering else {
            return context.fireErrorCaught(error)
        }
        end(context, with: Problem(broken, limits))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head: break
        case .body: if patience.wantsWindows { patience.answered() }
        case .end:
            isAnswering = false
            guard case .taken(let entry) = place else { break }
            entry.rest(now: context.eventLoop.now.uptimeNanoseconds)
        }
        context.write(data, promise: promise)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if patience.wantsWindows {
            patience.readCompleted(now: context.eventLoop.now.uptimeNanoseconds)
            if bodyTimer == nil { startWindow(context) }
        }
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if patience.wantsWindows {
            patience.readAsked(now: context.eventLoop.now.uptimeNanoseconds)
        }
        context.read()
    }

    private func startWindow(_ context: ChannelHandlerContext) {
        bodyTimer = context.eventLoop.assumeIsolated().scheduleTask(
            in: TimeAmount(limits.bodyWindow)
        ) {
            self.bodyTimer = nil
            guard self.patience.wantsWindows else { return }
            if self.patience.windowEnded() {
                self.startWindow(context)
            } else {
                context.close(promise: nil)
            }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        answerTimer?.cancel()
        answerTimer = context.channel.isWritable ? nil : close(context, in: limits.answerStall)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, drainTimer == nil {
            drainTimer = close(context, in: limits.drain)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func close(_ context: ChannelHandlerContext, in time: Duration) -> Scheduled<Void> {
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelTimers()
        if case .taken(let entry) = place { registry.leave(entry) }
        place = .none
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        cancelTimers()
    }

    private func cancelTimers() {
        for timer in [bodyTimer, answerTimer, drainTimer] { timer?.cancel() }
        (bodyTimer, answerTimer, drainTimer) = (nil, nil, nil)
    }
}

extension Problem {
    fileprivate init(_ error: HTTPParserError, _ limits: APIServerLimits) {
        switch error {
        case .headerOverflow:
            self = .tooLarge("the request's head", bytesMax: limits.headBytesMax)
        default: self.init(.invalidField, "this is no HTTP request that is taken here: \(error)")
        }
    }
}

// It belongs to one channel, and is only used on that one's event loop.
@available(*, unavailable)
extension ConnectionGuard: Sendable {}
