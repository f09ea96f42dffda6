import Hummingbird

/// Serves the pages that a problem's `type` leads to, and a list of them at `/problems`.
package struct ProblemPages<Context: RequestContext>: Sendable {
    package init() {}

    package func add(to router: Router<Context>) {
        router.get("/problems") { _, _ in ProblemPages.list }
        router.get("/problems/:name") { _, context in
            let name = context.parameters.get("name") ?? ""
            guard let code = ProblemCode.allCases.first(where: { $0.name == name }) else {
                throw Problem(
                    .notFound, "there is no problem of that name; /problems lists them all")
            }
            return ProblemPages.page(code)
        }
    }

    private static var list: String {
        ProblemCode.allCases.map { "\($0.status.code)  \($0.type)  \($0.title)" }.joined(
            separator: "\n") + "\n"
    }

    private static func page(_ code: ProblemCode) -> String {
        let retry =
            code.isRetryable
            ? "The same request may succeed later." : "The same request will be refused again."
        return
            "\(code.title)\n\nStatus \(code.status.code), code \(code.rawValue)\n\n\(code.advice)\n\(retry)\n"
    }
}
