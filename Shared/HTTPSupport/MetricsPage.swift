import Hummingbird
import Observability

/// Serves what is counted, as Prometheus fetches it.
package struct MetricsPage<Context: RequestContext>: Sendable {
    private let registry: MetricRegistry
    private let sources: [any MetricSource]

    /// - Parameter registry: made with the definitions of all the sources.
    package init(_ registry: MetricRegistry, _ sources: [any MetricSource]) {
        self.registry = registry
        self.sources = sources
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/metrics", MetricsPage.operation) { [self] request, context in
            var samples: [MetricSample] = []
            for source in sources { samples += await source.samples() }
            var response = registry.text(with: samples).text.response(
                from: request, context: context)
            response.headers[.contentType] = PrometheusText.contentType
            return response
        }
    }

    private static var operation: APIOperation {
        APIOperation(
            "getMetrics", "What is counted and measured, in Prometheus' text format.",
            answers: [
                APIAnswer(200, "The metrics.", .text(PrometheusText.contentType))
            ])
    }
}
