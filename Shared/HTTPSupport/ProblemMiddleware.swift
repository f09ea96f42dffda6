import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOCore
import TextFormats

/// Turns whatever a route throws into a problem, so that no client ever gets another kind of error.
///
/// It is the outermost middleware: those inside of it, such as tracing, see what was thrown, with
/// its status.
package struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    private let logger: Logger
    private let meter: ProblemMeter

    package init(logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory) {
        self.logger = logger
        meter = ProblemMeter(factory: metrics)
    }

    package func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = problem(of: error, request, context)
            // What no route took, the router itself refused.
            let isRouted = !(error is HTTPError) && problem.code != .methodNotAllowed
            meter.count(problem.code, isRouted: isRouted)
            return problem.response(from: request, context: context)
        }
    }

    private func problem(of error: any Error, _ request: Request, _ context: Context) -> Problem {
        switch error {
        case let problem as Problem: problem
        case let error as JSONError: Problem(error)
        case let error as HTTPError: problem(of: error, request)
        case let error as NIOTooManyBytesError: tooLarge(error)
        default: failure(error, context)
        }
    }

    private func problem(of error: HTTPError, _ request: Request) -> Problem {
        switch error.status {
        case .notFound:
            Problem(
                .notFound,
                "nothing is at \(request.uri.path); /openapi.json lists what is here"
            )
        case .methodNotAllowed:
            Problem(.methodNotAllowed, "\(request.method) is not for \(request.uri.path)")
        case .unauthorized: Problem(.unauthenticated, error.body ?? "a token is needed")
        case .forbidden: Problem(.forbidden, error.body ?? "the token's role does not allow it")
        case .contentTooLarge: Problem(.tooLarge, error.body ?? "the body is too large")
        case .unsupportedMediaType:
            Problem(.unsupportedMediaType, error.body ?? "the body's type is not taken here")
        case .tooManyRequests: Problem(.rateLimited, error.body ?? "too many requests")
        case .serviceUnavailable: Problem(.unavailable, error.body ?? "not available now")
        case let status where status.kind == .clientError:
            Problem(.invalidField, error.body ?? status.reasonPhrase)
        case let status: Problem(.internalError, error.body ?? status.reasonPhrase)
        }
    }

    private func tooLarge(_ error: NIOTooManyBytesError) -> Problem {
        error.maxBytes.map { .tooLarge("the body", bytesMax: $0) }
            ?? Problem(.tooLarge, "the body is too large")
    }

    /// What nobody expected: the log says it all, the client nothing that it has no business with.
    private func failure(_ error: any Error, _ context: Context) -> Problem {
        let id = context.logger[metadataKey: "hb.request.id"].map { "\($0)" }
        logger.error(
            "request failed",
            metadata: [
                "http.route": "\(context.endpointPath ?? "none")",
                "http.request.id": "\(id ?? "none")",
                "error.detail": "\(error)",
            ])
        var problem = Problem(.internalError, "the daemon's log says more", retryAfter: 1)
        if let id { problem.members.append(Problem.Member("request_id", .text(id))) }
        return problem
    }
}

extension Problem {
    /// `what` has more bytes than a limit allows; the problem says both.
    package static func tooLarge(_ what: String, bytesMax: Int, limit: String = "") -> Problem {
        let name = limit.isEmpty ? "" : ", the limit for \(limit)"
        return Problem(
            .tooLarge, "\(what) has more than \(bytesMax) bytes\(name)",
            members: [Member("limit_bytes", .integer(Int64(bytesMax)))])
    }
}
