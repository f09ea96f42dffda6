import HTTPSupport
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@Suite struct ConnectionGuardTests {
    private static let limits: APIServerLimits = {
        var limits = APIServerLimits()
        limits.bodyWindow = .seconds(10)
        limits.bodyBytesMin = 100
        limits.answerStall = .seconds(30)
        limits.drain = .seconds(5)
        return limits
    }()

    private let head = HTTPRequestPart.head(
        HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/"))

    private func channel() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: APIServer.connectionGuards(Self.limits)())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    private func body(_ count: Int) -> HTTPRequestPart {
        .body(ByteBuffer(repeating: 0x20, count: count))
    }

    @Test func `a body that comes fast enough may take for ever`() throws {
        let channel = try channel()
        try channel.writeInbound(head)
        for _ in 0..<100 {
            try channel.writeInbound(body(100))
            channel.read()
            channel.embeddedEventLoop.advanceTime(by: .seconds(10))
        }
        #expect(channel.isActive)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(channel.isActive)
    }

    @Test func `a body that trickles ends the connection after one window`() throws {
        let channel = try channel()
        try channel.writeInbound(head)
        channel.read()
        try channel.writeInbound(body(99))
        channel.read()
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_999))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
    }

    @Test func `a body that trickles may go on while parts of it are answered`() throws {
        let channel = try channel()
        try channel.writeInbound(head)
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
        for _ in 0..<100 {
            try channel.writeInbound(body(1))
            channel.read()
            try channel.writeOutbound(HTTPResponsePart.body(ByteBuffer(string: "+")))
            channel.embeddedEventLoop.advanceTime(by: .seconds(10))
        }
        #expect(channel.isActive)
        try channel.writeInbound(body(99))
        channel.read()
        channel.embeddedEventLoop.advanceTime(by: .seconds(10))
        #expect(!channel.isActive, "nothing was answered in the last window")
    }

    @Test func `a window in which we did not ask for bytes does not count`() throws {
        let channel = try channel()
        try channel.writeInbound(head)
        // The route is busy: the embedded channel asks for nothing by itself.
        channel.embeddedEventLoop.advanceTime(by: .seconds(25))
        channel.read()
        channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(channel.isActive, "the third window began without our asking")
        channel.embeddedEventLoop.advanceTime(by: .seconds(10))
        #expect(!channel.isActive, "all through the fourth we asked, and nothing came")
    }

    @Test func `a whole request leaves no timer`() throws {
        let channel = try channel()
        try channel.writeInbound(head)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(channel.isActive)
    }

    @Test func `an answer that is not taken ends the connection, and one that moves does not`()
        throws
    {
        let channel = try channel()
        for _ in 0..<3 {
            channel.isWritable = false
            channel.pipeline.fireChannelWritabilityChanged()
            channel.embeddedEventLoop.advanceTime(by: .seconds(29))
            channel.isWritable = true
            channel.pipeline.fireChannelWritabilityChanged()
        }
        #expect(channel.isActive)
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        channel.embeddedEventLoop.advanceTime(by: .seconds(30))
        #expect(!channel.isActive)
    }

    @Test func `when the daemon stops, a connection ends with the drain at the latest`() throws {
        let channel = try channel()
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(4_999))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
    }

    // MARK: Beyond the limit

    private static func channels(_ count: Int, connectionsMax: Int) throws -> [EmbeddedChannel] {
        var limits = limits
        limits.connectionsMax = connectionsMax
        let guards = APIServer.connectionGuards(limits)
        let loop = EmbeddedEventLoop()
        return try (0..<count).map { _ in
            loop.advanceTime(by: .seconds(1))
            let channel = EmbeddedChannel(handler: guards(), loop: loop)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            return channel
        }
    }

    @Test func `a new connection takes the place of the one longest at rest`() throws {
        let channels = try Self.channels(5, connectionsMax: 3)
        channels[0].embeddedEventLoop.run()
        #expect(channels.map(\.isActive) == [false, false, true, true, true])
        try channels[4].writeInbound(head)
        #expect(try channels[4].readInbound(as: HTTPRequestPart.self) == head)
    }

    @Test func `a connection with a request under way stays, and one that was answered may go`()
        throws
    {
        var limits = Self.limits
        limits.connectionsMax = 2
        let guards = APIServer.connectionGuards(limits)
        let loop = EmbeddedEventLoop()
        func open() throws -> EmbeddedChannel {
            loop.advanceTime(by: .seconds(1))
            let channel = EmbeddedChannel(handler: guards(), loop: loop)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            return channel
        }
        let busy = try open()
        try busy.writeInbound(head)
        try busy.writeInbound(HTTPRequestPart.end(nil))
        let idle = try open()
        _ = try open()
        loop.run()
        #expect(busy.isActive && !idle.isActive)
        try busy.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
        try busy.writeOutbound(HTTPResponsePart.end(nil))
        // The one that has rested for longest goes first, then the one that was just answered.
        _ = try open()
        _ = try open()
        loop.run()
        #expect(!busy.isActive)
    }

    @Test func `where all are busy a new one is refused with a problem, and closed`() throws {
        let channels = try Self.channels(2, connectionsMax: 2)
        for channel in channels { try channel.writeInbound(head) }
        var limits = Self.limits
        limits.connectionsMax = 0
        let refused = EmbeddedChannel(handler: APIServer.connectionGuards(limits)())
        try refused.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        #expect(refused.isActive)
        try refused.writeInbound(head)
        guard case .head(let response)? = try refused.readOutbound(as: HTTPResponsePart.self),
            case .body(let body)? = try refused.readOutbound(as: HTTPResponsePart.self)
        else {
            Issue.record("no answer")
            return
        }
        #expect(response.status == .serviceUnavailable)
        #expect(response.headerFields[.retryAfter] == "1")
        #expect(String(buffer: body).contains("overloaded"))
        #expect(try refused.readInbound(as: HTTPRequestPart.self) == nil)
        #expect(!refused.isActive)
    }
}
