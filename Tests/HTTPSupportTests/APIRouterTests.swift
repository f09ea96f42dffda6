import Foundation
import HTTPSupport
import HTTPTypes
import Hummingbird
import Testing

@Suite struct APIRouterTests {
    private let about = APIAbout(title: "test", version: "1.2.3")

    @Test func `every route that is added stands in the document, and no other`() async throws {
        let router = Router(context: BasicRequestContext.self)
        let described = APIRouter(router, about: about)
        described.get("/v1/things/:id/parts/:part", .plain("GET", "/v1/things/:id/parts/:part")) {
            _, _ in Response(status: .ok)
        }
        described.put("/v1/things/:id", .plain("PUT", "/v1/things/:id")) { _, _ in
            Response(status: .ok)
        }
        described.delete("/v1/things/:id", .plain("DELETE", "/v1/things/:id")) { _, _ in
            Response(status: .ok)
        }
        described.addDocument()
        let registered = Set(router.routes.map { "\($0.method) \($0.path)" })
        #expect(
            registered == [
                "GET /v1/things/{id}/parts/{part}", "PUT /v1/things/{id}",
                "DELETE /v1/things/{id}", "GET /openapi.json",
            ])
        #expect(described.documented == registered)
    }

    @Test func `a document names its daemon, its version and each component once`() async throws {
        let name = Schema.named("Name", .string(lengthMax: 3))
        let routes = Routes { router in
            router.get(
                "/v1/things",
                APIOperation(
                    "listThings", "Lists.",
                    answers: [.page("A page.", of: .object(["a": name, "b": .orNull(name)]))],
                    problems: [.invalidField, .notFound, .overloaded, .unavailable])
            ) { _, _ in Response(status: .ok) }
        }
        let document = try await routes.ask(.get, "/openapi.json").body
        #expect(document.hasPrefix(#"{"openapi":"3.1.1","info":{"title":"test","version":"0""#))
        #expect(document.contains(#""Name":{"type":"string","maxLength":3}"#))
        #expect(document.components(separatedBy: #""maxLength":3"#).count == 2)
        #expect(
            document.components(separatedBy: ##""$ref":"#/components/schemas/Name""##).count == 3)
        // Two problems of one status are one response.
        #expect(document.contains(#""enum":["overloaded","unavailable"]"#))
    }

    @Test func `a route whose description has other parameters than its path stops the process`()
        async
    {
        await #expect(processExitsWith: .failure) {
            let router = APIRouter(
                Router(context: BasicRequestContext.self),
                about: APIAbout(title: "test", version: "0"))
            router.get("/v1/things/:id", .plain("GET", "/v1/things")) { _, _ in
                Response(status: .ok)
            }
        }
    }

    @Test func `two routes of one name stop the process`() async {
        await #expect(processExitsWith: .failure) {
            let router = APIRouter(
                Router(context: BasicRequestContext.self),
                about: APIAbout(title: "test", version: "0"))
            for path in ["/a", "/b"] {
                router.get(path, .plain("GET", "/same")) { _, _ in Response(status: .ok) }
            }
        }
    }
}
