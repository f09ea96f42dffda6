import HTTPTypes
import Hummingbird

extension Router {
    /// Answers 405 to the methods that a path does not have, with those that it has in `Allow` (RFC
    /// 9110, section 15.5.6): the router by itself says 404, as if nothing were there. Call it when
    /// all routes have been added.
    ///
    /// - Parameter advice: a clause for methods that this daemon has nowhere.
    package func refuseOtherMethods(advice: [HTTPRequest.Method: String] = [:]) {
        let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]
        let routes = Dictionary(grouping: self.routes, by: \.path.description)
        for (path, known) in routes.sorted(by: { $0.key < $1.key }) {
            var allowed = Set(known.map(\.method))
            // Answered by way of GET.
            if allowed.contains(.get) { allowed.insert(.head) }
            let names = methods.filter(allowed.contains).map(\.rawValue)
            let list = names.joined(separator: ", ")
            for method in methods where !allowed.contains(method) {
                on(RouterPath(path), method: method) { _, _ -> Response in
                    let others = names.wordsAsList + (names.count == 1 ? " is" : " are")
                    var problem = Problem(
                        .methodNotAllowed,
                        "\(method.rawValue) is not for this address; \(others)"
                            + (advice[method].map { "; \($0)" } ?? ""))
                    problem.headers[.allow] = list
                    throw problem
                }
            }
        }
    }
}

extension [String] {
    /// `a, b and c`.
    fileprivate var wordsAsList: String {
        guard let last, count > 1 else { return first ?? "" }
        return "\(dropLast().joined(separator: ", ")) and \(last)"
    }
}
