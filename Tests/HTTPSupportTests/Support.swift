import HTTPSupport
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import TextFormats

/// An answer, with its body in one piece.
struct Answer {
    var status: Int
    var headers: HTTPFields
    var body: String
}

/// The routes of a daemon, asked without a network.
struct Routes {
    let log = LogBox()
    private let responder: RouterResponder<BasicRequestContext>

    init(_ routes: (Router<BasicRequestContext>) -> Void = { _ in }) {
        let log = log
        responder = APIServer.responder(
            logger: Logger(label: "test", factory: { _ in LogBox.Handler(box: log) }),
            routes: routes)
    }

    func ask(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:],
        body: RequestBody = RequestBody(buffer: ByteBuffer())
    ) async throws -> Answer {
        let head = HTTPRequest(
            method: method, scheme: "http", authority: "localhost", path: path,
            headerFields: headers)
        var logger = Logger(label: "request", factory: { _ in LogBox.Handler(box: LogBox()) })
        logger[metadataKey: "hb.request.id"] = "r1"
        let source = ApplicationRequestContextSource(channel: EmbeddedChannel(), logger: logger)
        let response = try await responder.respond(
            to: Request(head: head, body: body), context: BasicRequestContext(source: source))
        let collected = Collected()
        try await response.body.write(collected)
        return Answer(status: response.status.code, headers: response.headers, body: collected.text)
    }

    func post(
        _ path: String, _ body: String, headers: HTTPFields = [.contentType: "application/json"]
    ) async throws -> Answer {
        try await ask(
            .post, path, headers: headers, body: RequestBody(buffer: ByteBuffer(string: body)))
    }
}

private final class Collected: ResponseBodyWriter, Sendable {
    private let buffer = Mutex(ByteBuffer())

    var text: String { buffer.withLock { String(buffer: $0) } }

    func write(_ part: ByteBuffer) async throws {
        buffer.withLock { _ = $0.writeImmutableBuffer(part) }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// What was logged, a line an event.
final class LogBox: Sendable {
    private let stored = Mutex<[String]>([])

    var lines: [String] { stored.withLock { $0 } }

    struct Handler: LogHandler {
        let box: LogBox
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        init(box: LogBox) { self.box = box }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map {
                " \($0.key)=\($0.value)"
            }.joined()
            box.stored.withLock { $0.append("\(event.level) \(event.message)\(pairs)") }
        }
    }
}
