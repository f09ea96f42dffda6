import Hummingbird

/// Serves the pages that a problem's `type` leads to, and a list of them at `/problems`.
package struct ProblemPages<Context: RequestContext>: Sendable {
    package init() {}

    package func add(to router: APIRouter<Context>) {
        router.get("/problems", ProblemPages.listing) { request, context in
            ProblemPages.list.response(from: request, context: context)
        }
        router.get("/problems/:name", ProblemPages.reading) { request, context in
            let name = context.parameters.get("name") ?? ""
            // People look for what they see: the code as well as the type.
            let found = ProblemCode.allCases.first { $0.name == name || $0.rawValue == name }
            guard let code = found else {
                throw Problem(
                    .notFound, "there is no problem of that name; /problems lists them all")
            }
            return ProblemPages.page(code).response(from: request, context: context)
        }
    }

    private static var listing: APIOperation {
        APIOperation(
            "listProblems", "Every kind of problem, a line each.",
            answers: [APIAnswer(200, "Status, address and title.", .text())])
    }

    private static var reading: APIOperation {
        APIOperation(
            "getProblem", "What a kind of problem means, and what to do.",
            parameters: [
                .path("name", .string(), "The end of a problem's type, or its code.")
            ],
            answers: [APIAnswer(200, "Title, status, code and advice.", .text())],
            problems: [.notFound])
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
