import HTTPTypes
import Hummingbird
import Metrics
import Observability

/// What is counted of every API.
package enum HTTPMetrics {
    static let requests = MetricDefinition(
        "tributary_http_requests_total", .counter, labels: ["method", "route", "status"],
        "Requests answered, by route and status.")
    static let durations = MetricDefinition(
        "tributary_http_request_duration_seconds", .histogram(.durations),
        labels: ["method", "route"],
        "From a request's head to the head of its answer, in seconds.")
    static let problems = MetricDefinition(
        "tributary_http_problems_total", .counter, labels: ["code"],
        "Requests answered with a problem, by its code.")

    package static let definitions = [requests, durations, problems]
}

/// Counts the requests of one route.
///
/// The statuses that the route's description promises have their counters from the start, so that
/// counting looks nothing up and the labels stay few; any other counts as `other`.
struct RouteMeter: Sendable {
    private let counters: [(status: Int, counter: Counter)]
    private let other: Counter
    private let timer: Timer

    init(_ route: APIRoute, factory: any MetricsFactory) {
        let method = route.method.rawValue
        let template = route.template
        func counter(_ status: String) -> Counter {
            Counter(
                label: HTTPMetrics.requests.name,
                dimensions: [("method", method), ("route", template), ("status", status)],
                factory: factory)
        }
        counters = route.operation.statuses.sorted().map { ($0, counter(String($0))) }
        other = counter("other")
        timer = Timer(
            label: HTTPMetrics.durations.name,
            dimensions: [("method", method), ("route", template)],
            factory: factory)
    }

    /// Runs a route's handler, and counts what came of it.
    func measure(_ handle: () async throws -> Response) async throws -> Response {
        let began = ContinuousClock.now
        do {
            let response = try await handle()
            count(response.status.code, since: began)
            return response
        } catch {
            let status = (error as? any HTTPResponseError)?.status.code
            count(status ?? ProblemCode.internalError.status.code, since: began)
            throw error
        }
    }

    private func count(_ status: Int, since began: ContinuousClock.Instant) {
        (counters.first { $0.status == status }?.counter ?? other).increment()
        let (seconds, attoseconds) = (ContinuousClock.now - began).components
        timer.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

/// Counts problems by their code, and the requests that no route took.
struct ProblemMeter: Sendable {
    private let counters: [ProblemCode: Counter]
    private let unrouted: [Int: Counter]

    init(factory: any MetricsFactory) {
        counters = Dictionary(
            uniqueKeysWithValues: ProblemCode.allCases.map { code in
                let dimensions = [("code", code.rawValue)]
                return (
                    code,
                    Counter(
                        label: HTTPMetrics.problems.name, dimensions: dimensions, factory: factory)
                )
            })
        unrouted = Dictionary(
            uniqueKeysWithValues: [ProblemCode.notFound, .methodNotAllowed].map { code in
                let status = code.status.code
                let dimensions = [
                    ("method", "any"), ("route", "none"), ("status", String(status)),
                ]
                return (
                    status,
                    Counter(
                        label: HTTPMetrics.requests.name, dimensions: dimensions, factory: factory)
                )
            })
    }

    /// - Parameter isRouted: whether a route took the request, which has counted it then.
    func count(_ code: ProblemCode, isRouted: Bool) {
        counters[code]?.increment()
        if !isRouted { unrouted[code.status.code]?.increment() }
    }
}
