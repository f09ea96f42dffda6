import Hummingbird
import Logging

/// Turns whatever a route throws into a problem, so that no client ever gets another kind of error.
package struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    private let logger: Logger

    package init(logger: Logger) {
        self.logger = logger
    }

    package func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let problem as Problem {
            return problem.response(from: request, context: context)
        } catch let error as HTTPError {
            return problem(of: error, request).response(from: request, context: context)
        } catch {
            logger.error(
                "request failed",
                metadata: [
                    "http.route": "\(context.endpointPath ?? "none")", "error.detail": "\(error)",
                ])
            let problem = Problem(.internalError, "the daemon's log says more", retryAfter: 1)
            return problem.response(from: request, context: context)
        }
    }

    private func problem(of error: HTTPError, _ request: Request) -> Problem {
        switch error.status {
        case .notFound: Problem(.notFound, "nothing is at \(request.uri.path)")
        case .methodNotAllowed:
            Problem(.methodNotAllowed, "\(request.method) is not for \(request.uri.path)")
        case .contentTooLarge: Problem(.tooLarge, error.body ?? "the body is too large")
        default: Problem(.internalError, error.body ?? error.status.reasonPhrase)
        }
    }
}

/// Serves the pages that a problem's `type` leads to.
package struct ProblemPages<Context: RequestContext>: Sendable {
    package init() {}

    package func add(to router: Router<Context>) {
        router.get("/problems/:name") { _, context in
            let name = context.parameters.get("name") ?? ""
            guard let code = ProblemCode.allCases.first(where: { $0.type == "/problems/\(name)" })
            else {
                throw Problem(.notFound, "there is no problem of the name \(name)")
            }
            return "\(code.title) (\(code.status.code), \(code.rawValue))\n\n\(code.advice)\n"
        }
    }
}
