import HTTPTypes
import Hummingbird
import Metrics

/// Where a daemon's routes are added, each with its description: the router and the document under
/// `/openapi.json` are made from the same table, so neither has a route that the other lacks.
package final class APIRouter<Context: RequestContext> {
    package typealias Handler = @Sendable (Request, Context) async throws -> Response

    private let router: Router<Context>
    private let about: APIAbout
    private let metrics: any MetricsFactory
    private var routes: [APIRoute] = []

    package init(
        _ router: Router<Context>, about: APIAbout,
        metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        self.router = router
        self.about = about
        self.metrics = metrics
    }

    package func get(_ path: String, _ operation: APIOperation, use handler: @escaping Handler) {
        add(.get, path, operation, handler)
    }

    package func post(_ path: String, _ operation: APIOperation, use handler: @escaping Handler) {
        add(.post, path, operation, handler)
    }

    package func put(_ path: String, _ operation: APIOperation, use handler: @escaping Handler) {
        add(.put, path, operation, handler)
    }

    package func delete(_ path: String, _ operation: APIOperation, use handler: @escaping Handler) {
        add(.delete, path, operation, handler)
    }

    /// Method and address of every route that the document names.
    package var documented: Set<String> {
        Set(routes.map { "\($0.method) \($0.template)" })
    }

    private func add(
        _ method: HTTPRequest.Method, _ path: String, _ operation: APIOperation,
        _ handler: @escaping Handler
    ) {
        let route = APIRoute(method: method, path: path, operation: operation)
        precondition(
            route.pathParameters
                == operation.parameters.filter { $0.place == .path }.map(\.name),
            "the path \(path) has other parameters than operation \(operation.id)")
        precondition(
            !routes.contains { $0.operation.id == operation.id },
            "two operations are called \(operation.id)")
        routes.append(route)
        let meter = RouteMeter(route, factory: metrics)
        router.on(RouterPath(path), method: method) { request, context in
            try await meter.measure { try await handler(request, context) }
        }
    }

    /// Serves what has been added, and itself, as one OpenAPI document. Call it when all routes have
    /// been added.
    package func addDocument() {
        let path = "/openapi.json"
        let own = APIRoute(method: .get, path: path, operation: OpenAPIDocument.operation)
        let bytes = OpenAPIDocument(about: about, routes: routes + [own]).bytes()
        get(path, OpenAPIDocument.operation) { _, _ in
            Response(
                status: .ok,
                headers: [
                    .contentType: "application/json",
                    .contentLength: String(bytes.readableBytes),
                ], body: ResponseBody(byteBuffer: bytes))
        }
    }
}

/// What a daemon's API is called.
package struct APIAbout: Sendable {
    package let title: String
    package let version: String
    /// Where to turn with a method that this daemon has nowhere, as a clause.
    package let methodAdvice: [HTTPRequest.Method: String]

    package init(
        title: String, version: String, methodAdvice: [HTTPRequest.Method: String] = [:]
    ) {
        self.title = title
        self.version = version
        self.methodAdvice = methodAdvice
    }
}

/// One method at one address.
struct APIRoute {
    let method: HTTPRequest.Method
    /// As the router writes it: `/v1/accounts/:address`.
    let path: String
    let operation: APIOperation

    private var segments: [Substring] { path.split(separator: "/") }

    var pathParameters: [String] {
        segments.filter { $0.hasPrefix(":") }.map { String($0.dropFirst()) }
    }

    /// As OpenAPI writes it: `/v1/accounts/{address}`.
    var template: String {
        "/"
            + segments.map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }
            .joined(separator: "/")
    }
}
