import HTTPSupport
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Metrics
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

    init(
        metrics: any MetricsFactory = NOOPMetricsHandler.instance,
        _ routes: (APIRouter<BasicRequestContext>) -> Void = { _ in }
    ) {
        let log = log
        responder = APIServer.responder(
            logger: Logger(label: "test", factory: { _ in LogBox.Handler(box: log) }),
            about: APIAbout(title: "test", version: "0"), metrics: metrics, routes: routes)
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

/// Routes whose description matters to no test.
extension APIRouter {
    func get(
        _ path: String,
        use handler: @escaping @Sendable (Request, Context) async throws -> some ResponseGenerator
    ) {
        get(path, .plain("GET", path)) { request, context in
            try await handler(request, context).response(from: request, context: context)
        }
    }

    func post(
        _ path: String,
        use handler: @escaping @Sendable (Request, Context) async throws -> some ResponseGenerator
    ) {
        post(path, .plain("POST", path)) { request, context in
            try await handler(request, context).response(from: request, context: context)
        }
    }

    func put(
        _ path: String,
        use handler: @escaping @Sendable (Request, Context) async throws -> some ResponseGenerator
    ) {
        put(path, .plain("PUT", path)) { request, context in
            try await handler(request, context).response(from: request, context: context)
        }
    }
}

extension APIOperation {
    static func plain(_ method: String, _ path: String) -> APIOperation {
        APIOperation(
            "\(method) \(path)", "A route of a test.",
            parameters: path.split(separator: "/").filter { $0.hasPrefix(":") }.map {
                .path(String($0.dropFirst()), .string(), "")
            }, answers: [APIAnswer(200, "It is there.", .text())])
    }
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
