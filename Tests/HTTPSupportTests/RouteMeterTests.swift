import HTTPSupport
import HTTPTypes
import Hummingbird
import Observability
import Testing

@Suite struct RouteMeterTests {
    private struct Failure: Error {}

    @Test func `requests are counted by route and status, and problems by their code`() async throws
    {
        let registry = MetricRegistry(HTTPMetrics.definitions)
        let routes = Routes(metrics: registry) { router in
            router.get(
                "/v1/things/:id",
                APIOperation(
                    "getThing", "Gets.", parameters: [.path("id", .string(), "Its id.")],
                    answers: [APIAnswer(200, "It.", .text())], problems: [.notFound])
            ) { _, context in
                switch context.parameters.get("id") {
                case "none": throw Problem(.notFound, "none")
                case "broken": throw Failure()
                case "odd": return Response(status: .accepted)
                default: return Response(status: .ok)
                }
            }
            MetricsPage(registry, []).add(to: router)
        }
        for id in ["1", "2", "none", "broken", "odd"] {
            _ = try await routes.ask(.get, "/v1/things/\(id)")
        }
        _ = try await routes.ask(.delete, "/v1/things/1")
        _ = try await routes.ask(.get, "/v1/nothing")
        let page = try await routes.ask(.get, "/metrics")
        #expect(page.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
        let lines = Set(page.body.split(separator: "\n").map(String.init))
        let route = #"method="GET",route="/v1/things/{id}""#
        for (labels, count) in [
            (#"\#(route),status="200""#, 2), (#"\#(route),status="404""#, 1),
            (#"\#(route),status="500""#, 1), (#"\#(route),status="other""#, 1),
            (#"method="any",route="none",status="404""#, 1),
            (#"method="any",route="none",status="405""#, 1),
        ] {
            #expect(
                lines.contains("tributary_http_requests_total{\(labels)} \(count)"), "\(labels)")
        }
        #expect(lines.contains("tributary_http_request_duration_seconds_count{\(route)} 5"))
        #expect(lines.contains(#"tributary_http_problems_total{code="not_found"} 2"#))
        #expect(lines.contains(#"tributary_http_problems_total{code="internal_error"} 1"#))
        #expect(lines.contains(#"tributary_http_problems_total{code="storage_full"} 0"#))
    }
}
