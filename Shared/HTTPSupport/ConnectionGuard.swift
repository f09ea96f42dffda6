import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes connections whose clients are too slow, in either direction, and those that outstay the
/// end of the daemon.
///
/// The server itself closes a connection that is idle between requests, or in whose head nothing
/// moves; what it has no time for is a body that trickles (see ``ClientPatience``), an answer that
/// is not taken, and a drain that ends.
///
/// A request that comes in one read, as nearly all do, sets no timer.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: APIServerLimits
    private var patience: ClientPatience
    private var bodyTimer: Scheduled<Void>?
    private var answerTimer: Scheduled<Void>?
    private var drainTimer: Scheduled<Void>?

    init(limits: APIServerLimits) {
        self.limits = limits
        patience = ClientPatience(bytesMin: limits.bodyBytesMin)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: patience.headRead()
        case .body(let bytes): patience.bodyRead(bytes: bytes.readableBytes)
        case .end: patience.endRead()
        }
        context.fireChannelRead(data)
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

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if patience.wantsWindows, case .body = unwrapOutboundIn(data) { patience.answered() }
        context.write(data, promise: promise)
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

// It belongs to one channel, and is only used on that one's event loop.
@available(*, unavailable)
extension ConnectionGuard: Sendable {}
