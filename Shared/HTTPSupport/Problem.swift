import HTTPTypes
import Hummingbird
import TextFormats

/// What went wrong, as RFC 9457 says it: `application/problem+json`.
package struct Problem: Error, Sendable {
    /// A part of the request that is at fault, by its JSON path.
    package struct Part: Sendable, Hashable {
        package let path: String
        package let message: String

        package init(path: String, message: String) {
            self.path = path
            self.message = message
        }
    }

    package let code: ProblemCode
    package var detail: String
    package var errors: [Part]
    /// Seconds after which asking again may help.
    package var retryAfter: Int?

    package init(_ code: ProblemCode, _ detail: String, errors: [Part] = [], retryAfter: Int? = nil)
    {
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retryAfter = retryAfter
    }

    /// For a document that was not taken.
    package init(_ error: JSONError) {
        switch error.kind {
        case .malformed:
            self.init(.malformedJSON, "\(error.message) (at byte \(error.offset))")
        case .invalidField:
            let part = Part(path: error.path, message: error.message)
            self.init(.invalidField, error.description, errors: [part])
        }
    }

    package func write(to json: inout JSONWriter, instance: String? = nil) {
        json.object { json in
            json.member("type", code.type)
            json.member("title", code.title)
            json.member("status", Int64(code.status.code))
            json.member("code", code.rawValue)
            json.member("detail", detail)
            json.member("instance", ifPresent: instance)
            if !errors.isEmpty {
                json.name("errors")
                json.array(of: errors) { json, part in
                    json.object { json in
                        json.member("path", part.path)
                        json.member("message", part.message)
                    }
                }
            }
            json.member("retryable", code.isRetryable)
        }
    }
}

extension Problem: HTTPResponseError {
    package var status: HTTPResponse.Status { code.status }

    package func response(from request: Request, context: some RequestContext) -> Response {
        var json = JSONWriter()
        write(to: &json, instance: request.uri.path)
        var response = Response.json(json, status: status, contentType: "application/problem+json")
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        return response
    }
}
